//! The sources that the spool knows from before the process started.

use crate::batcher::{Batcher, Seal, SourceId};
use crate::marks::{Marks, Place};
use crate::sequence::Sequence;
use crate::source::{Registry, Source};
use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_judge::Time;
use counterfoil_proto::time;
use counterfoil_proto::wire::spool::SourceStamp;

/// Sources as the spool has them.
pub(crate) struct Restored {
    /// Each, and what is known of it.
    pub(crate) sources: Vec<(SourceId, SourceStamp)>,
    /// The last entry of all.
    pub(crate) last: u64,
    /// Certainly nothing of them is missing in the spool, and nothing was accepted that is not in it: chains may go on.
    pub(crate) is_whole: bool,
}

impl Restored {
    /// Puts them into the registry, to go on with batches that are sealed with `seal`; `maps` maps are configured.
    pub(crate) fn restore(self, registry: &Registry, seal: &Seal, maps: usize) {
        let own = Domain::of_this_process();
        let Self { sources, last, is_whole } = self;
        for (id, stamp) in sources {
            // A source of another tenant is another one, whatever its name.
            if stamp.tenant == seal.tenant().as_str()
                && let Some(source) = source(id.clone(), stamp, &own, seal, maps, last, is_whole)
            {
                registry.restore(id, source);
            }
        }
    }
}

fn source(
    id: SourceId,
    stamp: SourceStamp,
    own: &Domain,
    seal: &Seal,
    maps: usize,
    last: u64,
    is_whole: bool,
) -> Option<Source> {
    let clock = Domain::from(stamp.clock?);
    let (next, watermark) = (stamp.next_seq, time(stamp.watermark_ns));
    let until = in_clock(now(), own, &clock);
    // A chain has one signer.
    let goes_on = is_whole && stamp.signer == *seal.signer();
    let previous_mac = if goes_on { stamp.mac } else { Bytes::new() };
    let batcher = Batcher::new(id, clock, seal.clone(), maps).resumed(previous_mac, next, watermark);
    let mut marks = Marks::default();
    marks.push(next, Place { upload: last, entry: Some(last) });
    let sequence = Sequence::restored(next, stamp.issued_seq, watermark, until);
    Some(Source { sequence, batcher, ended: stamp.ended, marks, chain: 0 })
}

/// The instant `at` of the clock `own`, in another clock; the end of time where nobody knows.
fn in_clock(at: Time, own: &Domain, other: &Domain) -> Time {
    let is_same_boot = own.boot_id == other.boot_id;
    if is_same_boot { at.plus(other.offset_ns.saturating_sub(own.offset_ns)) } else { Time::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_moved_between_the_time_namespaces_of_a_boot() {
        let domain = |boot: &str, offset_ns| Domain { boot_id: boot.to_owned(), offset_ns };
        assert_eq!(in_clock(Time(100), &domain("b", 10), &domain("b", 40)), Time(130));
        assert_eq!(in_clock(Time(100), &domain("b", 10), &domain("c", 10)), Time::MAX);
    }
}
