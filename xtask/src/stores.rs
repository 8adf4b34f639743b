//! The servers that tests and benches read, and how they are told of them.

use crate::certificates::Certificates;
use crate::server::Server;
use crate::tools::Tools;
use std::process::Command;

/// A private Postgres, MariaDB and Redis; they are stopped when this is dropped.
pub(crate) struct Stores {
    certificates: Certificates,
    postgres: Server,
    mariadb: Server,
    redis: Server,
}

impl Stores {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// What a server said that does not start.
    pub(crate) fn start(tools: &Tools) -> Result<Self, String> {
        let certificates = Certificates::make()?;
        let postgres = Server::postgres(tools, &certificates)?;
        let mariadb = Server::mariadb(tools, &certificates)?;
        let redis = Server::redis(tools, &certificates)?;
        eprintln!("started {}, {} and {}", postgres.url, mariadb.url, redis.url);
        Ok(Self { certificates, postgres, mariadb, redis })
    }

    /// The certificates that they have.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The Postgres.
    pub(crate) fn postgres(&self) -> &Server {
        &self.postgres
    }

    /// Tells a command where they are, in its environment.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("COUNTERFOIL_TEST_POSTGRES", &self.postgres.url);
        command.env("COUNTERFOIL_TEST_MARIADB", &self.mariadb.url);
        command.env("COUNTERFOIL_TEST_REDIS", &self.redis.url);
        command.env("COUNTERFOIL_TEST_REDIS_TLS", &self.redis.tls_url);
        command.env("COUNTERFOIL_TEST_CERTIFICATES", self.certificates.path());
    }
}
