//! The line that says who speaks.

use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{AckLevel, ClockDomain, Hello, MapOrder, Stamps};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HelloLine {
    service: String,
    instance: String,
    epoch: u64,
    stamps: Option<StampsName>,
    map_order: Option<OrderName>,
    ack: Option<LevelName>,
    clock: Option<Clock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum StampsName {
    Sidecar,
    Emitter,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Exact,
    Interval,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelName {
    Received,
    Spooled,
    Durable,
    Accepted,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    boot_id: String,
    #[serde(default)]
    offset_ns: i64,
}

/// The hello of a client that says none.
pub(crate) fn implicit_hello() -> Hello {
    HelloLine::default().into()
}

impl From<HelloLine> for Hello {
    fn from(line: HelloLine) -> Self {
        let stamps = match line.stamps {
            Some(StampsName::Emitter) => Stamps::Emitter,
            Some(StampsName::Sidecar) | None => Stamps::Sidecar,
        };
        let order = match line.map_order {
            Some(OrderName::Exact) => MapOrder::Exact,
            Some(OrderName::Interval) | None => MapOrder::Interval,
        };
        let ack = match line.ack {
            Some(LevelName::Received) | None => AckLevel::Received,
            Some(LevelName::Spooled) => AckLevel::Spooled,
            Some(LevelName::Durable) => AckLevel::Durable,
            Some(LevelName::Accepted) => AckLevel::Accepted,
        };
        Self {
            protocol: PROTOCOL,
            service: line.service,
            instance: line.instance,
            epoch: line.epoch,
            clock: line.clock.map(|clock| ClockDomain { boot_id: clock.boot_id, offset_ns: clock.offset_ns }),
            ack: ack.into(),
            map_order: order.into(),
            stamps: stamps.into(),
        }
    }
}
