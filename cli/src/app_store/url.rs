//! Which store, and where.

use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// The address of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StoreUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A `postgres://` address.
    Postgres(String),
    /// A `redis://` address.
    Redis(String),
}

/// An address of no known store.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum UrlError {
    /// The scheme is not one of the three.
    #[error("`{0}` names no store; write sqlite:FILE, postgres://USER@HOST/DATABASE or redis://HOST:PORT")]
    Unknown(String),
    /// Nothing after `sqlite:`.
    #[error("sqlite needs a file, such as sqlite:/var/lib/app.db")]
    NoFile,
}

impl FromStr for StoreUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(UrlError::NoFile) } else { Ok(Self::Sqlite(path.into())) };
        }
        let address = ::url::Url::parse(text).map_err(|_| UrlError::Unknown(text.to_owned()))?;
        match address.scheme() {
            "postgres" | "postgresql" => Ok(Self::Postgres(text.to_owned())),
            "redis" => Ok(Self::Redis(text.to_owned())),
            _ => Err(UrlError::Unknown(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_is_known_by_its_scheme() {
        for (text, url) in [
            ("sqlite:/a/b.db", StoreUrl::Sqlite("/a/b.db".into())),
            ("sqlite:///a/b.db", StoreUrl::Sqlite("/a/b.db".into())),
            ("sqlite:b.db", StoreUrl::Sqlite("b.db".into())),
            ("postgres://u@h/d", StoreUrl::Postgres("postgres://u@h/d".into())),
            ("postgresql://h/d", StoreUrl::Postgres("postgresql://h/d".into())),
            ("redis://h:1", StoreUrl::Redis("redis://h:1".into())),
        ] {
            assert_eq!(text.parse(), Ok(url), "{text}");
        }
    }

    #[test]
    fn an_unknown_store_is_refused_with_what_to_write() {
        for text in ["", "mysql://h/d", "app.db"] {
            assert_eq!(text.parse::<StoreUrl>(), Err(UrlError::Unknown(text.to_owned())));
        }
        assert_eq!("sqlite:".parse::<StoreUrl>(), Err(UrlError::NoFile));
    }
}
