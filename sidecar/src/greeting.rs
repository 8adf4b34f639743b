//! The hello of a connection: who the source is and how it talks.

use crate::batcher::SourceId;
use crate::framer::Form;
use crate::refused::Refused;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{AckLevel, Hello, MapOrder, Stamps};

/// Longest name of a service, instance or boot.
const NAME_BYTES_MAX: usize = 128;

/// A hello that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Greeting {
    pub(crate) id: SourceId,
    pub(crate) clock: Domain,
    pub(crate) stamps: Stamps,
    /// How safe events are to be before they are acknowledged.
    pub(crate) ack: AckLevel,
    pub(crate) form: Form,
    /// Sequence numbers follow the map's own order.
    pub(crate) exact: bool,
    /// The sidecar named the source: nobody can come back to it.
    pub(crate) anonymous: bool,
}

/// Who connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Number of the connection.
    pub(crate) number: u64,
}

impl Greeting {
    /// Checks a hello. In JSON, what it leaves out is filled in from `peer` and the present time.
    pub(crate) fn understand(mut hello: Hello, form: Form, peer: Peer, now: Time) -> Result<Self, Refused> {
        if hello.protocol != PROTOCOL {
            return Err(Refused::Protocol { theirs: hello.protocol });
        }
        let anonymous = form == Form::Json && hello.epoch == 0;
        if form == Form::Json {
            fill_in(&mut hello, peer, now);
        }
        let known = |field, known, value| if known { Ok(()) } else { Err(Refused::Unknown { field, value }) };
        known("stamps", Stamps::try_from(hello.stamps).is_ok(), hello.stamps)?;
        known("ack", AckLevel::try_from(hello.ack).is_ok(), hello.ack)?;
        known("map_order", MapOrder::try_from(hello.map_order).is_ok(), hello.map_order)?;
        check_name("service", &hello.service)?;
        check_name("instance", &hello.instance)?;
        let (stamps, ack, exact) = (hello.stamps(), hello.ack(), hello.map_order() == MapOrder::Exact);
        let clock = match (stamps, hello.clock) {
            (Stamps::Sidecar, _) => Domain::of_this_process(),
            (_, Some(clock)) if !clock.boot_id.is_empty() && clock.boot_id.len() <= NAME_BYTES_MAX => {
                clock.into()
            }
            _ => return Err(Refused::NoClock),
        };
        let id = SourceId { service: hello.service, instance: hello.instance, epoch: hello.epoch };
        Ok(Self { id, clock, stamps, ack, form, exact, anonymous })
    }
}

fn fill_in(hello: &mut Hello, peer: Peer, now: Time) {
    if hello.service.is_empty() {
        hello.service = "shell".to_owned();
    }
    if hello.instance.is_empty() {
        hello.instance = format!("uid-{}-{}", peer.uid, peer.number);
    }
    if hello.epoch == 0 {
        hello.epoch = u64::try_from(now.0).unwrap_or_default();
    }
}

fn check_name(field: &'static str, name: &str) -> Result<(), Refused> {
    let good = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(Refused::Name { field, bytes: name.len(), max: NAME_BYTES_MAX }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use counterfoil_proto::wire::emit::ClockDomain;

    const PEER: Peer = Peer { uid: 10, gid: 20, number: 3 };

    fn hello() -> Hello {
        Hello {
            protocol: PROTOCOL,
            service: "cart".to_owned(),
            instance: "a".to_owned(),
            epoch: 7,
            clock: Some(ClockDomain { boot_id: "boot".to_owned(), offset_ns: -1 }),
            ..Default::default()
        }
    }

    fn refused(hello: Hello) -> String {
        Greeting::understand(hello, Form::Protobuf, PEER, Time(5)).unwrap_err().to_string()
    }

    #[test]
    fn a_hello_that_cannot_be_used_names_its_field() {
        let no_boot = ClockDomain::default();
        for (hello, expected) in [
            (Hello { protocol: 2, ..hello() }, "hello.protocol is 2; this sidecar speaks 1"),
            (Hello { service: String::new(), ..hello() }, "hello.service has 0 bytes; send 1 to 128"),
            (Hello { instance: "x".repeat(129), ..hello() }, "hello.instance has 129 bytes"),
            (Hello { service: "a\nb".to_owned(), ..hello() }, "hello.service"),
            (Hello { clock: None, ..hello() }, "hello.clock"),
            (Hello { clock: Some(no_boot), ..hello() }, "clock.boot_id"),
            (Hello { stamps: 9, ..hello() }, "hello.stamps is 9"),
            (Hello { map_order: 9, ..hello() }, "hello.map_order is 9"),
            (Hello { ack: 9, ..hello() }, "hello.ack is 9"),
        ] {
            let message = refused(hello);
            assert!(message.contains(expected), "{message:?} should say {expected:?}");
        }
    }

    #[test]
    fn a_shell_needs_no_name() {
        let greeting = Greeting::understand(json::implicit_hello(), Form::Json, PEER, Time(5)).unwrap();
        let id = SourceId { service: "shell".to_owned(), instance: "uid-10-3".to_owned(), epoch: 5 };
        assert_eq!((greeting.id, greeting.anonymous), (id, true));
        assert_eq!(greeting.clock, Domain::of_this_process());
    }

    #[test]
    fn an_emitter_without_a_clock_may_leave_stamping_to_the_sidecar() {
        let hello = Hello { clock: None, stamps: Stamps::Sidecar.into(), ..hello() };
        let greeting = Greeting::understand(hello, Form::Protobuf, PEER, Time(5)).unwrap();
        assert_eq!((greeting.stamps, greeting.anonymous), (Stamps::Sidecar, false));
    }
}
