//! A receiver of traces, logs and metrics over OTLP/gRPC that keeps what it gets, or refuses it.

use crate::served::Served;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// What arrived.
#[derive(Clone, Default, Debug)]
pub struct Received {
    /// Spans.
    pub spans: Vec<Span>,
    /// Log records.
    pub records: Vec<LogRecord>,
    /// Metrics, each with the name of the service that sent it; those of the last push of each service.
    pub metrics: Vec<(String, Metric)>,
}

/// Keeps everything that arrives.
pub struct Collector {
    received: Arc<Mutex<Received>>,
    served: Served,
}

impl Collector {
    /// Listens on a free port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        Self::serving(false)
    }

    /// One that refuses everything.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    #[must_use]
    pub fn refusing() -> Self {
        Self::serving(true)
    }

    fn serving(refuses: bool) -> Self {
        let received = Arc::default();
        let keeping = Keeping { received: Arc::clone(&received), refuses };
        let services = Server::builder()
            .add_service(TraceServiceServer::new(keeping.clone()))
            .add_service(LogsServiceServer::new(keeping.clone()))
            .add_service(MetricsServiceServer::new(keeping));
        Self { received, served: Served::start(services) }
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.served.url()
    }

    /// Everything so far.
    #[must_use]
    pub fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The text of an attribute; `None` if there is none of that name.
#[must_use]
pub fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match attributes.iter().find(|it| it.key == name)?.value.as_ref()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text),
        _ => None,
    }
}

#[derive(Clone)]
struct Keeping {
    received: Arc<Mutex<Received>>,
    refuses: bool,
}

impl Keeping {
    fn keep<R: Default>(&self, keep: impl FnOnce(&mut Received)) -> Result<Response<R>, Status> {
        if self.refuses {
            return Err(Status::permission_denied("nothing is taken"));
        }
        keep(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Response::new(R::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Keeping {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|it| it.scope_spans);
        self.keep(|received| received.spans.extend(scopes.flat_map(|scope| scope.spans)))
    }
}

#[tonic::async_trait]
impl LogsService for Keeping {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_logs.into_iter().flat_map(|it| it.scope_logs);
        self.keep(|received| received.records.extend(scopes.flat_map(|scope| scope.log_records)))
    }
}

#[tonic::async_trait]
impl MetricsService for Keeping {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep(|received| {
            for of_resource in request.into_inner().resource_metrics {
                let service = service(of_resource.resource);
                for metric in of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                    received.metrics.retain(|(of, before)| (of, &before.name) != (&service, &metric.name));
                    received.metrics.push((service.clone(), metric));
                }
            }
        })
    }
}

fn service(resource: Option<Resource>) -> String {
    let attributes = resource.unwrap_or_default().attributes;
    text(&attributes, "service.name").unwrap_or_default().to_owned()
}
