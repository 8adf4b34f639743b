//! The hello of a connection: who the source is and how it talks.

use crate::batcher::SourceId;
use crate::config::{INSTANCE_BYTES_MAX, NAME_BYTES_MAX, Naming, is_name};
use crate::framer::Form;
use crate::refused::Refused;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{AckLevel, Hello, MapOrder, Stamps};

/// Longest instance that [`fill_in`] gives: `uid-`, 10 digits, `-`, 20 digits.
const FILLED_IN_BYTES_MAX: usize = 35;

/// A shell has a name under every `source.instance`.
const _: () = assert!(INSTANCE_BYTES_MAX + "/".len() + FILLED_IN_BYTES_MAX <= NAME_BYTES_MAX);

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
    /// Checks a hello. In JSON, what it leaves out is filled in from `peer` and the present time. `naming` decides which
    /// service it may be of, and what its instance begins with.
    pub(crate) fn understand(
        mut hello: Hello,
        form: Form,
        peer: Peer,
        naming: &Naming,
        now: Time,
    ) -> Result<Self, Refused> {
        if hello.protocol != PROTOCOL {
            return Err(Refused::Protocol { theirs: hello.protocol });
        }
        hello.service = naming.services.granted(hello.service, peer.uid, peer.gid)?;
        let anonymous = form == Form::Json && hello.epoch == 0;
        if form == Form::Json {
            fill_in(&mut hello, peer, now);
        }
        let known = |field, known, value| if known { Ok(()) } else { Err(Refused::Unknown { field, value }) };
        known("stamps", Stamps::try_from(hello.stamps).is_ok(), hello.stamps)?;
        known("ack", AckLevel::try_from(hello.ack).is_ok(), hello.ack)?;
        known("map_order", MapOrder::try_from(hello.map_order).is_ok(), hello.map_order)?;
        check_name("service", &hello.service, NAME_BYTES_MAX)?;
        let prefix = naming.missing_prefix(&hello.instance);
        check_name("instance", &hello.instance, NAME_BYTES_MAX.saturating_sub(prefix.len()))?;
        let instance = format!("{prefix}{}", hello.instance);
        let (stamps, ack, exact) = (hello.stamps(), hello.ack(), hello.map_order() == MapOrder::Exact);
        let clock = match (stamps, hello.clock) {
            (Stamps::Sidecar, _) => Domain::of_this_process(),
            (_, Some(clock)) if !clock.boot_id.is_empty() && clock.boot_id.len() <= NAME_BYTES_MAX => {
                clock.into()
            }
            _ => return Err(Refused::NoClock),
        };
        let id = SourceId { service: hello.service, instance, epoch: hello.epoch };
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

fn check_name(field: &'static str, name: &str, max: usize) -> Result<(), Refused> {
    if is_name(name, max) { Ok(()) } else { Err(Refused::Name { field, bytes: name.len(), max }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{NotGranted, Service, Services};
    use crate::json;
    use counterfoil_proto::wire::emit::ClockDomain;

    const PEER: Peer = Peer { uid: 10, gid: 20, number: 3 };

    /// Each peer is what it says.
    fn as_said() -> Naming {
        Naming { services: Services::AsSaid, instance_prefix: String::new() }
    }

    /// The user of [`PEER`] is of the service `service`, in the pod `pod-7`.
    fn listed(service: &str) -> Naming {
        let service = Service { name: service.to_owned(), uids: vec![PEER.uid], gids: Vec::new() };
        Naming { services: Services::Listed(vec![service]), instance_prefix: "pod-7/".to_owned() }
    }

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

    fn refused(hello: Hello, naming: &Naming) -> String {
        Greeting::understand(hello, Form::Protobuf, PEER, naming, Time(5)).unwrap_err().to_string()
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
            let message = refused(hello, &as_said());
            assert!(message.contains(expected), "{message:?} should say {expected:?}");
        }
    }

    #[test]
    fn a_shell_needs_no_name() {
        let greeting =
            Greeting::understand(json::implicit_hello(), Form::Json, PEER, &as_said(), Time(5)).unwrap();
        let id = SourceId { service: "shell".to_owned(), instance: "uid-10-3".to_owned(), epoch: 5 };
        assert_eq!((greeting.id, greeting.anonymous), (id, true));
        assert_eq!(greeting.clock, Domain::of_this_process());
    }

    #[test]
    fn an_emitter_without_a_clock_may_leave_stamping_to_the_sidecar() {
        let hello = Hello { clock: None, stamps: Stamps::Sidecar.into(), ..hello() };
        let greeting = Greeting::understand(hello, Form::Protobuf, PEER, &as_said(), Time(5)).unwrap();
        assert_eq!((greeting.stamps, greeting.anonymous), (Stamps::Sidecar, false));
    }

    #[test]
    fn who_a_source_is_comes_from_configuration_and_credentials() {
        let unnamed = Hello { service: String::new(), ..hello() };
        let with_slash = Hello { instance: "host/4".to_owned(), ..hello() };
        let other_pod = Hello { instance: "pod-8/a".to_owned(), ..hello() };
        let shell = json::implicit_hello();
        for (hello, form, instance) in [
            (hello(), Form::Protobuf, "pod-7/a"),
            (hello(), Form::Json, "pod-7/a"),
            (unnamed.clone(), Form::Protobuf, "pod-7/a"),
            (unnamed, Form::Json, "pod-7/a"),
            (with_slash, Form::Protobuf, "pod-7/host/4"),
            (other_pod, Form::Protobuf, "pod-7/pod-8/a"),
            (Hello { instance: "pod-7/4".to_owned(), ..hello() }, Form::Protobuf, "pod-7/4"),
            (Hello { instance: "pod-7/".to_owned(), ..hello() }, Form::Protobuf, "pod-7/pod-7/"),
            (Hello { instance: "pod-77".to_owned(), ..hello() }, Form::Protobuf, "pod-7/pod-77"),
            (shell, Form::Json, "pod-7/uid-10-3"),
        ] {
            let greeting = Greeting::understand(hello, form, PEER, &listed("cart"), Time(5)).unwrap();
            assert_eq!((greeting.id.service.as_str(), greeting.id.instance.as_str()), ("cart", instance));
        }
    }

    #[test]
    fn a_service_that_is_not_granted_is_refused_in_either_form() {
        for form in [Form::Protobuf, Form::Json] {
            let refused = Greeting::understand(hello(), form, PEER, &listed("stock"), Time(5)).unwrap_err();
            assert_eq!((&refused, refused.label()), (&Refused::Service(NotGranted::Unlisted), "service"));
        }
        let stranger = Peer { uid: 11, ..PEER };
        let shell = json::implicit_hello();
        let refused = Greeting::understand(shell, Form::Json, stranger, &listed("shell"), Time(5));
        assert_eq!(refused, Err(Refused::Service(NotGranted::Nothing { uid: 11, gid: 20 })));
    }

    #[test]
    fn an_instance_is_bounded_as_a_whole() {
        let of_bytes = |bytes| Hello { instance: "x".repeat(bytes), ..hello() };
        let fits = Greeting::understand(of_bytes(122), Form::Protobuf, PEER, &listed("cart"), Time(5));
        assert_eq!(fits.unwrap().id.instance.len(), NAME_BYTES_MAX);
        let message = refused(of_bytes(123), &listed("cart"));
        assert!(message.contains("hello.instance has 123 bytes; send 1 to 122"), "{message}");
        let message = refused(of_bytes(0), &listed("cart"));
        assert!(message.contains("hello.instance has 0 bytes"), "{message}");
    }

    #[test]
    fn the_longest_name_that_is_filled_in_fits() {
        let (peer, mut hello) = (Peer { uid: u32::MAX, gid: 0, number: u64::MAX }, json::implicit_hello());
        fill_in(&mut hello, peer, Time(5));
        assert_eq!(hello.instance.len(), FILLED_IN_BYTES_MAX);
    }
}
