//! What Postgres writes otherwise than SQLite.

/// What stands otherwise in the steps of the schema.
const TYPES: [(&str, &str); 9] = [
    ("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("INTEGER", "BIGINT"),
    ("BLOB", "BYTEA"),
    // In the order of bytes, as SQLite has it.
    (" TEXT", " TEXT COLLATE \"C\""),
    (" STRICT, WITHOUT ROWID;", ";"),
    (" STRICT;", ";"),
    // An entry of a tree has a few kilobytes at most, which a key may exceed. A hash of it never does.
    ("ON divergence (key)", "ON divergence USING hash (key)"),
    ("store, kind, source, opened_at_unix_ns)", "store, kind, opened_at_unix_ns)"),
    (
        "(map TEXT COLLATE \"C\", store TEXT COLLATE \"C\",",
        "(map TEXT COLLATE \"C\" NOT NULL, store TEXT COLLATE \"C\" NOT NULL,",
    ),
];

/// A step of the schema.
pub(crate) fn step(sqlite: &str) -> String {
    TYPES.iter().fold(sqlite.to_owned(), |step, (theirs, ours)| step.replace(theirs, ours))
}

/// A statement: `?1` is `$1`, and what tells SQLite's planner where to look is left out.
pub(super) fn statement(sqlite: &str) -> String {
    let mut words = sqlite.split_inclusive(' ');
    let mut statement = String::with_capacity(sqlite.len());
    while let Some(word) = words.next() {
        match word {
            // And the word behind, and the name of the index.
            "INDEXED " => _ = (words.next(), words.next()),
            "CROSS " => {}
            _ => statement.push_str(&word.replace('?', "$")),
        }
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_the_servers_parameters_and_no_hints() {
        let sqlite = "SELECT a FROM t INDEXED BY t_by_a CROSS JOIN u ON x = y WHERE a = ?1 AND b > ?12";
        assert_eq!(statement(sqlite), "SELECT a FROM t JOIN u ON x = y WHERE a = $1 AND b > $12");
    }

    #[test]
    fn a_step_has_the_servers_types() {
        let sqlite = "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, c TEXT NOT NULL, d INTEGER) STRICT;";
        let server = "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b BYTEA, c TEXT COLLATE \"C\" NOT NULL, d BIGINT);";
        assert_eq!(step(sqlite), server);
    }
}
