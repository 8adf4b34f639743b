//! An identity whose files may change while the process runs.

use crate::files::{Files, LoadError};
use crate::{Identity, Name};
use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What a look at the files brought.
#[derive(Debug)]
pub enum Reload {
    /// They changed, and are in use from now on.
    Reloaded {
        /// When the new certificate ends, in seconds since 1970.
        not_after: i64,
    },
    /// They are those in use.
    Unchanged,
    /// They cannot be used. The old ones stay in use; this comes again at every look until the files are in order. One
    /// alone may be a look in the middle of a change.
    Refused(LoadError),
}

/// The identity in use, and the files it came from. Kubernetes changes mounted files by swapping a link; any other way
/// to change them does as well, since their content is compared.
pub struct Watched {
    files: Files,
    section: String,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    fingerprint: blake3::Hash,
    identity: Identity,
    server: Arc<ServerConfig>,
}

impl Watched {
    /// Reads `files`. `section` is the path of their section in the configuration, such as `tls`, for errors to name.
    ///
    /// # Errors
    ///
    /// As [`Identity::load`].
    pub fn load(files: Files, section: &str) -> Result<Self, LoadError> {
        let loaded = Loaded::read(&files, section, None)?;
        let loaded = loaded.expect("what is read first differs from nothing");
        Ok(Self { files, section: section.to_owned(), current: ArcSwap::from_pointee(loaded) })
    }

    /// Looks at the files, and takes them into use if they changed. Blocks for three small reads.
    #[must_use]
    pub fn reload(&self) -> Reload {
        let in_use = self.current.load().fingerprint;
        match Loaded::read(&self.files, &self.section, Some(in_use)) {
            Ok(None) => Reload::Unchanged,
            Ok(Some(loaded)) => {
                let not_after = loaded.identity.not_after();
                self.current.store(Arc::new(loaded));
                Reload::Reloaded { not_after }
            }
            Err(error) => Reload::Refused(error),
        }
    }

    /// Looks at the files `every` so often until `stop`, and hands what came of it to `report`.
    pub async fn run(
        self: Arc<Self>,
        every: Duration,
        stop: CancellationToken,
        report: impl Fn(Reload) + Send + Sync,
    ) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let watched = self.clone();
            // Fails only when the runtime is going down.
            let Ok(outcome) = tokio::task::spawn_blocking(move || watched.reload()).await else { return };
            report(outcome);
        }
    }

    /// When the certificate in use ends, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.current.load().identity.not_after()
    }

    /// For one handshake of a server.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.current.load().server.clone()
    }

    /// For one handshake of a client.
    pub(crate) fn client(&self, server: &Name) -> Arc<ClientConfig> {
        self.current.load().identity.client(server)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = &self.current.load().identity;
        f.debug_struct("Watched")
            .field("files", &self.files)
            .field("identity", identity)
            .finish_non_exhaustive()
    }
}

impl Loaded {
    /// Nothing if the files are those with the fingerprint `in_use`.
    fn read(files: &Files, section: &str, in_use: Option<blake3::Hash>) -> Result<Option<Self>, LoadError> {
        let contents = files.read(section)?;
        let fingerprint = contents.fingerprint();
        if in_use == Some(fingerprint) {
            return Ok(None);
        }
        let identity = Identity::parse(&contents, files, section)?;
        let server = identity.server();
        Ok(Some(Self { fingerprint, identity, server }))
    }
}
