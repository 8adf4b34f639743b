//! Prints: what stands for a part of a value where neither its name nor its content is to be seen.

use crate::{MapDigester, length};

/// The first eight bytes of a keyed BLAKE3 over a part of a value and where in the value it is. Under another key, and in another
/// map or form, the same part has another print.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Print(pub [u8; 8]);

/// The prints of many values, end to end.
#[derive(Default)]
pub struct Prints {
    all: Vec<Print>,
    /// Where those of each value end.
    ends: Vec<usize>,
}

impl Prints {
    /// Forgets all of them, and keeps their memory.
    pub fn clear(&mut self) {
        self.all.clear();
        self.ends.clear();
    }

    /// Those of the value at place `at`; none if there is no such value.
    #[must_use]
    pub fn of(&self, at: usize) -> &[Print] {
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(at).and_then(|&end| self.all.get(begin..end)).unwrap_or_default()
    }

    /// Takes in the next value, which has no prints.
    pub(crate) fn skip(&mut self) {
        self.ends.push(self.all.len());
    }

    /// Takes in the next value, whose prints `append` appends; those of a value that turns out to be unfit do not count.
    pub(crate) fn take<T, E>(
        &mut self,
        append: impl FnOnce(&mut Vec<Print>) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = self.all.len();
        let taken = append(&mut self.all);
        match taken {
            Ok(_) => self.all.get_mut(begin..).unwrap_or_default().sort_unstable(),
            Err(_) => self.all.truncate(begin),
        }
        self.skip();
        taken
    }
}

impl MapDigester {
    /// The print of what `parts` tell: map and form come before them, and each has its length before it. `preimage` is kept by
    /// the caller for its memory.
    pub(crate) fn print<const N: usize>(&self, parts: [&[u8]; N], preimage: &mut Vec<u8>) -> Print {
        preimage.clear();
        preimage.extend_from_slice(&self.prefix);
        for part in parts {
            append(preimage, part);
        }
        let mut print = [0; 8];
        print.copy_from_slice(self.key.hash(preimage).split_at(8).0);
        Print(print)
    }
}

/// Appends a part with its length before it.
pub(crate) fn append(preimage: &mut Vec<u8>, part: &[u8]) {
    preimage.extend_from_slice(&length(part.len()));
    preimage.extend_from_slice(part);
}
