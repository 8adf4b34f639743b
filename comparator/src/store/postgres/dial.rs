//! How a Postgres server is connected to: whoever keeps something there says it in the same words.

use super::super::written::{Password, StoreUrl};
use super::super::{StoreError, WrittenStoreTls};
use super::classify;
use super::encrypted::Encrypted;
use crate::store::tls::Tls;
use counterfoil_settings::Problems;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

/// Connects to one server.
#[derive(Clone)]
pub(crate) struct Dial {
    config: Config,
    tls: Option<Tls>,
    password_file: Option<PathBuf>,
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.config.get_hosts())
    }
}

impl Dial {
    /// Will connect to the server at `url` within `timeout`, with these `options` for the session.
    pub(crate) fn new(
        url: &StoreUrl,
        tls: Option<&WrittenStoreTls>,
        password_file: Option<PathBuf>,
        (timeout, options): (Duration, &str),
        problems: &mut Problems,
    ) -> Option<Self> {
        // The parser's own message may quote the password.
        let Ok(mut config) = url.expose().parse::<Config>() else {
            problems.add("url", "write postgres://user@host:port/database");
            return None;
        };
        let tls = Tls::asked_for(url, tls, problems)?;
        match (&tls, config.get_ssl_mode()) {
            (Some(_), _) => _ = config.ssl_mode(SslMode::Require),
            (None, SslMode::Require) => {
                problems.add("tls", "missing, but the url says sslmode=require; write tls: { ca_file: … }");
                return None;
            }
            // Without a section nothing could be believed of a server that offers encryption.
            (None, _) => _ = config.ssl_mode(SslMode::Disable),
        }
        let options = config.get_options().map_or(options.to_owned(), |theirs| format!("{theirs} {options}"));
        config.options(options).connect_timeout(timeout);
        if config.get_application_name().is_none() {
            config.application_name("counterfoil");
        }
        Some(Self { config, tls, password_file })
    }

    /// A connection, and the task that moves its bytes. How it ends is told by the queries that it breaks.
    pub(crate) async fn connect(&self) -> Result<(Client, JoinHandle<()>), StoreError> {
        let mut config = self.config.clone();
        if let Some(path) = &self.password_file {
            config.password(Password::read(path).await?.expose());
        }
        let (client, driver) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(|error| classify(&error))?;
                (client, tokio::spawn(async { drop(connection.await) }))
            }
            Some(tls) => {
                let tls = Encrypted::new(tls).await?;
                let (client, connection) = config.connect(tls).await.map_err(|error| classify(&error))?;
                (client, tokio::spawn(async { drop(connection.await) }))
            }
        };
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await;
        match row.and_then(|row| row.try_get(0)).map_err(|error| classify(&error))? {
            true => Err(StoreError::Standby),
            false => Ok((client, driver)),
        }
    }
}
