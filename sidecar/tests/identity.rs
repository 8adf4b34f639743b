//! Who a source is: what the configuration grants to the peer on the socket, and not what its hello says alone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_proto::wire::emit::{Bye, Hello, frame::Body};
use house::{Emitter, House, hello, plain};

const REFUSED: &str = "counterfoil_framer_refused_frames_total{reason=\"service\"}";

/// A user that nobody here is.
const STRANGER: u32 = 4_000_000_000;

/// A shell's only line, and what it is answered first.
const SHELL: &str = r#"{"put":{"map":"cart","key":"k","value":"v"}}"#;

/// The overlay of a section with the services `(name, uids, gids)`, in the pod `pod-7`.
fn source(services: &[(&str, &[u32], &[u32])]) -> String {
    let entries: Vec<_> = services
        .iter()
        .map(|(name, uids, gids)| format!("{{name: {name}, uids: {uids:?}, gids: {gids:?}}}"))
        .collect();
    format!("source={{instance: pod-7, services: [{}]}}", entries.join(", "))
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn own_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

async fn shell(house: &House, line: &str) -> (Emitter, String) {
    let mut shell = house.emitter().await;
    shell.say_bytes(format!("{line}\n").as_bytes()).await;
    let answer = shell.hear_line().await.unwrap();
    (shell, answer)
}

/// The services of the batches of `instance`, once there is one.
async fn services_of(house: &House, instance: &str) -> Vec<String> {
    let batches = house.comparator.batches(instance, |batches| !batches.is_empty()).await;
    let mut services: Vec<_> = batches.iter().map(|columns| columns.header().service.clone()).collect();
    services.dedup();
    services
}

#[tokio::test]
async fn a_peer_whose_user_is_listed_reports_as_its_service_and_in_its_pod() {
    let own = [own_uid()];
    let house = House::start(&[&source(&[("cart", &own, &[]), ("stock", &[STRANGER], &[])])]).await;
    for (instance, service) in [("named", "cart"), ("unnamed", "")] {
        let hello = Hello { service: service.to_owned(), ..hello(instance) };
        let (mut emitter, _) = Emitter::greeted(&house.socket(), hello).await;
        emitter.say(plain(0, 1)).await;
        emitter.acked(1).await;
        emitter.say(Body::Bye(Bye {})).await;
        assert_eq!(services_of(&house, &format!("pod-7/{instance}")).await, ["cart"], "{instance}");
    }
    let (_shell, answer) = shell(&house, r#"{"hello":{"instance":"script"}}"#).await;
    assert!(answer.starts_with("{\"welcome\":"), "{answer}");
    let (_shell, answer) = shell(&house, SHELL).await;
    assert!(answer.starts_with("{\"welcome\":"), "{answer}");
    let fourth = format!("pod-7/uid-{}-4", own_uid());
    assert_eq!(services_of(&house, &fourth).await, ["cart"], "the fourth connection");
}

#[tokio::test]
async fn a_peer_whose_user_is_not_listed_is_refused_in_either_form_and_counted() {
    let services = source(&[("cart", &[STRANGER], &[STRANGER]), ("stock", &[], &[own_gid()])]);
    let house = House::start(&[&services]).await;
    let before = house.metric(REFUSED);
    let (uid, gid) = (own_uid(), own_gid());
    let others = format!("hello.service is not for user {uid} (group {gid}); add it to uids or gids");
    let rows = [("cart", others.as_str()), ("orders", "hello.service is not in source.services")];
    for (service, expected) in rows {
        let mut emitter = house.emitter().await;
        emitter.say(Body::Hello(Hello { service: service.to_owned(), ..hello("bad") })).await;
        let message = emitter.refused().await;
        assert!(message.contains(expected), "{message:?} should say {expected:?}");
        let (mut shell, answer) = shell(&house, &format!(r#"{{"hello":{{"service":"{service}"}}}}"#)).await;
        assert!(answer.contains("\"refusal\":") && answer.contains(expected), "{answer}");
        assert_eq!(shell.hear_line().await, None);
    }
    assert!(house.metric(REFUSED) >= before + 4.0);
    let hello = Hello { service: "stock".to_owned(), ..hello("good") };
    Emitter::greeted(&house.socket(), hello).await;
}

#[tokio::test]
async fn a_peer_of_several_services_has_to_name_one() {
    let house = House::start(&[&source(&[("cart", &[], &[]), ("stock", &[own_uid()], &[])])]).await;
    let before = house.metric(REFUSED);
    let expected = "hello.service is empty and source.services has 2";
    let mut emitter = house.emitter().await;
    emitter.say(Body::Hello(Hello { service: String::new(), ..hello("unnamed") })).await;
    let message = emitter.refused().await;
    assert!(message.contains(expected), "{message}");
    let (_shell, answer) = shell(&house, SHELL).await;
    assert!(answer.contains(expected), "{answer}");
    assert!(house.metric(REFUSED) >= before + 2.0);
    let (_shell, answer) = shell(&house, r#"{"hello":{"service":"stock"}}"#).await;
    assert!(answer.starts_with("{\"welcome\":"), "{answer}");
}
