#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LONG: Duration = Duration::from_secs(20);

fn poster(scheme: &str, at: SocketAddr, timeout: Duration) -> Poster {
    Poster::new(Address::parse(&format!("{scheme}://{at}/secret-path")).unwrap(), timeout).unwrap()
}

/// A server that reads the head of each request and answers with `response`; without one it never answers.
async fn server(response: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let _read = stream.read(&mut head).await.unwrap();
            match &response {
                Some(response) => stream.write_all(response.as_bytes()).await.unwrap_or_default(),
                None => silent.push(stream),
            }
        }
    });
    at
}

async fn post(poster: &Poster) -> Result<Posted, PostError> {
    poster.post(HeaderMap::new(), Bytes::from_static(b"{}")).await
}

#[tokio::test]
async fn of_an_answer_the_status_the_wait_and_the_begin_of_the_body_are_given() {
    let body = "x".repeat(100_000);
    let length = body.len();
    let response = format!("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: {length}\r\n\r\n{body}");
    let posted = post(&poster("http", server(Some(response)).await, LONG)).await.unwrap();
    assert_eq!((posted.status, posted.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!(posted.body, body[..ANSWER_BYTES_MAX], "no more is kept");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = server(None).await;
    let response =
        format!("HTTP/1.1 307 Elsewhere\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(post(&poster("http", server(Some(response)).await, LONG)).await.unwrap().status, 307);
}

#[tokio::test]
async fn why_there_is_no_answer_is_told_without_the_path_of_the_address() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cases = [
        (poster("http", server(None).await, Duration::from_millis(50)), "timeout"),
        (poster("http", free, LONG), "connect"),
        (poster("http", server(Some("nonsense\r\n\r\n".into())).await, LONG), "broken"),
    ];
    for (poster, expected) in cases {
        let error = post(&poster).await.unwrap_err();
        assert_eq!(error.label(), expected, "{error}");
        let shown = format!("{error} {error:?} {poster:?}");
        assert!(!shown.contains("secret-path"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for_is_not_posted_to() {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
    });
    let error = post(&poster("https", at, LONG)).await.unwrap_err();
    assert_eq!(error.label(), "connect", "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(!accepted.await.unwrap());
}

#[test]
fn a_wait_is_seconds_or_a_time_and_never_longer_than_an_hour() {
    let said = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    };
    let soon = jiff::Timestamp::from_second(wall_unix_ns() / S + 100).unwrap();
    let soon = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&soon).unwrap();
    let wait = said(&soon).unwrap().as_secs();
    assert!((90..=100).contains(&wait), "{wait}");
    for (text, expected) in [
        ("0", Some(Duration::ZERO)),
        ("90", Some(Duration::from_secs(90))),
        ("1000000", Some(RETRY_AFTER_MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(Duration::ZERO)),
        ("soon", None),
        ("-1", None),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn an_address_is_of_a_web_server_and_has_no_secrets_in_front() {
    for bad in ["", "slack", "ftp://host/", "https://", "https://me:secret@host/", "https://me@host/"] {
        let said = Address::parse(bad).unwrap_err();
        assert!(said.contains("write") || said.contains("leave"), "{bad}: {said}");
    }
    let below = |text: &str| Address::parse(text).unwrap().below("/api/v2/alerts").0.to_string();
    assert_eq!(below("http://am:9093"), "http://am:9093/api/v2/alerts");
    assert_eq!(below("http://am/prefix/"), "http://am/prefix/api/v2/alerts");
    assert_eq!(below("http://am/api/v2/alerts"), "http://am/api/v2/alerts");
}
