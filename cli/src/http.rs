//! A comparator that runs somewhere, asked over HTTP.

use crate::exit::Failure;
use clap::Args;
use counterfoil_keys::Token;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use ureq::http::Response;
use ureq::{Body, RequestBuilder};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may come.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Largest answer that is taken whole, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// From this status on it is the other side that is in trouble, perhaps for a moment.
const SERVER_TROUBLE: u16 = 500;

/// Flags of commands that ask a comparator.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// Where the comparator listens (`listen.http` of its configuration)
    #[arg(long, env = "COUNTERFOIL_URL", default_value = "http://127.0.0.1:7413", value_name = "URL")]
    pub(crate) url: String,
    /// A file of the token to show, where the comparator has `listen.http_tokens`; others may not read it (mode 0400)
    #[arg(long, env = "COUNTERFOIL_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[cfg(test)]
impl ServerArgs {
    /// A comparator at `url` that wants no token.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), token_file: None }
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    /// The URL is not one of plain HTTP.
    #[error(
        "--url: `{0}` does not begin with http://; TLS is not built in: ask from within, or through a tunnel"
    )]
    Scheme(String),
    /// Nothing came back, or nothing that makes sense.
    #[error("comparator at {url}: {source}")]
    Silent {
        /// What was asked.
        url: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The comparator refused.
    #[error("comparator at {url}: {status}: {why}{hint}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status code.
        status: u16,
        /// What it said.
        why: String,
        /// What helps here.
        hint: &'static str,
    },
}

impl HttpError {
    /// Whether the same question may be answered a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Silent { source, .. } => matches!(
                **source,
                ureq::Error::Io(_)
                    | ureq::Error::Timeout(_)
                    | ureq::Error::HostNotFound
                    | ureq::Error::ConnectionFailed
            ),
            Self::Refused { status, .. } => *status >= SERVER_TROUBLE,
            Self::Scheme(_) => false,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::of(error)
    }
}

/// The shape of an answer that refuses.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// A comparator.
pub(crate) struct Client {
    agent: ureq::Agent,
    url: String,
    token: Option<Token>,
}

impl Client {
    /// Reads the token, if there is one; connects nowhere yet.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        if !args.url.starts_with("http://") {
            return Err(Failure::of(HttpError::Scheme(args.url.clone())));
        }
        let token = args.token_file.as_deref().map(Token::from_file).transpose().map_err(Failure::of)?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_MAX));
        let url = args.url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.build().new_agent(), url, token })
    }

    /// The document at a path.
    pub(crate) fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpError> {
        let mut response = self.get(path)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_json().map_err(|error| self.silent(path, error))
    }

    /// What a path answers to a document.
    pub(crate) fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, HttpError> {
        let request = self.authorized(self.agent.post(self.at(path)));
        let response = request.send_json(document).map_err(|error| self.silent(path, error))?;
        let mut response = self.accepted(path, response)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        body.read_json().map_err(|error| self.silent(path, error))
    }

    /// Writes what a path has to `out` as it comes, however much it is.
    pub(crate) fn copy(&self, path: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let response = self.get(path)?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count =
                io::Read::read(&mut body, &mut chunk).map_err(|error| self.silent(path, error.into()))?;
            match chunk.get(..count) {
                None | Some([]) => return Ok(()),
                Some(read) => out.write_all(read)?,
            }
        }
    }

    fn get(&self, path: &str) -> Result<Response<Body>, HttpError> {
        let request = self.authorized(self.agent.get(self.at(path)));
        let response = request.call().map_err(|error| self.silent(path, error))?;
        self.accepted(path, response)
    }

    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn accepted(&self, path: &str, mut response: Response<Body>) -> Result<Response<Body>, HttpError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let said = response.body_mut().read_to_string().unwrap_or_default();
        let why = serde_json::from_str(&said).map_or(said, |refusal: Refusal| refusal.error);
        let hint = if status == 401 { " (--token-file)" } else { "" };
        Err(HttpError::Refused { url: self.at(path), status, why, hint })
    }

    fn silent(&self, path: &str, error: ureq::Error) -> HttpError {
        HttpError::Silent { url: self.at(path), source: Box::new(error) }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::Value;
    use std::net::TcpListener;

    fn asked(url: &str) -> HttpError {
        let client = Client::new(&ServerArgs::at(url)).unwrap();
        client.get_json::<Value>("/v1/gate").unwrap_err()
    }

    /// A server that gives one answer.
    fn served(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut bytes) = (Vec::new(), [0; 1_024]);
            while !request.ends_with(b"\r\n\r\n") {
                let read = io::Read::read(&mut stream, &mut bytes).unwrap();
                request.extend_from_slice(bytes.get(..read).unwrap());
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn a_refusal_says_what_the_comparator_said_and_whether_it_may_change_its_mind() {
        let rows = [
            ("400 Bad Request", r#"{"error":"map: no such"}"#, "400: map: no such", false),
            ("503 Service Unavailable", "busy", "503: busy", true),
            ("200 OK", "<html>", "comparator at", false),
        ];
        for (status, body, told, is_transient) in rows {
            let error =
                asked(&served(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())));
            assert!(error.to_string().contains(told) && error.is_transient() == is_transient, "{error}");
        }
    }

    #[test]
    fn nobody_at_home_may_be_back_later() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = asked(&url);
        assert!(error.is_transient(), "{error}");
    }
}
