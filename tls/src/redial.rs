//! When a client that stays connected proves anew who it is.

use crate::provider;
use std::time::Duration;

/// The shortest time between two connections. What has ended already is not renewed any faster by calling in haste.
pub const REDIAL_MIN: Duration = Duration::from_secs(30);

/// Jitter, in thousandths: connections made together do not end together.
const JITTER_PERMILLE_MAX: u32 = 100;

/// How long a connection made at `now` with a certificate that ends at `not_after` (both in seconds since 1970) may
/// stand: half of what is left, less up to a tenth of that by chance, and never less than [`REDIAL_MIN`].
#[must_use]
pub fn redial_after(not_after: i64, now: i64) -> Duration {
    let mut random = [0; 2];
    // Without randomness there is no jitter, and no handshake either.
    let drawn = provider().secure_random.fill(&mut random).map_or(0, |()| u16::from_le_bytes(random));
    redial(not_after, now, u32::from(drawn) % (JITTER_PERMILLE_MAX + 1))
}

fn redial(not_after: i64, now: i64, jitter_permille: u32) -> Duration {
    let left = Duration::from_secs(u64::try_from(not_after.saturating_sub(now)).unwrap_or(0));
    let half = left / 2;
    half.saturating_sub((half / 1000).saturating_mul(jitter_permille)).max(REDIAL_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_rest_less_the_jitter_but_not_less_than_the_least() {
        let seconds = Duration::from_secs;
        let rows = [
            (3600, 0, 0, seconds(1800)),
            (3600, 0, 100, seconds(1620)),
            (3600, 3000, 50, seconds(285)),
            (3600, 3590, 0, REDIAL_MIN),
            (3600, 3600, 0, REDIAL_MIN),
            (3600, 9000, 100, REDIAL_MIN),
            (i64::MIN, i64::MAX, 0, REDIAL_MIN),
        ];
        for (not_after, now, jitter_permille, expected) in rows {
            assert_eq!(
                redial(not_after, now, jitter_permille),
                expected,
                "{not_after} {now} {jitter_permille}"
            );
        }
    }

    #[test]
    fn the_jitter_is_drawn_anew_and_is_a_tenth_at_most() {
        let drawn: Vec<_> = (0..64).map(|_| redial_after(20_000, 0)).collect();
        let (least, most) = (Duration::from_secs(9_000), Duration::from_secs(10_000));
        assert!(drawn.iter().all(|after| (least..=most).contains(after)), "{drawn:?}");
        assert!(drawn.iter().any(|after| Some(after) != drawn.first()), "{drawn:?}");
    }
}
