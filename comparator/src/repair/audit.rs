//! The audit log of repairs: who had what done, and what became of it, as a chain that cannot be changed unseen.
//!
//! The hash of an entry is BLAKE3, under the context `counterfoil 2026 repair audit v1`, of the hash of the entry before (32 zero
//! bytes for the first) and the entry's parts, each with its length before it: number and time as 8 bytes, little end first, who,
//! what, map, repair (empty where it is about the map), detail. Where there is a signing key, each hash is signed. So an entry
//! that was changed, taken out, put in or swapped is found, and without the key nobody can write the chain anew; that its end was
//! cut off is found by whoever remembers a later hash.
//!
//! Neither keys nor values stand in it.

use crate::ledger::{Connection, DatabaseError, DatabaseRow, LedgerError, Transaction};
use counterfoil_evidence::Hex;
use counterfoil_keys::{Purpose, Signer, SigningKey, verify as verify_signature};
use rusqlite::{OpenFlags, params};
use serde::{Deserialize, Serialize};
use std::path::Path;

const CONTEXT: &str = "counterfoil 2026 repair audit v1";

const LAST: &str = "SELECT number, hash FROM repair_audit ORDER BY number DESC LIMIT 1";

const ADD: &str =
    "INSERT INTO repair_audit (number, at_unix_ns, who, what, map, repair, detail, hash, signer, signature)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const PAGE: &str = "SELECT * FROM repair_audit WHERE number > ?1 ORDER BY number LIMIT ?2";

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1 up, without gaps.
    pub number: u64,
    /// Wall-clock time, nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// The name of who did it.
    pub who: String,
    /// What was done.
    pub what: String,
    /// To which map's repairs.
    pub map: String,
    /// To which of them; `null` where it is about the map.
    pub repair: Option<String>,
    /// More about it.
    pub detail: String,
    /// Of the entry before and of this one: 64 hex digits.
    pub hash: String,
    /// The public key of who signed the hash: 64 hex digits; `null` without a key.
    pub signer: Option<String>,
    /// The signature: 128 hex digits.
    pub signature: Option<String>,
}

/// The first entry of a log that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// Entries are missing before it, or are there twice.
    #[error("entry {0}: is not the one after the entry before; one was taken out, put in or swapped")]
    Number(u64),
    /// It, or what was before it, was changed.
    #[error("entry {0}: its hash is not that of its parts and of the entry before; one of them was changed")]
    Hash(u64),
    /// It was not signed by who is named.
    #[error("entry {0}: its signature does not hold")]
    Signature(u64),
    /// It was signed by somebody else than it should be, or by nobody.
    #[error("entry {0}: is not signed by the key that was expected")]
    Signer(u64),
}

/// What is about to be written down.
pub(super) struct Note<'a> {
    pub(super) at_unix_ns: i64,
    pub(super) who: &'a str,
    pub(super) what: &'a str,
    pub(super) map: &'a str,
    pub(super) repair: Option<&'a str>,
    pub(super) detail: &'a str,
}

/// Adds an entry to the chain.
pub(super) fn add(
    transaction: &Transaction<'_>,
    signing: Option<&SigningKey>,
    note: &Note<'_>,
) -> Result<(), DatabaseError> {
    let last = transaction.first(LAST, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (number, before): (i64, [u8; 32]) = last.unwrap_or((0, [0; 32]));
    let number = number + 1;
    let hash = hash(&before, number.cast_unsigned(), note);
    let signed = signing.map(|key| (key.public(), key.sign(Purpose::RepairAudit, &hash)));
    let (signer, signature) = signed.unzip();
    let Note { at_unix_ns, who, what, map, repair, detail } = note;
    let parameters = params![number, at_unix_ns, who, what, map, repair, detail, hash, signer, signature];
    transaction.execute(ADD, parameters)?;
    Ok(())
}

/// Up to `limit` entries after the one with the number `after`.
pub(super) fn page(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<AuditEntry>, DatabaseError> {
    connection.query(PAGE, params![after.cast_signed(), limit], entry)
}

/// All entries of the ledger in the file `path`.
///
/// # Errors
///
/// [`LedgerError::Read`] if it is none.
pub fn of_file(path: &Path) -> Result<Vec<AuditEntry>, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let file = rusqlite::Connection::open_with_flags(path, flags).map_err(DatabaseError::from)?;
    Ok(page(&file.into(), 0, u32::MAX)?)
}

/// Looks a whole log through; `signer` is the public key, as hex digits, that all of it has to be signed by, if there is one.
///
/// # Errors
///
/// [`Broken`] for the first entry that is not as it was written.
pub fn verify(entries: &[AuditEntry], signer: Option<&str>) -> Result<(), Broken> {
    let mut before = [0; 32];
    for (entry, number) in entries.iter().zip(1..) {
        if entry.number != number {
            return Err(Broken::Number(number));
        }
        let note = Note {
            at_unix_ns: entry.at_unix_ns,
            who: &entry.who,
            what: &entry.what,
            map: &entry.map,
            repair: entry.repair.as_deref(),
            detail: &entry.detail,
        };
        before = hash(&before, number, &note);
        if Hex(before).to_string() != entry.hash {
            return Err(Broken::Hash(number));
        }
        check_signature(entry, &before, signer)?;
    }
    Ok(())
}

fn check_signature(entry: &AuditEntry, hash: &[u8; 32], expected: Option<&str>) -> Result<(), Broken> {
    if expected.is_some() && entry.signer.as_deref() != expected {
        return Err(Broken::Signer(entry.number));
    }
    let (Some(signer), signature) = (&entry.signer, &entry.signature) else { return Ok(()) };
    let signature = signature.as_deref().and_then(|digits| digits.parse::<Hex<64>>().ok());
    let holds = signer.parse::<Hex<32>>().ok().zip(signature).is_some_and(|(signer, signature)| {
        verify_signature(&signer.0, Purpose::RepairAudit, hash, &signature.0)
    });
    if holds { Ok(()) } else { Err(Broken::Signature(entry.number)) }
}

fn hash(before: &[u8; 32], number: u64, note: &Note<'_>) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
    let (number, at) = (number.to_le_bytes(), note.at_unix_ns.to_le_bytes());
    let texts =
        [note.who, note.what, note.map, note.repair.unwrap_or_default(), note.detail].map(str::as_bytes);
    for part in [&before[..], &number, &at].into_iter().chain(texts) {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    *hash.finalize().as_bytes()
}

fn entry(row: &DatabaseRow<'_>) -> Result<AuditEntry, DatabaseError> {
    let number: i64 = row.get("number")?;
    let (signer, signature): (Option<[u8; 32]>, Option<[u8; 64]>) =
        (row.get("signer")?, row.get("signature")?);
    Ok(AuditEntry {
        number: number.cast_unsigned(),
        at_unix_ns: row.get("at_unix_ns")?,
        who: row.get("who")?,
        what: row.get("what")?,
        map: row.get("map")?,
        repair: row.get("repair")?,
        detail: row.get("detail")?,
        hash: Hex(row.get::<[u8; 32]>("hash")?).to_string(),
        signer: signer.map(|key| Hex(key).to_string()),
        signature: signature.map(|bytes| Hex(bytes).to_string()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::ledger::Database;

    fn log(signing: Option<&SigningKey>) -> Vec<AuditEntry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let database = Database::new((&path).into()).unwrap();
        let connection = database.open().unwrap();
        let transaction = connection.begin().unwrap();
        for number in 0..5 {
            let (who, detail) = (format!("who {number}"), format!("detail {number}"));
            let repair = Some("id").filter(|_| number % 2 == 0);
            let note = Note {
                at_unix_ns: number,
                who: &who,
                what: "approved",
                map: "cart",
                repair,
                detail: &detail,
            };
            add(&transaction, signing, &note).unwrap();
        }
        transaction.commit().unwrap();
        of_file(&path).unwrap()
    }

    #[test]
    fn whatever_is_changed_in_a_log_is_found() {
        let key = SigningKey::new([3; 32]);
        let (log, signer) = (log(Some(&key)), Hex(key.public()).to_string());
        assert_eq!(verify(&log, Some(&signer)), Ok(()));
        type Change = fn(&mut Vec<AuditEntry>);
        let changes: [(Change, Broken); 9] = [
            (|log| log[2].who.push('x'), Broken::Hash(3)),
            (|log| log[2].detail = log[2].detail.clone() + "x", Broken::Hash(3)),
            (|log| log[2].at_unix_ns += 1, Broken::Hash(3)),
            (|log| log[2].repair = None, Broken::Hash(3)),
            (|log| log[0].hash = log[1].hash.clone(), Broken::Hash(1)),
            (|log| _ = log.remove(2), Broken::Number(3)),
            (|log| log.swap(1, 2), Broken::Number(2)),
            (|log| log[3].signature = log[2].signature.clone(), Broken::Signature(4)),
            (|log| (log[3].signer, log[3].signature) = (None, None), Broken::Signer(4)),
        ];
        for (change, expected) in changes {
            let mut changed = log.clone();
            change(&mut changed);
            assert_eq!(verify(&changed, Some(&signer)), Err(expected));
        }
    }

    #[test]
    fn a_chain_that_somebody_else_wrote_anew_is_not_signed_by_the_key() {
        let (key, other) = (SigningKey::new([3; 32]), SigningKey::new([4; 32]));
        assert_eq!(verify(&log(Some(&other)), Some(&Hex(key.public()).to_string())), Err(Broken::Signer(1)));
        assert_eq!(verify(&log(None), None), Ok(()), "without a key it is chained alone");
        let mut forged = log(Some(&other));
        forged.iter_mut().for_each(|entry| entry.signer = Some(Hex(key.public()).to_string()));
        assert_eq!(verify(&forged, Some(&Hex(key.public()).to_string())), Err(Broken::Signature(1)));
    }
}
