//! What a reader service tells about itself: whether it can be gone through, and no more.

use super::super::describe::{About, Description};
use super::super::{Lookup, StoreError};
use super::{Grpc, classify, collection};
use bytes::Bytes;
use counterfoil_proto::wire::ScanRequest;
use std::error::Error;
use tonic::{Code, Status};

impl Grpc {
    pub(in super::super) async fn describe(&self, lookup: &Lookup) -> Result<Description, StoreError> {
        let mut description =
            Description { has_scan: Some(self.has_scan(lookup).await?), ..Description::default() };
        for about in [About::Role, About::Rights, About::Index] {
            description.leave_open(about, "a reader service does not say what its store is");
        }
        Ok(description)
    }

    async fn has_scan(&self, lookup: &Lookup) -> Result<bool, StoreError> {
        let question = ScanRequest { collection: collection(lookup)?, after: Bytes::new(), limit: 1 };
        let request = self.request(question).await?;
        let (lease, mut client) = self.client().await?;
        let told = match client.scan(request).await {
            Ok(_) => Ok(true),
            Err(status) if is_left_out(&status) => Ok(false),
            Err(status) => Err(classify(&status)),
        };
        lease.settle(client, told)
    }
}

/// A status with a cause was made on this side, and is not the service's own.
fn is_left_out(status: &Status) -> bool {
    status.code() == Code::Unimplemented && status.source().is_none()
}
