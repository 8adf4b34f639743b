//! Things that are made in the course of a run and never go away, each named by its place.

use std::marker::PhantomData;

/// The name of a thing in an [`Arena`].
pub trait Place: Copy {
    /// The name of the thing at this index.
    fn at(index: usize) -> Self;
    /// Its index.
    fn index(self) -> usize;
}

/// Things of one sort, named by `P`.
pub struct Arena<P, T> {
    things: Vec<T>,
    places: PhantomData<P>,
}

impl<P: Place, T> Arena<P, T> {
    /// These things, named in their order.
    #[must_use]
    pub fn new(things: Vec<T>) -> Self {
        Self { things, places: PhantomData }
    }

    /// Adds a thing and gives its name.
    pub fn add(&mut self, thing: T) -> P {
        self.things.push(thing);
        P::at(self.things.len() - 1)
    }

    /// The thing at `place`.
    #[must_use]
    pub fn get(&self, place: P) -> &T {
        self.things.get(place.index()).expect("places are given out by the arena they are used with")
    }

    /// The thing at `place`, to be changed.
    pub fn get_mut(&mut self, place: P) -> &mut T {
        self.things.get_mut(place.index()).expect("places are given out by the arena they are used with")
    }

    /// All things with their names, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (P, &T)> + ExactSizeIterator {
        self.things.iter().enumerate().map(|(index, thing)| (P::at(index), thing))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}

/// Declares names of places.
macro_rules! places {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub usize);

        impl $crate::arena::Place for $name {
            fn at(index: usize) -> Self {
                Self(index)
            }

            fn index(self) -> usize {
                self.0
            }
        }
    )*};
}
pub(crate) use places;
