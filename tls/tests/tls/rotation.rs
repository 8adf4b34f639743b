//! Certificates that change while connections come and go.

use crate::authority::{Authority, CLIENT, Folder, Issued, SERVER, TODAY, end_of};
use crate::door::{Door, LIMITS, closed, talk};
use counterfoil_tls::{Dialer, Reason, Reload};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Ends in another year, so that the two are told apart.
const LATER: (i32, i32) = (2000, 4010);

/// Clients that call all the time.
const CALLERS: usize = 4;

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()
}

/// The certificate that the server shows to one more caller.
async fn shown_to(dialer: &Dialer) -> CertificateDer<'static> {
    let stream = dialer.dial().await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone().into_owned()
}

/// Calls until it is shown `last`, and tells `seen` how often it called. Every certificate it is shown must be `first`
/// or `last`.
async fn call_until(
    dialer: Dialer,
    first: CertificateDer<'static>,
    last: CertificateDer<'static>,
    seen: watch::Sender<u32>,
) {
    loop {
        let shown = shown_to(&dialer).await;
        seen.send_modify(|calls| *calls += 1);
        if shown == last {
            return;
        }
        assert_eq!(shown, first);
    }
}

#[tokio::test]
async fn new_connections_use_the_new_certificate_and_old_ones_live_on() {
    let authority = Authority::new("ours");
    let (old, new) = (authority.issue(&[SERVER], TODAY), authority.issue(&[SERVER], LATER));
    let folder = Folder::new(&old, &authority.pem());
    let watched = folder.watched();
    let mut door = Door::open(watched.clone(), LIMITS).await;
    let member = authority.member(&[CLIENT]);
    let mut client = door.dial(&member).await;
    let mut server = door.admitted().await;

    let mut callers = JoinSet::new();
    let mut seen = Vec::new();
    for _ in 0..CALLERS {
        let (calls, called) = watch::channel(0);
        seen.push(called);
        callers.spawn(call_until(door.dialer_to(member.watched(), SERVER), der(&old), der(&new), calls));
    }
    let rotated = async {
        for called in &mut seen {
            called.wait_for(|calls| *calls > 2).await.unwrap();
        }
        folder.swap(&new, &authority.pem());
        assert!(matches!(watched.reload(), Reload::Reloaded { not_after } if not_after == end_of(LATER)));
        assert_eq!(watched.not_after(), end_of(LATER));
        while let Some(finished) = callers.join_next().await {
            finished.unwrap();
        }
    };
    let admitted = async {
        loop {
            drop(door.admitted().await);
        }
    };
    tokio::select! {
        () = rotated => {}
        () = admitted => {}
    }
    assert_eq!(shown_to(&door.dialer_to(member.watched(), SERVER)).await, der(&new));
    talk(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_client_shows_its_new_certificate_from_the_next_call_on() {
    let authority = Authority::new("ours");
    let mut door = Door::open(authority.member(&[SERVER]).watched(), LIMITS).await;
    let folder = authority.member(&[CLIENT]);
    let watched = folder.watched();
    let dialer = door.dialer_to(watched.clone(), SERVER);
    let _first = dialer.dial().await.unwrap();
    assert_eq!(door.admitted().await.peer().not_after, Some(end_of(TODAY)));
    folder.swap(&authority.issue(&[CLIENT], LATER), &authority.pem());
    assert!(matches!(watched.reload(), Reload::Reloaded { .. }));
    let _second = dialer.dial().await.unwrap();
    assert_eq!(door.admitted().await.peer().not_after, Some(end_of(LATER)));
}

#[tokio::test]
async fn who_comes_from_an_authority_that_was_withdrawn_does_not_get_in_again() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = old.member(&[SERVER]);
    let watched = folder.watched();
    let mut door = Door::open(watched.clone(), LIMITS).await;
    let member = old.member(&[CLIENT]);
    let mut standing = door.dial(&member).await;
    let mut server = door.admitted().await;
    folder.swap(&old.issue(&[SERVER], TODAY), &new.pem());
    assert!(matches!(watched.reload(), Reload::Reloaded { .. }));
    let mut again = door.dial(&member).await;
    assert_eq!(door.reason().await, Reason::UnknownAuthority);
    assert!(closed(&mut again).await.is_err());
    talk(&mut standing, &mut server).await;
}

#[tokio::test]
async fn rotten_files_change_nothing_until_they_are_repaired() {
    let authority = Authority::new("ours");
    let old = authority.issue(&[SERVER], TODAY);
    let folder = Folder::new(&old, &authority.pem());
    let watched = folder.watched();
    let mut door = Door::open(watched.clone(), LIMITS).await;
    let member = authority.member(&[CLIENT]);
    let new = authority.issue(&[SERVER], LATER);
    let unfit = Issued { certificate: new.certificate.clone(), key: old.key.clone() };
    let rows = [
        (Issued { certificate: "rotten".to_owned(), ..new.clone() }, authority.pem(), "tls.certificate"),
        (unfit, authority.pem(), "tls.key"),
        (new.clone(), String::new(), "tls.authorities"),
    ];
    for (issued, authorities, at) in rows {
        folder.swap(&issued, &authorities);
        for _ in 0..2 {
            assert!(matches!(watched.reload(), Reload::Refused(error) if error.key == at), "{at}");
        }
        assert_eq!(shown_to(&door.dialer_to(member.watched(), SERVER)).await, der(&old), "{at}");
        door.admitted().await;
    }
    folder.swap(&old, &authority.pem());
    assert!(matches!(watched.reload(), Reload::Unchanged));
    folder.swap(&new, &authority.pem());
    assert!(matches!(watched.reload(), Reload::Reloaded { .. }));
    assert_eq!(shown_to(&door.dialer_to(member.watched(), SERVER)).await, der(&new));
}

#[tokio::test(start_paused = true)]
async fn the_files_are_looked_at_again_and_again_until_the_end() {
    let authority = Authority::new("ours");
    let folder = authority.member(&[SERVER]);
    let (report, mut reports) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let every = Duration::from_secs(600);
    let run = folder.watched().run(every, stop.clone(), move |outcome| report.try_send(outcome).unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(run);
    assert!(matches!(reports.recv().await, Some(Reload::Unchanged)));
    folder.swap(&authority.issue(&[SERVER], LATER), &authority.pem());
    assert!(
        matches!(reports.recv().await, Some(Reload::Reloaded { not_after }) if not_after == end_of(LATER))
    );
    folder.swap(&authority.issue(&[SERVER], LATER), "rotten");
    assert!(matches!(reports.recv().await, Some(Reload::Refused(_))));
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
}
