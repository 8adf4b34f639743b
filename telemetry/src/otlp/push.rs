//! Metrics, pushed at an interval: those that are scraped, of the same recorder.

use super::EXPORT_TIMEOUT;
use super::bounded::Waiting;
use super::points::{Period, metrics, points};
use crate::{TelemetryError, exemplars};
use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// Values in one message: a collector takes 4 MiB unless told otherwise, and one with its labels is some 200 bytes. A metric is
/// never divided.
const POINTS_MAX: usize = 8_192;

/// Pushes until it is ended.
pub(super) struct Push {
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Push {
    /// Pushes what `recorder` tells every so many seconds, on the runtime in which this is called.
    pub(super) fn start(
        endpoint: &str,
        every_s: u32,
        recorder: PrometheusHandle,
        resource: &opentelemetry_sdk::Resource,
    ) -> Result<Self, TelemetryError> {
        let channel = Endpoint::from_shared(endpoint.to_owned()).map_err(TelemetryError::Endpoint)?;
        let pusher = Pusher {
            client: MetricsServiceClient::new(channel.connect_lazy()),
            recorder,
            resource: wire_resource(resource),
            started_unix_ns: now_unix_ns(),
            waiting: Waiting::new("metrics"),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(pusher.run(Duration::from_secs(u64::from(every_s)), stop.clone()));
        Ok(Self { stop, task: Mutex::new(Some(task)) })
    }

    /// Pushes once more, for the last time.
    pub(super) async fn end(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the push of metrics ended early");
        }
    }
}

struct Pusher {
    client: MetricsServiceClient<Channel>,
    recorder: PrometheusHandle,
    resource: Resource,
    started_unix_ns: u64,
    waiting: Arc<Waiting>,
}

impl Pusher {
    async fn run(self, every: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.push().await;
        }
        self.push().await;
    }

    async fn push(&self) {
        let period = Period { started_unix_ns: self.started_unix_ns, now_unix_ns: now_unix_ns() };
        let told = self.recorder.render();
        for metrics in messages(metrics(&told, &exemplars::latest(), period)) {
            let count = metrics.iter().map(points).sum();
            let result = self.send(metrics).await;
            self.waiting.sent(count, &result);
            if result.is_err() {
                // A collector that is away is not waited for by each message: what these tell comes again with the next push.
                return;
            }
        }
    }

    async fn send(&self, metrics: Vec<Metric>) -> Result<(), Status> {
        let scope = InstrumentationScope { name: super::SCOPE.to_owned(), ..Default::default() };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
        let resource = Some(self.resource.clone());
        let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, schema_url: String::new() }];
        let mut client = self.client.clone();
        let sending = client.export(ExportMetricsServiceRequest { resource_metrics });
        let in_time = tokio::time::timeout(EXPORT_TIMEOUT, sending).await;
        let answer = in_time.map_err(|_| Status::deadline_exceeded("no answer in time"))??.into_inner();
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => {
                Err(Status::invalid_argument(partial.error_message))
            }
            _ => Ok(()),
        }
    }
}

/// Metrics in messages of a bounded size.
fn messages(metrics: Vec<Metric>) -> Vec<Vec<Metric>> {
    let (mut messages, mut room) = (Vec::<Vec<Metric>>::new(), 0);
    for metric in metrics {
        let needed = points(&metric);
        match messages.last_mut().filter(|_| needed <= room) {
            Some(message) => message.push(metric),
            None => {
                room = POINTS_MAX;
                messages.push(vec![metric]);
            }
        }
        room = room.saturating_sub(needed);
    }
    messages
}

fn wire_resource(resource: &opentelemetry_sdk::Resource) -> Resource {
    Resource { attributes: ResourceAttributesWithSchema::from(resource).attributes.0, ..Default::default() }
}

fn now_unix_ns() -> u64 {
    u64::try_from(counterfoil_clock::wall_unix_ns()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint};

    #[test]
    fn messages_are_bounded_but_no_metric_is_divided() {
        let of = |count| {
            let data_points = vec![NumberDataPoint::default(); count];
            Metric { data: Some(Data::Gauge(Gauge { data_points })), ..Default::default() }
        };
        for (sizes, expected) in [
            (&[][..], &[][..]),
            (&[1, 2], &[&[1, 2][..]]),
            (&[POINTS_MAX, 1], &[&[POINTS_MAX], &[1]]),
            (&[POINTS_MAX + 1, 1, POINTS_MAX - 1, 1], &[&[POINTS_MAX + 1], &[1, POINTS_MAX - 1], &[1]]),
        ] {
            let messages = messages(sizes.iter().copied().map(of).collect());
            let told: Vec<Vec<_>> = messages.iter().map(|it| it.iter().map(points).collect()).collect();
            assert_eq!(told, expected, "{sizes:?}");
        }
    }
}
