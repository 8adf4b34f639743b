//! Posts to somebody else's HTTP server: one small client for all of them.
//!
//! # Invariants
//!
//! - Certificates are verified, by what the system trusts. Redirects are not followed, and no proxy of the environment is used:
//!   what is posted goes where the configuration says and nowhere else.
//! - A post ends within its time limit, and of an answer at most [`ANSWER_BYTES_MAX`] bytes are kept, whoever answers.
//! - No path of an address stands in an error or in what `Debug` shows: it may be a secret.

use bytes::Bytes;
use counterfoil_clock::wall_unix_ns;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use url::Url;

/// What is kept of an answer, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 4096;

/// The longest wait that an answer may ask for.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Nanoseconds in a second.
const S: i64 = 1_000_000_000;

/// Where to post to. `Debug` shows scheme and host only.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// The address that is written `text`.
    ///
    /// # Errors
    ///
    /// What to write instead; `text` is not quoted.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url =
            Url::parse(text).map_err(|_| "is no address; write http:// or https://, a host and a path")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("is no address of a web server; write http:// or https:// and a host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "has a user or a password; leave them out, secrets are written to files of their own",
            );
        }
        Ok(Self(url))
    }

    /// The same with `path` behind its own, unless it ends so already.
    pub(crate) fn below(mut self, path: &str) -> Self {
        let own = self.0.path().trim_end_matches('/').to_owned();
        if !own.ends_with(path) {
            self.0.set_path(&format!("{own}{path}"));
        }
        self
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.0.host_str().unwrap_or_default())
    }
}

/// Posts to one address.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    client: Client,
    address: Address,
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Posted {
    /// The status.
    pub(crate) status: u16,
    /// How long the answer asks to wait, at most [`RETRY_AFTER_MAX`].
    pub(crate) retry_after: Option<Duration>,
    /// The begin of the answer's body.
    pub(crate) body: Bytes,
}

/// What an attempt to post says about what was posted.
pub(crate) enum Verdict {
    /// It is there.
    Delivered,
    /// It may be taken later: why it was not, and how long to wait at least.
    Later(String, Option<Duration>),
    /// It will never be taken, and why.
    Never(String),
}

impl Verdict {
    /// What this attempt says.
    pub(crate) fn of(attempt: &Result<Posted, PostError>) -> Self {
        match attempt {
            Err(error) => Self::Later(error.label().to_owned(), None),
            Ok(Posted { status: 200..=299, .. }) => Self::Delivered,
            Ok(Posted { status: status @ (408 | 429 | 500..=599), retry_after, .. }) => {
                Self::Later(format!("status {status}"), *retry_after)
            }
            Ok(Posted { status, .. }) => Self::Never(format!("status {status}")),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The client could not be made.
    #[error("no client for HTTP: {0}; the system's certificates of authorities are needed")]
    Client(String),
    /// No answer came in time. It is not known whether the post arrived.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke. It is not known whether the post arrived.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl PostError {
    /// Its kind, in one word.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::Timeout => "timeout",
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
        }
    }

    fn of(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let is_connect = error.is_connect();
        let cause = innermost(&error.without_url());
        if is_connect { Self::Connect(cause) } else { Self::Broken(cause) }
    }
}

/// What is at the bottom of an error: the layers above it say only that there is one.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

impl Poster {
    /// Will post to `address`, and wait no longer than `timeout` for an answer.
    ///
    /// # Errors
    ///
    /// [`PostError::Client`] if the system's certificates of authorities cannot be used.
    pub(crate) fn new(address: Address, timeout: Duration) -> Result<Self, PostError> {
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(timeout)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")));
        // In plain text nobody has to be believed, so none of the system's authorities are needed.
        let builder = if address.0.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|error| PostError::Client(innermost(&error)))?;
        Ok(Self { client, address })
    }

    /// Posts `body` with these headers.
    ///
    /// # Errors
    ///
    /// [`PostError`] if there is no answer. What an answer says is no error here.
    pub(crate) async fn post(&self, headers: HeaderMap, body: Bytes) -> Result<Posted, PostError> {
        let request = self.client.post(self.address.0.clone()).headers(headers).body(body);
        let response = request.send().await.map_err(PostError::of)?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        Ok(Posted { status, retry_after, body: begin(response).await })
    }
}

/// The begin of an answer's body, as far as it comes: the status says what counts.
async fn begin(mut response: Response) -> Bytes {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend(chunk.iter().take(ANSWER_BYTES_MAX - body.len()));
        if body.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    body.into()
}

/// What `Retry-After` says: seconds, or a time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
            Duration::from_secs(u64::try_from(at - wall_unix_ns() / S).unwrap_or(0))
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
