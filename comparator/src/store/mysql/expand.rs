//! One `?` for each key, since MySQL has no arrays to bind.

use super::super::StoreError;

/// How many places a query has for so many keys: few different numbers, so that few statements are prepared.
pub(super) fn places(keys: usize) -> usize {
    keys.next_power_of_two()
}

/// The query with so many places in the stead of the one in `IN (?)`; `None` if that does not occur exactly once.
pub(super) fn query(query: &str, places: usize) -> Option<String> {
    let (before, after) = query.split_once("(?)")?;
    if after.contains("(?)") {
        return None;
    }
    let more = ", ?".repeat(places.saturating_sub(1));
    Some(format!("{before}(?{more}){after}"))
}

/// The error of a query that cannot be expanded.
pub(super) fn no_place() -> StoreError {
    StoreError::query("it must take the keys in one place, as in `k IN (?)`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_a_place_for_each_key_and_the_next_power_of_two() {
        for (keys, expected) in [
            (1, "SELECT k, v FROM t WHERE k IN (?) AND v > 0"),
            (2, "SELECT k, v FROM t WHERE k IN (?, ?) AND v > 0"),
            (3, "SELECT k, v FROM t WHERE k IN (?, ?, ?, ?) AND v > 0"),
        ] {
            let expanded = query("SELECT k, v FROM t WHERE k IN (?) AND v > 0", places(keys));
            assert_eq!(expanded.as_deref(), Some(expected));
        }
        assert_eq!(places(500), 512);
    }

    #[test]
    fn no_place_or_several_are_refused() {
        assert_eq!(query("SELECT k, v FROM t WHERE k = ?", 1), None);
        assert_eq!(query("SELECT k, v FROM t WHERE k IN (?) OR l IN (?)", 1), None);
    }
}
