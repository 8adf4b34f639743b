//! Who gets in and who does not, one client at a time.

use crate::authority::{Authority, CLIENT, ENDED, Folder, Issued, SERVER, TO_COME, TODAY, Years, end_of};
use crate::door::{Door, LIMITS, closed, talk};
use counterfoil_tls::{DialError, Name, Reason};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion, version};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

async fn door(authority: &Authority) -> Door {
    Door::open(authority.member(&[SERVER, "dns:comparator.shop"]).watched(), LIMITS).await
}

/// A client that is not ours: it trusts `authority` and the name `comparator.shop`.
fn stranger(
    authority: &Authority,
    shown: Option<&Issued>,
    speaks: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[speaks])
        .unwrap()
        .with_root_certificates(roots);
    let Some(shown) = shown else { return builder.with_no_client_auth() };
    let chain = vec![CertificateDer::from_pem_slice(shown.certificate.as_bytes()).unwrap()];
    builder
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap())
        .unwrap()
}

async fn knock(door: &Door, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(door.address).await.unwrap();
    TlsConnector::from(config).connect("comparator.shop".try_into().unwrap(), tcp).await
}

#[tokio::test]
async fn the_right_client_gets_in_and_the_server_knows_who_it_is() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let mut client = door.dial(&authority.member(&["dns:Cart.shop", CLIENT, "dns:*.shop"])).await;
    let mut server = door.admitted().await;
    let names: Vec<_> = server.peer().identities.iter().map(Name::as_str).collect();
    assert_eq!(names, ["dns:cart.shop", CLIENT]);
    assert_eq!(server.peer().not_after, Some(end_of(TODAY)));
    assert_eq!(server.peer().address, client.get_ref().0.local_addr().unwrap());
    talk(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_server_is_known_by_its_dns_name_too_whatever_address_it_is_called_at() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let dialer = door.dialer_to(authority.member(&[CLIENT]).watched(), "dns:comparator.shop");
    let mut client = dialer.dial().await.unwrap();
    talk(&mut client, &mut door.admitted().await).await;
}

#[tokio::test]
async fn a_client_without_a_right_certificate_does_not_get_in() {
    let (ours, theirs, namesake) = (Authority::new("ours"), Authority::new("theirs"), Authority::new("ours"));
    let mut door = door(&ours).await;
    let rows: [(&str, &Authority, Years, Reason); 4] = [
        ("another authority", &theirs, TODAY, Reason::UnknownAuthority),
        ("another authority of the same name", &namesake, TODAY, Reason::UnknownAuthority),
        ("expired", &ours, ENDED, Reason::Expired),
        ("not yet valid", &ours, TO_COME, Reason::NotYetValid),
    ];
    for (case, authority, years, expected) in rows {
        let member = Folder::new(&authority.issue(&[CLIENT], years), &ours.pem());
        let mut client = door.dial(&member).await;
        assert_eq!(door.reason().await, expected, "{case}");
        assert!(closed(&mut client).await.is_err(), "{case}");
    }
}

#[tokio::test]
async fn a_client_without_any_certificate_does_not_get_in() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let mut client = knock(&door, stranger(&authority, None, &version::TLS13).into()).await.unwrap();
    assert_eq!(door.reason().await, Reason::NoCertificate);
    assert!(closed(&mut client).await.is_err());
}

#[tokio::test]
async fn a_client_with_two_spiffe_ids_does_not_get_in() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let both = authority.issue(&[CLIENT, SERVER], TODAY);
    let client = knock(&door, stranger(&authority, Some(&both), &version::TLS13).into());
    let mut client = client.await.unwrap();
    assert_eq!(door.reason().await, Reason::Other);
    assert!(closed(&mut client).await.is_err());
}

#[tokio::test]
async fn an_older_tls_and_no_tls_do_not_get_in() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let right = authority.issue(&[CLIENT], TODAY);
    assert!(knock(&door, stranger(&authority, Some(&right), &version::TLS12).into()).await.is_err());
    assert_eq!(door.reason().await, Reason::ProtocolVersion);
    let mut plain = TcpStream::connect(door.address).await.unwrap();
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert_eq!(door.reason().await, Reason::NotTls);
    drop(TcpStream::connect(door.address).await.unwrap());
    assert_eq!(door.reason().await, Reason::Left, "a probe of the port");
    assert!(knock(&door, stranger(&authority, Some(&right), &version::TLS13).into()).await.is_ok());
    door.admitted().await;
}

#[tokio::test]
async fn a_client_talks_to_no_server_but_the_one_it_means() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let client = ours.member(&[CLIENT]).watched();
    let rows = [
        (
            "another path",
            ours.issue(&["spiffe://shop/comparator2"], TODAY),
            "is spiffe://shop/comparator2, not spiffe://shop/comparator; see `server`",
        ),
        (
            "a longer path",
            ours.issue(&["spiffe://shop/comparator/x"], TODAY),
            "is spiffe://shop/comparator/x, not",
        ),
        (
            "a client's certificate",
            ours.issue(&[CLIENT, "dns:a"], TODAY),
            "is spiffe://shop/cart and dns:a, not",
        ),
        ("no name", ours.issue(&[], TODAY), "is nobody, not"),
        ("another authority", theirs.issue(&[SERVER], TODAY), "see `authorities`"),
        ("expired", ours.issue(&[SERVER], ENDED), "expired"),
        ("not yet valid", ours.issue(&[SERVER], TO_COME), "not valid yet"),
    ];
    for (case, issued, expected) in rows {
        let mut door = Door::open(Folder::new(&issued, &ours.pem()).watched(), LIMITS).await;
        let error = door.dialer_to(client.clone(), SERVER).dial().await.unwrap_err();
        assert!(matches!(error, DialError::Handshake { .. }) && error.is_lasting(), "{case}");
        assert!(error.to_string().contains(expected), "{case}: {error}");
        assert_eq!(door.reason().await, Reason::RefusedByPeer, "{case}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_may_be_there_soon() {
    let authority = Authority::new("ours");
    let door = door(&authority).await;
    let dialer = door.dialer_to(authority.member(&[CLIENT]).watched(), SERVER);
    drop(door);
    tokio::task::yield_now().await;
    let error = dialer.dial().await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }) && !error.is_lasting(), "{error}");
}

#[tokio::test]
async fn a_wildcard_in_a_servers_certificate_matches_no_name() {
    let authority = Authority::new("ours");
    let door = Door::open(authority.member(&["dns:*.shop"]).watched(), LIMITS).await;
    let dialer = door.dialer_to(authority.member(&[CLIENT]).watched(), "dns:comparator.shop");
    let error = dialer.dial().await.unwrap_err();
    assert!(error.to_string().contains("is nobody, not dns:comparator.shop"), "{error}");
}

#[tokio::test]
async fn no_session_is_resumed_so_that_every_connection_shows_its_certificate() {
    let authority = Authority::new("ours");
    let mut door = door(&authority).await;
    let right = authority.issue(&[CLIENT], TODAY);
    let config = Arc::new(stranger(&authority, Some(&right), &version::TLS13));
    for _ in 0..2 {
        let mut client = knock(&door, config.clone()).await.unwrap();
        talk(&mut client, &mut door.admitted().await).await;
        assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    }
}
