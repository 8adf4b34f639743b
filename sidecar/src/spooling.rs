//! The spool as the sidecar uses it: what an entry holds, and what is known when the sidecar starts over.

use crate::batcher::{About, Sealed, SourceId};
use crate::config;
use crate::restored::Restored;
use crate::uplink::{Links, Tail};
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_keys::TenantName;
use counterfoil_proto::wire::spool::{self, Cursor, Kept, SourceStamp};
use counterfoil_proto::{nanoseconds, time};
use counterfoil_spool::{Entry, Gap, OpenError, Options, ReadError, Recovered, Spool, SpoolOptions};
use prost::Message;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Sources that the spool remembers: as many as the sidecar does.
const SUBJECTS_MAX: usize = crate::source::SOURCES_MAX;

/// Into how many segments the disk cap is divided: what is accepted is removed by the segment.
const SEGMENTS: u64 = 64;

/// The least and the most bytes of a segment.
const SEGMENT_BYTES: (u64, u64) = (65_536, 16 << 20);

/// What share of the disk cap only batches without events may use: the last thirty-second.
const RESERVE_SHARE: u64 = 32;

/// Bytes of entries that wait to be written. They are in memory, besides `uplink.unacked_bytes_max`.
const QUEUE_BYTES_MAX: u64 = 4 << 20;

/// What is read at once of entries that were accepted already, in bytes.
const LEARN_BYTES: usize = 1 << 20;

/// Why there is no spool.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Its directory cannot be used.
    #[error("spool.path: {path}: {source}{}; let it point to a directory of its own", cause(source))]
    Open {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        source: OpenError,
    },
    /// It cannot be read.
    #[error("spool.path: {path}: {source}: {}", .source.source)]
    Read {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: ReadError,
    },
}

/// What the system said, behind what could not be done.
fn cause(error: &OpenError) -> String {
    std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"))
}

/// A spool that was opened, and what is to be sent of it.
pub(crate) struct Opened {
    pub(crate) spool: Spool,
    /// The first number that is to be sent, and the next one that will be given.
    pub(crate) unsent: std::ops::Range<u64>,
    /// The sources' chains, as of before the first number that is to be sent.
    pub(crate) links: Links,
}

/// What the cursor tells.
struct Come {
    /// The last entry that was accepted.
    accepted: u64,
    /// Power was certainly not lost since.
    is_of_this_boot: bool,
    /// The spool begins behind what was accepted, or ends before it: something is missing.
    lacks_some: bool,
}

/// Opens the spool, recovers it, and reads what is known of what was accepted before. Waits for the disk.
///
/// # Errors
///
/// [`SpoolError`], naming the key to set.
pub(crate) fn open(settings: &config::Spool) -> Result<(Opened, Restored), SpoolError> {
    let path = || settings.path.clone();
    let (spool, recovered) = Spool::start(&settings.path, options(settings))
        .map_err(|source| SpoolError::Open { path: path(), source })?;
    let come = come(&recovered);
    let first = recovered.first.max(come.accepted + 1);
    tell(settings, &recovered, first);
    spool.set_cursor(cursor(first - 1, &Domain::of_this_process()));
    let links = links(&spool, &recovered, &come, first)
        .map_err(|source| SpoolError::Read { path: path(), source })?;
    let known = |(subject, stamp): (&Bytes, &Bytes)| Some((source_id(subject)?, source_stamp(stamp)?));
    let restored = Restored {
        sources: recovered.stamps.iter().filter_map(known).collect(),
        last: recovered.next.saturating_sub(1),
        is_whole: come.is_of_this_boot
            && !come.lacks_some
            && recovered.are_stamps_complete
            && recovered.gaps.is_empty(),
    };
    Ok((Opened { spool, unsent: first..recovered.next.max(first), links }, restored))
}

fn options(settings: &config::Spool) -> SpoolOptions {
    let (least, most) = SEGMENT_BYTES;
    let log = Options {
        segment_bytes: (settings.bytes_max / SEGMENTS).clamp(least, most),
        disk_bytes_max: settings.bytes_max,
        reserve_bytes: settings.bytes_max / RESERVE_SHARE,
        subjects_max: SUBJECTS_MAX,
        is_durable: true,
    };
    let sync_ms = u64::from(settings.sync_ms);
    SpoolOptions { log, queue_bytes_max: QUEUE_BYTES_MAX, sync_ms, ..SpoolOptions::default() }
}

fn tell(settings: &config::Spool, recovered: &Recovered, first: u64) {
    let path = settings.path.display();
    let lost: u64 = recovered.gaps.iter().map(Gap::count).sum();
    let unsent = recovered.next.saturating_sub(first);
    let (torn_bytes, sources) = (recovered.torn_bytes, recovered.stamps.len());
    tracing::info!(%path, unsent, sources, torn_bytes, "the spool is open");
    if lost > 0 {
        tracing::error!(%path, lost, "the spool has lost batches; what was in them is declared lost");
    }
}

/// How far the comparator has come, as far as the cursor tells: what it says of another boot may be about entries that power
/// loss took, and whose numbers are given anew.
fn come(recovered: &Recovered) -> Come {
    let cursor = recovered.cursor.clone().and_then(|bytes| Cursor::decode(bytes).ok()).unwrap_or_default();
    let is_of_this_boot = cursor.boot_id == Domain::of_this_process().boot_id;
    let last = recovered.next.saturating_sub(1);
    Come {
        accepted: if is_of_this_boot { cursor.accepted.min(last) } else { 0 },
        is_of_this_boot,
        lacks_some: recovered.first > cursor.accepted + 1 || cursor.accepted > last,
    }
}

/// The cursor that says how far the comparator has come.
pub(crate) fn cursor(accepted: u64, clock: &Domain) -> Bytes {
    Cursor { accepted, boot_id: clock.boot_id.clone() }.encode_to_vec().into()
}

/// The chains as of before the entry `first`. Where the beginning or the end is missing, nothing is known of them: the stamps
/// that stand before the first entry tell of what is missing too.
fn links(spool: &Spool, recovered: &Recovered, come: &Come, first: u64) -> Result<Links, ReadError> {
    let mut links = Links::default();
    let mut reader = spool.reader();
    let start = reader.from_start()?;
    if come.lacks_some {
        tracing::error!(
            first,
            "the spool has lost its beginning or its end; what was in it is declared lost"
        );
        links.note_gap();
        return Ok(links);
    }
    if !recovered.gaps.is_empty() || !start.is_complete {
        links.note_gap();
    }
    for (subject, stamp) in &start.stamps {
        learn(&mut links, subject, stamp);
    }
    let mut from = start.first;
    while from < first {
        let read = reader.read(from, LEARN_BYTES)?;
        if read.next <= from {
            break;
        }
        for numbered in read.entries.iter().filter(|numbered| numbered.number < first) {
            learn(&mut links, &numbered.entry.subject, &numbered.entry.stamp);
        }
        from = read.next;
    }
    Ok(links)
}

fn learn(links: &mut Links, subject: &Bytes, stamp: &Bytes) {
    let Some(source) = source_id(subject) else { return };
    let tail = source_stamp(stamp).filter(|stamp| !stamp.ended).map(|stamp| Tail {
        original: stamp.mac.clone(),
        sent: stamp.mac,
        next_seq: stamp.next_seq,
        watermark: time(stamp.watermark_ns),
    });
    links.learn(Arc::new(source), tail);
}

fn source_id(subject: &Bytes) -> Option<SourceId> {
    let id = spool::SourceId::decode(subject.clone()).ok()?;
    Some(SourceId { service: id.service, instance: id.instance, epoch: id.epoch })
}

fn source_stamp(stamp: &Bytes) -> Option<SourceStamp> {
    if stamp.is_empty() { None } else { SourceStamp::decode(stamp.clone()).ok() }
}

/// The entry of a batch. One without events may use the reserve: it says what was lost, or only that its source lives.
pub(crate) fn entry(sealed: &Sealed) -> Entry {
    let Sealed { batch, mac, signature, signer, key_id, tenant, events, about } = sealed;
    let after = SourceStamp {
        clock: Some((&about.clock).into()),
        next_seq: about.next_seq,
        watermark_ns: nanoseconds(about.watermark),
        ended: about.ended,
        issued_seq: about.issued,
        mac: mac.clone(),
        signer: signer.clone(),
        tenant: tenant.to_string(),
    };
    let SourceId { service, instance, epoch } = (*about.source).clone();
    let is_forgotten = about.ended && about.anonymous;
    let stamp = if is_forgotten { Bytes::new() } else { after.encode_to_vec().into() };
    let kept = Kept {
        batch: batch.clone(),
        mac: mac.clone(),
        key_id: key_id.to_string(),
        tenant: tenant.to_string(),
        signature: signature.clone(),
        signer: signer.clone(),
        events: *events,
        from_seq: about.from_seq,
        previous_mac: about.previous_mac.clone(),
        after: is_forgotten.then_some(after),
    };
    Entry {
        subject: spool::SourceId { service, instance, epoch }.encode_to_vec().into(),
        stamp,
        body: kept.encode_to_vec().into(),
        reserved: *events == 0,
    }
}

/// The batch of an entry; `None` if it is none.
pub(crate) fn sealed(entry: &Entry) -> Option<Sealed> {
    let kept = Kept::decode(entry.body.clone()).ok()?;
    let anonymous = kept.after.is_some();
    let after = kept.after.or_else(|| source_stamp(&entry.stamp))?;
    Some(Sealed {
        batch: kept.batch,
        mac: kept.mac,
        signature: kept.signature,
        signer: kept.signer,
        key_id: kept.key_id.into(),
        tenant: kept.tenant.parse::<TenantName>().ok()?,
        events: kept.events,
        about: About {
            source: Arc::new(source_id(&entry.subject)?),
            clock: after.clock?.into(),
            from_seq: kept.from_seq,
            next_seq: after.next_seq,
            issued: after.issued_seq,
            watermark: time(after.watermark_ns),
            ended: after.ended,
            anonymous,
            previous_mac: kept.previous_mac,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::trial;

    #[test]
    fn a_batch_is_the_same_after_the_spool() {
        for (ended, anonymous) in [(false, false), (true, false), (true, true)] {
            let mut batch = trial::sealed("a", 3, 9, b"previous");
            batch.batch = Bytes::from_static(b"batch");
            (batch.about.ended, batch.about.anonymous) = (ended, anonymous);
            let entry = entry(&batch);
            assert_eq!(sealed(&entry), Some(batch), "{ended} {anonymous}");
            assert_eq!(entry.stamp.is_empty(), ended && anonymous, "nobody can come back to it");
        }
    }

    /// What a spool with the entries 3 to 8 tells.
    fn recovered(cursor: Cursor) -> Recovered {
        Recovered {
            first: 3,
            next: 9,
            stamps: Default::default(),
            are_stamps_complete: true,
            gaps: Vec::new(),
            cursor: Some(cursor.encode_to_vec().into()),
            torn_bytes: 0,
            durable: 0,
        }
    }

    #[test]
    fn a_spool_that_begins_behind_what_was_accepted_or_ends_before_it_has_lost_something() {
        for (accepted, lacks) in
            [(None, true), (Some(1), true), (Some(2), false), (Some(8), false), (Some(9), true)]
        {
            let cursor = accepted.map(|accepted| Cursor { accepted, boot_id: String::new() });
            let recovered = Recovered {
                cursor: cursor.map(|cursor| cursor.encode_to_vec().into()),
                ..recovered(Cursor::default())
            };
            assert_eq!(come(&recovered).lacks_some, lacks, "{accepted:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_boot_or_ahead_of_the_spool_is_not_believed() {
        let boot_id = Domain::of_this_process().boot_id;
        for (accepted_by, boot_id, expected) in
            [(5, boot_id.clone(), 5), (20, boot_id, 8), (5, "another".to_owned(), 0)]
        {
            let cursor = Cursor { accepted: accepted_by, boot_id };
            let come = come(&recovered(cursor));
            assert_eq!(come.accepted, expected);
        }
    }
}
