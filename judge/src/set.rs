//! Some of the writes of a history, by their places in it.

/// A set of small numbers; one of numbers below 64, which a bounded history never exceeds, takes no allocation.
#[derive(Debug, Default)]
pub(crate) struct Set {
    first: u64,
    more: Vec<u64>,
}

impl Set {
    #[inline]
    pub(crate) fn has(&self, at: usize) -> bool {
        match at.checked_sub(64) {
            None => self.first >> at & 1 == 1,
            Some(at) => self.more.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1),
        }
    }
}

impl FromIterator<usize> for Set {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut set = Self::default();
        for at in places {
            let Some(at) = at.checked_sub(64) else {
                set.first |= 1 << at;
                continue;
            };
            if set.more.len() <= at / 64 {
                set.more.resize(at / 64 + 1, 0);
            }
            if let Some(bits) = set.more.get_mut(at / 64) {
                *bits |= 1 << (at % 64);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_was_put_into_it_and_nothing_else() {
        let places = [0, 5, 63, 64, 65, 127, 128, 200];
        let set: Set = places.into_iter().collect();
        let found: Vec<usize> = (0..400).filter(|at| set.has(*at)).collect();
        assert_eq!(found, places);
    }
}
