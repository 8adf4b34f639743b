//! What is acknowledged to a connection, and when.

use super::Session;
use crate::marks::Place;
use counterfoil_proto::wire::emit::AckLevel;

impl Session {
    /// Notes where the batch is that tells of every number below `through_seq`.
    pub(crate) fn note_placed(&mut self, through_seq: u64, place: Place) {
        self.source.marks.push(through_seq, place);
        if self.level == AckLevel::Received {
            self.source.marks.merge();
        }
    }

    /// Whether batches are wanted on disk.
    pub(crate) fn is_durable(&self) -> bool {
        self.level == AckLevel::Durable
    }

    /// The number to acknowledge and the level, if there is news since the last call.
    pub(crate) fn take_ack(&mut self) -> Option<(AckLevel, u64)> {
        let has_news = std::mem::take(&mut self.news);
        if self.level == AckLevel::Received {
            return has_news.then(|| (self.level, self.source.sequence.next().unwrap_or_default()));
        }
        let reach = self.shared.outlet.reach();
        let (through_seq, level) = self.source.marks.safe(self.level, &reach)?;
        let is_new = self.acked < Some(through_seq);
        self.acked = self.acked.max(Some(through_seq));
        is_new.then_some((level, through_seq))
    }

    /// Whether something is to be acknowledged once it is safer.
    pub(crate) fn awaits(&self) -> bool {
        self.level != AckLevel::Received && self.source.marks.are_waiting()
    }
}
