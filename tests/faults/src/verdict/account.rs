//! What the lives of the comparator account for, of one source's numbers.

use crate::told::{Life, SourceTold};

/// The sum of the figures of one source over all lives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Account {
    /// The first number that the figures speak of; `None` if they speak of more numbers than there are, or of none.
    pub(crate) first: Option<u64>,
    /// The next number expected in the end.
    pub(crate) next: u64,
    /// Numbers declared lost.
    pub(crate) declared: u64,
    /// Numbers missing that nobody declared lost.
    pub(crate) undeclared: u64,
    /// Numbers between what one life knew and what the next one began with.
    pub(crate) holes: u64,
    /// Numbers accounted for beyond those there are.
    pub(crate) overcounted: u64,
}

impl Account {
    /// The account of the source `name`.
    pub(crate) fn of(name: &str, lives: &[Life]) -> Self {
        let told = lives.iter().filter_map(|life| life.sources.iter().find(|told| told.source == name));
        told.fold(Self::default(), Self::and)
    }

    /// Goes on with what a later life said: either it knows all that the earlier ones knew, or it begins where they ended.
    fn and(self, told: &SourceTold) -> Self {
        let sum = told.accepted + told.declared_lost() + told.undeclared;
        let overcounted = self.overcounted + sum.saturating_sub(told.next_seq);
        let first = told.first();
        let alone = Self {
            first,
            next: told.next_seq,
            declared: told.declared_lost(),
            undeclared: told.undeclared,
            holes: 0,
            overcounted,
        };
        if self.next == 0 || first.unwrap_or(0) <= self.first.unwrap_or(0) {
            return alone;
        }
        Self {
            first: self.first,
            declared: self.declared + alone.declared,
            undeclared: self.undeclared + alone.undeclared,
            holes: self.holes + first.unwrap_or(0).saturating_sub(self.next),
            ..alone
        }
    }
}
