//! Which entries of the journal still have open events: the bytes of its cursor.
//!
//! Three columns of little-endian 64-bit numbers would be simple and long; what stands here is short where little is open:
//! `through`, then the numbers up to it that are open, each as its distance from the one before, all as LEB128 varints. What
//! comes after `through` is open too.

use std::collections::BTreeSet;

/// Numbers told one by one. Of more, all from the last one on count as open.
const OPEN_MAX: usize = 6_000;

/// Bytes of a varint, at most.
const VARINT_BYTES_MAX: usize = 10;

const _: () = assert!((OPEN_MAX + 1) * VARINT_BYTES_MAX <= counterfoil_spool::CURSOR_BYTES_MAX);

/// What is known of the entries' events.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Hint {
    through: u64,
    open: BTreeSet<u64>,
}

impl Hint {
    /// Of the entries up to `through`, those in `open` have open events.
    pub(super) fn new(through: u64, open: impl Iterator<Item = u64>) -> Self {
        let mut open: BTreeSet<u64> = open.filter(|number| *number <= through).collect();
        let beyond = open.iter().copied().nth(OPEN_MAX);
        if let Some(beyond) = beyond {
            open.split_off(&beyond);
        }
        Self { through: beyond.map_or(through, |beyond| beyond - 1), open }
    }

    /// Whether events of the entry with this number may be open.
    pub(super) fn is_open(&self, number: u64) -> bool {
        number > self.through || self.open.contains(&number)
    }

    /// The first entry that may have open events.
    pub(super) fn first_open(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.through.saturating_add(1))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.open.len() * 2 + VARINT_BYTES_MAX);
        prost::encoding::encode_varint(self.through, &mut bytes);
        self.open.iter().fold(0, |before, &number| {
            prost::encoding::encode_varint(number - before, &mut bytes);
            number
        });
        bytes
    }

    /// What `encode` gave; anything else tells as little as it can, and what it does not tell is open.
    pub(super) fn decode(mut bytes: &[u8]) -> Self {
        let Ok(through) = prost::encoding::decode_varint(&mut bytes) else { return Self::default() };
        let mut hint = Self { through, open: BTreeSet::new() };
        let mut number = 0u64;
        while !bytes.is_empty() {
            let Ok(step) = prost::encoding::decode_varint(&mut bytes) else { return Self::default() };
            number = number.saturating_add(step);
            hint.open.insert(number);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (through, open) in
            [(0, vec![]), (9, vec![]), (9, vec![1]), (300_000, vec![5, 6, 200_000, 300_000])]
        {
            let hint = Hint::new(through, open.iter().copied());
            assert_eq!(Hint::decode(&hint.encode()), hint);
            let found: Vec<u64> = (1..=through).filter(|&number| hint.is_open(number)).collect();
            assert_eq!((found, hint.is_open(through + 1)), (open.clone(), true));
            assert_eq!(hint.first_open(), open.first().copied().unwrap_or(through + 1));
        }
    }

    #[test]
    fn more_than_can_be_told_one_by_one_is_open_from_there_on() {
        let hint = Hint::new(100_000, (1..=100_000).filter(|number| number % 2 == 0));
        let hint = Hint::decode(&hint.encode());
        let open: Vec<u64> = (11_999..12_005).filter(|&number| hint.is_open(number)).collect();
        assert_eq!(open, [12_000, 12_002, 12_003, 12_004]);
        assert!(hint.encode().len() <= counterfoil_spool::CURSOR_BYTES_MAX);
    }

    #[test]
    fn what_makes_no_sense_tells_nothing() {
        for bytes in [&[][..], &[0xff], &[5, 0xff], &[0xff; 40]] {
            assert!(Hint::decode(bytes).is_open(1), "{bytes:?}");
        }
    }
}
