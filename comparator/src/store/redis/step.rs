//! One step of going through all strings with a prefix, or all fields of a hash.

use super::super::{Answer, Found, Lookup, Page, StoreError};
use super::{Connection, answers, command, found};
use redis::Value;

/// One `SCAN` for names with this prefix, and an `MGET` of what it found. A name that holds no string, or has gone since,
/// is left out.
pub(super) async fn of_strings(
    connection: &mut Connection,
    prefix: &str,
    (cursor, limit): (u64, usize),
    value_bytes_max: usize,
) -> Result<Page, StoreError> {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(format!("{}*", escaped(prefix))).arg("COUNT").arg(limit);
    let (next, names) = told(connection.ask(&scan).await?)?;
    let mut keys: Vec<_> =
        names.iter().filter_map(|name| Some(name.strip_prefix(prefix.as_bytes())?.to_vec())).collect();
    // A step may tell a name twice.
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok(Page { rows: Vec::new(), next });
    }
    let read = command(&Lookup::Prefix(prefix.into()), keys.iter().map(Vec::as_slice))?;
    let answers = answers(connection.ask(&read).await?, keys.len(), value_bytes_max)?;
    let rows = keys.into_iter().zip(answers).filter(|(_, answer)| *answer != Ok(Found::Absent)).collect();
    Ok(Page { rows, next })
}

/// One `HSCAN`. A small hash is told whole, whatever the limit is.
pub(super) async fn of_fields(
    connection: &mut Connection,
    hash: &str,
    (cursor, limit): (u64, usize),
    value_bytes_max: usize,
) -> Result<Page, StoreError> {
    let mut scan = redis::cmd("HSCAN");
    scan.arg(hash.as_bytes()).arg(cursor).arg("COUNT").arg(limit);
    let (next, told) = told(connection.ask(&scan).await?)?;
    let mut rows: Vec<(Vec<u8>, Answer)> = Vec::with_capacity(told.len() / 2);
    let mut told = told.into_iter();
    while let (Some(field), Some(value)) = (told.next(), told.next()) {
        rows.push((field, found(value, value_bytes_max)));
    }
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.dedup_by(|(one, _), (other, _)| one == other);
    Ok(Page { rows, next })
}

/// The cursor of the next step, if there is one, and what this step told.
type Told = (Option<Vec<u8>>, Vec<Vec<u8>>);

fn told(value: Value) -> Result<Told, StoreError> {
    let (cursor, told): (u64, Vec<Vec<u8>>) =
        redis::from_redis_value(value).map_err(|_| StoreError::query("the answer to a scan is none"))?;
    Ok(((cursor != 0).then(|| cursor.to_string().into_bytes()), told))
}

/// A pattern that matches this text alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_itself_alone() {
        assert_eq!(escaped("cart:*[a]?\\\u{e9}"), "cart:\\*\\[a\\]\\?\\\\\u{e9}");
    }
}
