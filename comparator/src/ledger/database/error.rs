//! Why the database does not do what it is asked to.

/// Why a statement has no answer. Holds no value.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The server says so, or does not answer.
    #[error("{why}")]
    Server {
        /// What it said, as far as it can be told without data.
        why: String,
    },
    /// A column has not what it should have.
    #[error("the column `{name}` does not hold what this version writes there")]
    Column {
        /// Which.
        name: String,
    },
    /// There is no row where there is always one.
    #[error("a statement gave no row")]
    NoRow,
}

impl DatabaseError {
    pub(super) fn server(why: impl ToString) -> Self {
        Self::Server { why: why.to_string() }
    }

    /// A column has not what it should have.
    pub(crate) fn column(name: &str) -> Self {
        Self::Column { name: name.to_owned() }
    }
}
