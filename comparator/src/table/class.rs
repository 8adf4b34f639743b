//! Why a key is to be read: what decides who goes first where a store's budget is short.

/// Why a key is to be read, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Events wait for their outcome.
    Fresh,
    /// No event waits, but a divergence is open and may have been resolved.
    Open,
    /// Neither: a copy has to follow what another process wrote, the store did not answer when events last waited,
    /// a source told what its map holds and nobody wrote anything, or the sweep has come to it.
    Idle,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// Each of them, the most urgent first.
    pub const ALL: [Self; Self::COUNT] = [Self::Fresh, Self::Open, Self::Idle];
}

/// One of something for each class.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct PerClass<T>([T; Class::COUNT]);

impl<T> PerClass<T> {
    /// What `of` gives for each class.
    pub fn of(of: impl FnMut(Class) -> T) -> Self {
        Self(Class::ALL.map(of))
    }

    /// That of a class.
    #[must_use]
    pub fn get(&self, class: Class) -> &T {
        let [fresh, open, idle] = &self.0;
        match class {
            Class::Fresh => fresh,
            Class::Open => open,
            Class::Idle => idle,
        }
    }

    /// That of a class, to change it.
    pub fn get_mut(&mut self, class: Class) -> &mut T {
        let [fresh, open, idle] = &mut self.0;
        match class {
            Class::Fresh => fresh,
            Class::Open => open,
            Class::Idle => idle,
        }
    }

    /// Each, in the order of [`Class::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
