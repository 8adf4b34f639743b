//! Which key buckets are shed while there is little room for batches. Pure.
//!
//! Load is shed by key, never by event: the buckets that are closed are the first ones, so that more of them are closed as
//! room gets less and a key that is kept has its whole history. They are opened together, and only when there is much room
//! again: a key that is let in and shed by turns would be doubted all the time.

use counterfoil_digest::BUCKETS;

/// From which share of the room on how many buckets are closed.
const STEPS: [(f64, usize); 4] =
    [(0.98, BUCKETS), (0.95, BUCKETS - BUCKETS / 8), (0.90, BUCKETS - BUCKETS / 4), (0.80, BUCKETS / 2)];

/// Below which share of the room all buckets are opened.
const REOPENED_BELOW: f64 = 0.70;

/// How many buckets are to be closed when the share `taken` of the room, from 0 to 1, is taken and `closed` are closed now.
pub(crate) fn closed(closed: usize, taken: f64) -> usize {
    if taken < REOPENED_BELOW {
        return 0;
    }
    let step = STEPS.iter().find(|(share, _)| taken >= *share);
    step.map_or(0, |(_, buckets)| *buckets).max(closed)
}

/// Whether a key of `bucket` is shed while so many buckets are closed.
pub(crate) fn sheds(closed: usize, bucket: usize) -> bool {
    bucket < closed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_closed_as_room_gets_less_and_all_is_opened_at_once() {
        let mut now = 0;
        for (taken, expected) in [
            (0.0, 0),
            (0.79, 0),
            (0.80, 512),
            (0.89, 512),
            (0.90, 768),
            (0.85, 768),
            (0.95, 896),
            (0.71, 896),
            (0.99, 1_024),
            (0.75, 1_024),
            (0.69, 0),
            (0.75, 0),
        ] {
            now = closed(now, taken);
            assert_eq!(now, expected, "{taken}");
        }
    }

    #[test]
    fn a_key_that_is_kept_with_more_closed_is_kept_with_fewer() {
        for bucket in 0..BUCKETS {
            let kept: Vec<_> = [0, 512, 768, 896, 1_024].map(|closed| !sheds(closed, bucket)).to_vec();
            assert!(kept.is_sorted_by(|with_fewer, with_more| with_fewer >= with_more), "{bucket}");
        }
    }
}
