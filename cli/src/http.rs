//! The comparator's HTTP interface, for commands that ask a comparator that runs elsewhere.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest file of a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4_096;

/// From this status on it is the other side that is in trouble, perhaps for a moment.
const SERVER_TROUBLE: u16 = 500;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// The address makes no sense.
    #[error("--url: `{url}` is not the address of a comparator, such as http://127.0.0.1:7413: {why}")]
    Url { url: String, why: String },
    /// The file of the token makes no sense.
    #[error("--token-file: {path}: {why}", path = path.display())]
    Token { path: PathBuf, why: String },
    /// Nobody answered, or not in HTTP.
    #[error("{url}: {source}")]
    Unanswered {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    /// The comparator, or something before it, answered that it will not.
    #[error("{url}: status {status}: {error}")]
    Refused { url: String, status: u16, error: String },
    /// The answer is not what a comparator gives.
    #[error("{url}: not the answer of a comparator: {source}")]
    Foreign {
        url: String,
        #[source]
        source: serde_json::Error,
    },
}

impl HttpError {
    /// Whether the same question may be answered a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unanswered { source, .. } => matches!(
                **source,
                ureq::Error::Io(_)
                    | ureq::Error::Timeout(_)
                    | ureq::Error::HostNotFound
                    | ureq::Error::ConnectionFailed
            ),
            Self::Refused { status, .. } => *status >= SERVER_TROUBLE,
            Self::Url { .. } | Self::Token { .. } | Self::Foreign { .. } => false,
        }
    }
}

/// A comparator that answers over HTTP.
pub(crate) struct Client {
    agent: ureq::Agent,
    /// Without a slash at its end.
    url: String,
    /// What stands behind `Bearer`.
    token: Option<String>,
}

impl Client {
    /// The comparator at `url`, asked with the token in `token_file` if there is one. Connects nowhere yet.
    pub(crate) fn new(url: &str, token_file: Option<&Path>) -> Result<Self, HttpError> {
        let wrong = |why: String| HttpError::Url { url: url.to_owned(), why };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if parsed.scheme() != "http" || !parsed.has_host() {
            return Err(wrong("write http://HOST:PORT; comparators speak plain HTTP".to_owned()));
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_TIMEOUT))
            // What the answer says of a refusal is told.
            .http_status_as_error(false)
            .build();
        let token = token_file.map(token).transpose()?;
        Ok(Self { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), token })
    }

    /// The JSON document at a path, with its query.
    pub(crate) fn get_json<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, HttpError> {
        let url = format!("{}{path_and_query}", self.url);
        let unanswered = |source| HttpError::Unanswered { url: url.clone(), source: Box::new(source) };
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(unanswered)?;
        let status = response.status();
        let body = response.body_mut().read_to_string().map_err(unanswered)?;
        if !status.is_success() {
            return Err(HttpError::Refused { url, status: status.as_u16(), error: error_of(&body) });
        }
        serde_json::from_str(&body).map_err(|source| HttpError::Foreign { url, source })
    }
}

/// What a comparator says went wrong, or what something else said.
fn error_of(body: &str) -> String {
    let told = serde_json::from_str::<Value>(body).ok();
    let told = told.as_ref().and_then(|told| told.get("error")?.as_str());
    told.unwrap_or(body.trim()).to_owned()
}

fn token(path: &Path) -> Result<String, HttpError> {
    let wrong = |why: String| HttpError::Token { path: path.to_owned(), why };
    let bytes = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if bytes > TOKEN_BYTES_MAX {
        return Err(wrong(format!("{bytes} bytes; a token has at most {TOKEN_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("write one line of visible ASCII characters".to_owned()));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that gives one answer; and what it was asked.
    fn served(status: &str, body: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut bytes) = (Vec::new(), [0; 1_024]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut bytes).unwrap();
                request.extend_from_slice(&bytes[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, asked)
    }

    #[test]
    fn a_question_carries_the_token_and_a_refusal_says_what_the_comparator_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let (url, asked) = served("200 OK", r#"{"result":"pass"}"#);
        let answer: Value = Client::new(&url, Some(&file)).unwrap().get_json("/v1/gate?map=cart").unwrap();
        assert_eq!(answer["result"], "pass");
        let asked = asked.join().unwrap().to_lowercase();
        assert!(
            asked.starts_with("get /v1/gate?map=cart ") && asked.contains("authorization: bearer s3cret"),
            "{asked}"
        );

        let rows = [
            ("400 Bad Request", r#"{"error":"map: no such"}"#, "status 400: map: no such", false),
            ("503 Service Unavailable", "busy\n", "status 503: busy", true),
            ("200 OK", "<html>", "not the answer of a comparator", false),
        ];
        for (status, body, told, is_transient) in rows {
            let (url, asked) = served(status, body);
            let error = Client::new(&url, None).unwrap().get_json::<Value>("/v1/gate").unwrap_err();
            assert!(error.to_string().contains(told) && error.is_transient() == is_transient, "{error}");
            assert!(!asked.join().unwrap().contains("Bearer"));
        }
    }

    #[test]
    fn nobody_at_home_may_be_back_later() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Client::new(&url, None).unwrap().get_json::<Value>("/").unwrap_err();
        assert!(error.is_transient(), "{error}");
    }

    #[test]
    fn what_cannot_be_an_address_or_a_token_is_refused_with_what_to_write() {
        for url in ["comparator:7413", "https://comparator", "127.0.0.1:7413", ""] {
            let error = Client::new(url, None).err().unwrap().to_string();
            assert!(error.starts_with("--url: ") && error.contains("http://127.0.0.1:7413"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(4_097);
        for (name, text) in
            [("none", None), ("empty", Some("\n")), ("two", Some("a\nb")), ("long", Some(long.as_str()))]
        {
            let file = folder.path().join(name);
            text.into_iter().for_each(|text| std::fs::write(&file, text).unwrap());
            let error = Client::new("http://127.0.0.1:1", Some(&file)).err().unwrap().to_string();
            assert!(error.starts_with("--token-file: ") && error.contains(name), "{error}");
        }
    }
}
