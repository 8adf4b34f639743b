//! TLS for Postgres, whose client asks for it after the first bytes.

use super::super::StoreError;
use super::super::tls::Tls;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Makes a connection encrypted, and believes only a server with the right name.
#[derive(Clone)]
pub(super) struct Encrypted {
    inner: MakeRustlsConnect,
    tls: Tls,
}

impl Encrypted {
    /// With the files as they are now.
    pub(super) async fn new(tls: &Tls) -> Result<Self, StoreError> {
        Ok(Self { inner: MakeRustlsConnect::new(tls.config(false).await?), tls: tls.clone() })
    }
}

impl<S> MakeTlsConnect<S> for Encrypted
where
    MakeRustlsConnect: MakeTlsConnect<S>,
{
    type Stream = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<S>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        <MakeRustlsConnect as MakeTlsConnect<S>>::make_tls_connect(&mut self.inner, self.tls.name(host))
    }
}
