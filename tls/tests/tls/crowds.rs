//! Callers that are silent, slow, or too many.

use crate::authority::{Authority, CLIENT, SERVER};
use crate::door::{Door, LIMITS, LONG, closed, talk};
use counterfoil_tls::{AcceptLimits, DialError, Dialer, Name, Reason};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const SILENT: usize = 1_000;

#[tokio::test]
async fn a_silent_caller_is_closed_at_the_limit_and_disturbs_nobody_before() {
    let authority = Authority::new("ours");
    let member = authority.member(&[CLIENT]);
    let mut door = Door::open(authority.member(&[SERVER]).watched(), LIMITS).await;
    let begun = Instant::now();
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    let mut slow = TcpStream::connect(door.address).await.unwrap();
    slow.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    let mut client = door.dial(&member).await;
    let mut server = door.admitted().await;
    talk(&mut client, &mut server).await;
    assert!(begun.elapsed() < LONG);

    // From here on the time jumps to the next event.
    tokio::time::pause();
    for _ in 0..2 {
        assert_eq!(door.reason().await, Reason::Timeout);
    }
    assert!(begun.elapsed() >= LONG);
    tokio::time::resume();
    assert!(closed(&mut silent).await.is_ok());
    drop(closed(&mut slow).await);
    talk(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_thousand_silent_callers_do_not_keep_the_right_one_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
    let authority = Authority::new("ours");
    let member = authority.member(&[CLIENT]);
    let limits = AcceptLimits { handshake_timeout: Duration::from_secs(1), handshakes_max: 64, ..LIMITS };
    let mut door = Door::open(authority.member(&[SERVER]).watched(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(door.address).await.unwrap());
    }
    let mut client = door.dial(&member).await;
    let mut server = door.admitted().await;
    assert_eq!(server.peer().address, client.get_ref().0.local_addr().unwrap());
    talk(&mut client, &mut server).await;
    let mut reasons = HashMap::new();
    for _ in 0..SILENT {
        *reasons.entry(door.refused().await.reason).or_insert(0) += 1;
    }
    assert!(reasons.keys().all(|reason| matches!(reason, Reason::Crowded | Reason::Timeout)), "{reasons:?}");
    assert!(reasons.contains_key(&Reason::Crowded), "{reasons:?}");
}

#[tokio::test]
async fn a_young_handshake_keeps_its_place_and_the_next_caller_waits() {
    let authority = Authority::new("ours");
    let member = authority.member(&[CLIENT]);
    let limits = AcceptLimits { handshakes_max: 1, ..LIMITS };
    let mut door = Door::open(authority.member(&[SERVER]).watched(), limits).await;
    let silent = TcpStream::connect(door.address).await.unwrap();
    let from = silent.local_addr().unwrap();
    let dialer = door.dialer_to(member.watched(), SERVER);
    let (client, ()) = tokio::join!(dialer.dial(), async {
        // The second caller's handshake cannot have begun: the first one ends it by leaving.
        drop(silent);
        let refusal = door.refused().await;
        assert_eq!((refusal.reason, refusal.address), (Reason::Left, Some(from)));
    });
    talk(&mut client.unwrap(), &mut door.admitted().await).await;
}

#[tokio::test]
async fn there_are_as_many_connections_as_there_may_be_and_the_next_ones_are_closed_at_once() {
    let authority = Authority::new("ours");
    let member = authority.member(&[CLIENT]);
    let limits = AcceptLimits { connections_max: 2, ..LIMITS };
    let mut door = Door::open(authority.member(&[SERVER]).watched(), limits).await;
    let (_a, _b) = (door.dial(&member).await, door.dial(&member).await);
    let first = door.admitted().await;
    let _second = door.admitted().await;
    let dialer = door.dialer_to(member.watched(), SERVER);
    assert!(matches!(dialer.dial().await, Err(DialError::Handshake { .. })));
    assert_eq!(door.reason().await, Reason::Full);
    drop(first);
    let mut client = dialer.dial().await.unwrap();
    talk(&mut client, &mut door.admitted().await).await;
}

#[tokio::test]
async fn handshakes_that_began_together_do_not_get_past_the_cap_together() {
    let authority = Authority::new("ours");
    let member = authority.member(&[CLIENT]);
    let limits = AcceptLimits { connections_max: 1, ..LIMITS };
    let mut door = Door::open(authority.member(&[SERVER]).watched(), limits).await;
    let dialer = door.dialer_to(member.watched(), SERVER);
    let (_a, _b, _c) = tokio::join!(dialer.dial(), dialer.dial(), dialer.dial());
    let _only = door.admitted().await;
    assert_eq!(door.reason().await, Reason::Full);
    assert_eq!(door.reason().await, Reason::Full);
}

#[tokio::test]
async fn plain_callers_have_no_name_and_the_same_limits() {
    let mut door = Door::open_plain(AcceptLimits { connections_max: 1, ..LIMITS }).await;
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    tokio::time::pause();
    assert_eq!(door.reason().await, Reason::Timeout);
    tokio::time::resume();
    assert!(closed(&mut silent).await.is_ok());
    drop(TcpStream::connect(door.address).await.unwrap());
    assert_eq!(door.reason().await, Reason::Left);

    let mut client = TcpStream::connect(door.address).await.unwrap();
    client.write_all(b"?").await.unwrap();
    let mut server = door.admitted().await;
    assert_eq!(server.read_u8().await.unwrap(), b'?');
    assert_eq!(server.peer().identities, []);
    assert_eq!(server.peer().not_after, None);
    assert_eq!(server.peer().address, client.local_addr().unwrap());
    talk(&mut client, &mut server).await;
    let mut next = TcpStream::connect(door.address).await.unwrap();
    assert_eq!(door.reason().await, Reason::Full);
    drop(closed(&mut next).await);
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let watched = Authority::new("ours").member(&[CLIENT]).watched();
    let limit = Duration::from_secs(5);
    let dialer = Dialer::new("127.0.0.1", port, Name::parse(SERVER).unwrap(), watched, limit).unwrap();
    tokio::time::pause();
    let error = dialer.dial().await.unwrap_err();
    assert!(matches!(error, DialError::Timeout { .. }), "{error}");
    drop(listener);
}
