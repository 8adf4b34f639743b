//! The least HTTP client that can read what the processes tell.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks `http://127.0.0.1:port/path`: gives the status code and the body.
///
/// # Errors
///
/// What the system says, or `InvalidData` if the answer is not HTTP.
pub fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    asked(port, &format!("GET {path}"), "", "")
}

/// The same, asked by whoever has `token`.
///
/// # Errors
///
/// Those of [`get`].
pub fn get_as(token: &str, port: u16, path: &str) -> io::Result<(u16, String)> {
    asked(port, &format!("GET {path}"), &format!("authorization: Bearer {token}\r\n"), "")
}

/// Whether `http://127.0.0.1:port/path` answers with status 200.
#[must_use]
pub fn is_ok(port: u16, path: &str) -> bool {
    get(port, path).is_ok_and(|(status, _)| status == 200)
}

/// Sends a JSON document to `http://127.0.0.1:port/path`: gives the status code and the body.
///
/// # Errors
///
/// Those of [`get`].
pub fn post(port: u16, path: &str, json: &Value) -> io::Result<(u16, String)> {
    asked(port, &format!("POST {path}"), "", &json.to_string())
}

/// Asks with these `headers`, each a whole line.
fn asked(port: u16, what: &str, headers: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let bytes = body.len();
    let head = "content-type: application/json";
    write!(
        stream,
        "{what} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n{head}\r\n{headers}content-length: {bytes}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let not_http = || io::Error::new(io::ErrorKind::InvalidData, answer.clone());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(not_http)?;
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).ok_or_else(not_http)?;
    Ok((status, body.to_owned()))
}

/// Asks for a JSON document.
///
/// # Panics
///
/// If the answer is not a document with status 200.
#[must_use]
pub fn json(port: u16, path: &str) -> Value {
    document(path, get(port, path))
}

/// The same, asked by whoever has `token`.
///
/// # Panics
///
/// As [`json`].
#[must_use]
pub fn json_as(token: &str, port: u16, path: &str) -> Value {
    document(path, get_as(token, port, path))
}

fn document(path: &str, answer: io::Result<(u16, String)>) -> Value {
    let (status, body) = answer.unwrap_or_else(|error| panic!("GET {path}: {error}"));
    assert_eq!(status, 200, "GET {path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("GET {path}: {error} in {body}"))
}
