//! Which values are samples: by them the comparator tells why the values of a map always differ, if they do.

/// So many puts of each map are samples at the beginning of a connection. A comparator that begins to know a map sees some of
/// them, and the map's values differ in the first ones or not at all.
const SAMPLES_FIRST: u64 = 32;

/// Of later puts, one in so many: a comparator that started over has samples again, and nobody pays for them.
const PUTS_PER_SAMPLE: u64 = 1_024;

/// The puts of a connection, counted by map.
#[derive(Default)]
pub(super) struct Samples {
    puts: Vec<u64>,
}

impl Samples {
    /// Counts a put of the map at `place`. Whether it is a sample.
    pub(super) fn is_next(&mut self, place: usize) -> bool {
        if self.puts.len() <= place {
            self.puts.resize(place + 1, 0);
        }
        let Some(puts) = self.puts.get_mut(place) else { return false };
        *puts += 1;
        *puts <= SAMPLES_FIRST || puts.is_multiple_of(PUTS_PER_SAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_puts_of_each_map_are_samples_and_then_one_in_many() {
        let mut samples = Samples::default();
        let of_first: Vec<_> = (1..=4_000_u64).filter(|_| samples.is_next(3)).collect();
        let expected: Vec<_> = (1..=32).chain([1_024, 2_048, 3_072]).collect();
        assert_eq!(of_first, expected);
        assert!((0..32).all(|_| samples.is_next(0)) && !samples.is_next(0), "each map has its own");
    }
}
