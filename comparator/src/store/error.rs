//! What can go wrong with a read. "We could not tell" only: nothing here says that the two sides differ.

/// Why a read told nothing about any of its keys. Holds no key, value or password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no connection to the store, or it broke.
    #[error("no connection to the store: {why}")]
    Connect {
        /// The cause, as far as it can be told without data.
        why: String,
    },
    /// The store did not answer in time.
    #[error("the store did not answer within timeout_ms")]
    Timeout,
    /// The store answered that it cannot answer the query, or gave an answer of another shape.
    #[error("the query does not work: {why}")]
    Query {
        /// The cause, as far as it can be told without data.
        why: String,
    },
    /// The server is a standby, whose answers may be old.
    #[error("the server is a standby and may answer with old values; point url at the primary")]
    Standby,
    /// What was to be written had changed meanwhile: only a repair writes.
    #[error("somebody else wrote to the key meanwhile")]
    Conflict,
    /// More keys than one read may ask for.
    #[error("{keys} keys in one read; keys_per_read_max is {keys_per_read_max}")]
    TooManyKeys {
        /// The keys asked for.
        keys: usize,
        /// The limit.
        keys_per_read_max: usize,
    },
}

impl StoreError {
    /// The names that [`Self::label`] gives.
    pub const LABELS: [&str; 6] = ["connect", "timeout", "query", "standby", "conflict", "too_many_keys"];

    /// A short name of the cause, for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Timeout => "timeout",
            Self::Query { .. } => "query",
            Self::Standby => "standby",
            Self::Conflict => "conflict",
            Self::TooManyKeys { .. } => "too_many_keys",
        }
    }

    pub(super) fn connect(why: impl ToString) -> Self {
        Self::Connect { why: why.to_string() }
    }

    pub(super) fn query(why: impl ToString) -> Self {
        Self::Query { why: why.to_string() }
    }
}

/// Why a read told nothing about one key, though it did about others. Holds no key and no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The key is not UTF-8 without NUL, but the store's keys are text.
    #[error("the key is not text that the store can hold; look the map's keys up as bytes")]
    NotText,
    /// The key is not an integer in its plain decimal form, but the store's keys are integers.
    #[error("the key is not a decimal integer within the range of the store's key type")]
    NotInteger,
    /// The value has a type whose bytes depend on formatting.
    #[error("values of type {found} have no single form as bytes; cast the value to text in the query")]
    ValueType {
        /// The store's name of the type.
        found: String,
    },
    /// The version is not an integer from 0 up.
    #[error("the third column, the version, must be an integer from 0 up")]
    Version,
    /// The query gave several rows for the key.
    #[error("the query gave several rows for the key; it must give at most one")]
    SeveralRows,
    /// The query gave no row for the key, but a row for a key that nobody asked for, which may be this key in another
    /// form (padded, in other case).
    #[error(
        "the query gave a row whose key was not asked for; its first column must equal the key byte for byte"
    )]
    OtherKey,
    /// The value is larger than any that is compared.
    #[error(
        "the value has more than {value_bytes_max} bytes; raise value_bytes_max of the store, or let the query give less"
    )]
    ValueTooLarge {
        /// The limit.
        value_bytes_max: usize,
    },
    /// The reader service said that it cannot tell.
    #[error("the reader service could not tell about the key: {why}")]
    Refused {
        /// Its name of the cause.
        why: String,
    },
}

impl KeyError {
    /// A short name of the cause, for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotText => "key_not_text",
            Self::NotInteger => "key_not_integer",
            Self::ValueType { .. } => "value_type",
            Self::Version => "version",
            Self::SeveralRows => "several_rows",
            Self::OtherKey => "other_key",
            Self::ValueTooLarge { .. } => "value_too_large",
            Self::Refused { .. } => "refused",
        }
    }
}
