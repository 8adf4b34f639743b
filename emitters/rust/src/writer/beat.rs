//! What heartbeats tell: the watermark, what was lost, which maps were told wholly; and what the last one tells before the farewell.

use super::Writer;
use crate::losses::{Reason, Tally};
use crate::open::Scan;
use crate::snapshot::Told;
use counterfoil_clock::now;
use counterfoil_judge::{Interval, Time};
use counterfoil_proto::wire::emit;
use counterfoil_proto::{BucketSet, Loss, nanoseconds};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl Writer {
    /// Makes a heartbeat; returns how many events it took out of the ring.
    pub(super) fn beat(&mut self) -> usize {
        let ticket = self.shared.tickets.drawn();
        let scan = self.shared.open.scan();
        self.take_told();
        let waiting = self.shared.ring.len();
        let gathered = self.gather(waiting);
        let (losses, told) = match gathered == waiting {
            true => (self.reported(&scan), std::mem::take(&mut self.told)),
            false => (Vec::new(), Vec::new()),
        };
        self.push_heartbeat(losses, told, scan.open);
        if gathered == waiting {
            self.covered.cover(ticket, self.next_seq);
        }
        gathered
    }

    /// Takes the snapshots that were posted: all that they tell is in the ring, or has left it.
    fn take_told(&mut self) {
        self.told.append(&mut self.shared.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Everything that was out of its slot at `scan` has left ring and ledger: the watermark may advance. Returns what
    /// the ledger held.
    fn reported(&mut self, scan: &Scan) -> Vec<(Reason, Tally)> {
        let losses = self.shared.losses.take(self.watermark, now());
        self.watermark = scan.watermark.map_or(self.watermark, |watermark| watermark.max(self.watermark));
        losses
    }

    /// Numbers the losses and puts the heartbeat that declares them into the outbox; it is the first one to tell that what was
    /// `told` is whole.
    fn push_heartbeat(&mut self, losses: Vec<(Reason, Tally)>, told: Vec<Told>, open: u32) {
        let first_seq = self.next_seq;
        let mut number = |(reason, tally): (Reason, Tally)| {
            let first_seq = self.next_seq;
            self.next_seq += tally.count;
            let Tally { count, during, buckets } = tally;
            Loss { first_seq, count, reason: reason.wire(), during, buckets }.into()
        };
        let losses = losses.into_iter().map(&mut number).collect();
        for whole in told.into_iter().map(|told| emit::Snapshot::from(told.message(self.next_seq))) {
            self.wholes.retain(|other| other.map != whole.map);
            self.wholes.push(whole);
        }
        let snapshots = self.wholes.clone();
        let (next_seq, watermark_ns) = (self.next_seq, nanoseconds(self.watermark));
        self.outbox
            .push_heartbeat(first_seq, emit::Heartbeat { next_seq, watermark_ns, losses, open, snapshots });
    }

    /// Declares the writes that are still open as lost, so that the farewell does not hide them. Says whether there was
    /// room for all that was left.
    pub(super) fn farewell(&mut self) -> bool {
        let scan = self.shared.open.scan();
        self.take_told();
        let waiting = self.shared.ring.len();
        if self.gather(waiting) < waiting {
            return false;
        }
        let since = self.watermark;
        let mut losses = self.reported(&scan);
        if scan.open > 0 {
            let count = u64::from(scan.open);
            self.shared.counters.issued.fetch_add(count, Ordering::Relaxed);
            self.shared.counters.lose(Reason::Abandoned, count);
            let during = Interval::new(since, Time::MAX);
            losses.push((Reason::Abandoned, Tally { count, during, buckets: BucketSet::All }));
        }
        let told = std::mem::take(&mut self.told);
        self.push_heartbeat(losses, told, scan.open);
        self.outbox.push_bye(self.next_seq);
        true
    }
}
