//! The uplink's side of the spool: what is read back from it, and what is sealed anew because it has lost something.

use super::backlog::{Numbered, Wanted};
use super::desk::Desk;
use super::links::Links;
use super::stream::StreamError;
use crate::metrics::Meters;
use crate::sealing::Sealing;
use crate::spooling::{self, Opened};
use counterfoil_spool::{Directory, Progress, Read, ReadError, Reader, Spool};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Code;

/// The wait before the spool is read again after that failed, or gave nothing.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// What there is to a spool besides the desk.
pub(super) struct Spooled {
    links: Links,
    spool: Spool,
    /// None while it is at work, and after that failed.
    reader: Option<Reader<Directory>>,
    reading: Option<JoinHandle<Found>>,
    progress: Option<watch::Receiver<Progress>>,
    /// The first upload that was not acknowledged when the comparator last missed a batch.
    refused_at: Option<u64>,
    sealing: Arc<Sealing>,
    meters: Arc<Meters>,
}

/// What was read, from which entry on, and what reads on from there.
pub(super) struct Found {
    from: u64,
    read: Result<Read, ReadError>,
    reader: Reader<Directory>,
}

impl Spooled {
    /// Of a spool that was opened.
    pub(super) fn new(opened: Opened, sealing: Arc<Sealing>, meters: Arc<Meters>) -> Self {
        let Opened { spool, links, .. } = opened;
        let progress = Some(spool.progress());
        Self { links, spool, reader: None, reading: None, progress, refused_at: None, sealing, meters }
    }

    /// A new stream: everything is sent again.
    pub(super) fn rewind(&mut self) {
        self.links.rewind();
    }

    /// The comparator has accepted every upload up to `number`.
    pub(super) fn acknowledge(&mut self, number: u64) {
        self.links.acknowledge(number);
    }

    /// The upload, sealed anew where its source's chain is broken.
    pub(super) fn linked(&mut self, upload: Numbered, desk: &Desk) -> Numbered {
        let Numbered { number, mut sealed } = upload;
        let original = sealed.mac.clone();
        if let Some(anew) = self.links.judge(number, &sealed.about) {
            self.meters.batches_resealed.increment(1);
            if anew.previous_mac.is_empty() {
                desk.break_chains();
            }
            if let Some(loss) = &anew.loss {
                let (service, lost) = (&sealed.about.source.service, loss.count);
                tracing::error!(service, lost, "what the spool has lost is declared lost");
                self.meters.events_lost.add(loss.reason.label(), lost);
            }
            sealed = self.sealing.anew(&sealed, anew.previous_mac, anew.loss).unwrap_or(sealed);
        }
        self.links.note_sent(number, original, &sealed);
        Numbered { number, sealed }
    }

    /// Begins to read what is `wanted`, unless something is being read.
    pub(super) fn read(&mut self, wanted: Wanted) {
        if self.reading.is_none() {
            let mut reader = self.reader.take().unwrap_or_else(|| self.spool.reader());
            self.meters.spool_reads.increment(1);
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let read = reader.read(wanted.entry, wanted.bytes);
                Found { from: wanted.entry, read, reader }
            }));
        }
    }

    /// What was being read, or nothing once more is written that may be read. Without a spool: never.
    pub(super) async fn read_or_written(spooled: &mut Option<Self>) -> Option<Found> {
        let Some(Self { reading, progress, .. }) = spooled else { return std::future::pending().await };
        let Some(task) = reading else {
            super::desk::written(progress).await;
            return None;
        };
        let found = task.await;
        *reading = None;
        // No task: it panicked, or the process ends.
        let found = found.ok()?;
        match &found.read {
            Ok(read) if read.next > found.from => return Some(found),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error.source, "the spool cannot be read; it is tried again");
            }
        }
        tokio::time::sleep(READ_AGAIN).await;
        None
    }

    /// Lays what was read on the desk.
    pub(super) fn take(&mut self, found: Found, desk: &Desk) {
        let Found { from, read, reader } = found;
        self.reader = Some(reader);
        let Ok(read) = read else { return };
        // What should have come first is as lost as what the reader knows to be.
        let first = read.entries.first().map_or(read.next, |numbered| numbered.number);
        let known = read.gaps.into_iter().map(|gap| gap.numbers).filter(|gap| gap.start >= first);
        let gaps = std::iter::once(from..first).chain(known).filter(|gap| !gap.is_empty());
        let mut gaps: Vec<_> = gaps.collect();
        let mut batches = Vec::new();
        for numbered in read.entries {
            match spooling::sealed(&numbered.entry) {
                Some(sealed) => batches.push((numbered.number, sealed)),
                // Written by nobody who knows what a batch is.
                None => gaps.push(numbered.number..numbered.number + 1),
            }
        }
        if !gaps.is_empty() {
            let lost: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
            tracing::error!(lost, "the spool has lost batches; what was in them is declared lost");
            self.links.note_gap();
        }
        desk.take_read(batches, &gaps);
    }

    /// Notes which batch the comparator does not find to follow: the first one that it does not acknowledge twice in a row,
    /// as before the first time acknowledgements may have been on their way.
    pub(super) fn heed(&mut self, ended: &StreamError, desk: &Desk) {
        let is_missing =
            matches!(ended, StreamError::Status(status) if status.code() == Code::FailedPrecondition);
        let front = desk.front().filter(|_| is_missing);
        if let Some((number, sealed)) = &front
            && self.refused_at == Some(*number)
        {
            let service = &sealed.about.source.service;
            tracing::error!(service, "the comparator misses a batch before this one; a new chain begins");
            self.links.refuse(*number, &sealed.about.source);
        }
        self.refused_at = front.map(|(number, _)| number);
    }
}
