//! Encrypted connections to real servers, and what becomes of those that cannot be believed.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(server("COUNTERFOIL_TEST_CERTIFICATES")).join(name)
}

fn right() -> WrittenStoreTls {
    WrittenStoreTls { ca_file: certificate("ca.pem"), name: None, certificate: None }
}

fn encrypted(url: &str, tls: WrittenStoreTls) -> Reader {
    // MySQL's client takes the cryptography of the process, as the comparator sets it.
    counterfoil_tls::install();
    reader(&WrittenStore { tls: Some(tls), timeout_ms: 5000, ..WrittenStore::new(url) })
}

/// Each server, and a lookup of the key `a` that gives `x` over an encrypted connection only.
async fn servers() -> Vec<(String, Lookup)> {
    let prefix = fresh_name();
    super::redis::run(&[b"SET", format!("{prefix}a").as_bytes(), b"x"]).await;
    let postgres = "SELECT k, CASE WHEN s.ssl THEN 'x' END FROM unnest($1::text[]) AS k, pg_stat_ssl s \
                    WHERE s.pid = pg_backend_pid()";
    let mysql = "SELECT 'a', IF(VARIABLE_VALUE = '', NULL, 'x') FROM information_schema.SESSION_STATUS \
                 WHERE VARIABLE_NAME = 'Ssl_cipher' AND 'a' IN (?)";
    vec![
        (super::postgres::url(), sql(postgres)),
        (super::postgres::url() + "?sslmode=require", sql(postgres)),
        (super::mysql::url(), sql(mysql)),
        (server("COUNTERFOIL_TEST_REDIS_TLS"), Lookup::Prefix(prefix.into())),
    ]
}

#[tokio::test]
async fn a_server_is_believed_for_its_authority_and_its_name_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (other, none) = (folder.path().join("other.pem"), folder.path().join("none.pem"));
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "other authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(&other, authority.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()).unwrap();
    let named = |name: &str| WrittenStoreTls { name: Some(name.into()), ..right() };
    for (url, lookup) in servers().await {
        for tls in [right(), named("localhost")] {
            let answers = read(&encrypted(&url, tls.clone()), &lookup, &["a"]).await;
            assert_eq!(answers, Ok(vec![value("x")]), "{url}: {tls:?}");
        }
        for (tls, why) in [
            (WrittenStoreTls { ca_file: other.clone(), ..right() }, "UnknownIssuer"),
            (named("elsewhere"), "not valid for name"),
            (WrittenStoreTls { ca_file: none.clone(), ..right() }, "tls.ca_file"),
            (WrittenStoreTls { ca_file: certificate("server.key"), ..right() }, "no certificates"),
        ] {
            let error = read(&encrypted(&url, tls), &lookup, &["a"]).await.unwrap_err();
            assert!(error.label() == "connect" && error.to_string().contains(why), "{url}: {why} in {error}");
        }
    }
}

#[tokio::test]
async fn a_server_tells_about_itself_over_an_encrypted_connection() {
    for (url, lookup) in servers().await {
        let told = encrypted(&url, right()).describe(&lookup, &[Bytes::from_static(b"a")]).await.unwrap();
        assert!(told.server.is_some() && told.is_primary == Some(true), "{url}: {told:?}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_a_server_that_wants_one() {
    let user = fresh_name();
    super::mysql::run(&format!("CREATE USER {user} REQUIRE X509; GRANT SELECT ON *.* TO {user}")).await;
    let url = super::mysql::url().replace("counterfoil@", &format!("{user}@"));
    let query = sql("SELECT 'a', 'x' FROM dual WHERE 'a' IN (?)");
    let with = |key_file| {
        let files = WrittenStoreCertificate { chain_file: certificate("client.pem"), key_file };
        WrittenStoreTls { certificate: Some(files), ..right() }
    };
    let shown = read(&encrypted(&url, with(certificate("client.key"))), &query, &["a"]).await;
    assert_eq!(shown, Ok(vec![value("x")]));
    for (tls, why) in [
        (right(), "Access denied"),
        (with(certificate("server.key")), "tls.certificate"),
        (with(certificate("ca.pem")), "tls.certificate.key_file"),
    ] {
        let error = read(&encrypted(&url, tls), &query, &["a"]).await.unwrap_err();
        assert!(error.label() == "connect" && error.to_string().contains(why), "{why} in {error}");
    }
}

/// A server that reads what it is sent and answers each connection with `answer`; gives its port.
async fn answering(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        let mut heard = Vec::new();
        // The client leaves when it does not like what it hears; what it said until then is what counts.
        drop(stream.read_to_end(&mut heard).await);
        heard
    });
    (port, task)
}

#[tokio::test]
async fn nothing_is_said_in_plain_text_to_a_server_that_offers_no_encryption() {
    // A MySQL server's greeting: version 10, a name, a thread, a challenge, and capabilities without TLS.
    const GREETING: &[u8] = b"\x4a\0\0\0\x0a8.0.0\0\x01\0\0\0aaaaaaaa\0\xff\xf7\x21\x02\0\x08\0\x15\
        \0\0\0\0\0\0\0\0\0\0aaaaaaaaaaaa\0mysql_native_password\0";
    for (scheme, answer, path) in [
        ("postgres", &b"N"[..], "/d"),
        ("mysql", GREETING, "/d"),
        ("rediss", b"+OK\r\n", ""),
        ("grpcs", b"", ""),
    ] {
        let (port, heard) = answering(answer).await;
        let user = if scheme == "grpcs" { "" } else { "hunter2:hunter2@" };
        let reader = encrypted(&format!("{scheme}://{user}127.0.0.1:{port}{path}"), right());
        let lookup = match scheme {
            "rediss" => Lookup::Prefix("hunter2".into()),
            "grpcs" => Lookup::Collection("hunter2".into()),
            _ => sql("SELECT 'hunter2' IN (?)"),
        };
        let error =
            tokio::time::timeout(std::time::Duration::from_secs(1), read(&reader, &lookup, &["a"])).await;
        let is_refused = !matches!(error, Ok(Ok(_)));
        drop(reader);
        let heard = heard.await.unwrap();
        let is_silent = !heard.windows(7).any(|said| said == b"hunter2");
        assert!(is_refused && is_silent, "{scheme}: {error:?}");
    }
}

#[tokio::test]
async fn a_reader_service_is_spoken_to_in_tls() {
    counterfoil_tls::install();
    let serving = super::grpc::says_x().await;
    let place = serving.url.strip_prefix("grpc://").unwrap().to_owned();
    let chain = CertificateDer::pem_file_iter(certificate("server.pem")).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            chain.collect::<Result<_, _>>().unwrap(),
            PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpcs://{}", listener.local_addr().unwrap());
    let front = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not believe the certificate breaks the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut behind = TcpStream::connect(&place).await.unwrap();
            tokio::spawn(async move { drop(copy_bidirectional(&mut stream, &mut behind).await) });
        }
    });
    let cart = Lookup::Collection("cart".into());
    assert_eq!(read(&encrypted(&url, right()), &cart, &["a"]).await, Ok(vec![value("x")]));
    let elsewhere = WrittenStoreTls { name: Some("elsewhere".into()), ..right() };
    let error = read(&encrypted(&url, elsewhere), &cart, &["a"]).await.unwrap_err();
    assert!(error.label() == "connect" && error.to_string().contains("not valid for name"), "{error}");
    front.abort();
}
