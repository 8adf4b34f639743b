//! Cache requests, as Twitter published them.

use super::{Change, Reason, TraceWrite, fields, number, size};

pub(super) fn parse(text: &str) -> Result<Option<TraceWrite>, Reason> {
    let expected = "7: timestamp,key,key size,value size,client id,operation,TTL";
    let [timestamp, key, key_bytes, value_bytes, client, operation, ttl] = fields(text, "twitter", expected)?;
    number("timestamp", timestamp)?;
    size("key size", key_bytes)?;
    let value_bytes = size("value size", value_bytes)?;
    number("client id", client)?;
    number("TTL", ttl)?;
    let change = match operation {
        "get" | "gets" => return Ok(None),
        "set" | "add" | "replace" | "cas" | "append" | "prepend" | "incr" | "decr" => {
            Change::PutSized(value_bytes)
        }
        "delete" => Change::Remove,
        _ => {
            return Err(Reason::Unknown {
                field: "operation",
                text: operation.to_owned(),
                expected: "get, gets, set, add, replace, cas, append, prepend, delete, incr or decr",
            });
        }
    };
    Ok(Some(TraceWrite { key: key.to_owned(), change }))
}
