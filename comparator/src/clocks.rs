//! What is known of other machines' clocks.
//!
//! Times on the wire are in the sender's `CLOCK_BOOTTIME`. A sender in the comparator's own clock domain needs no
//! translation. For any other domain the round trips of the stream bound its offset, as Cristian (1989) and Marzullo &
//! Owicki (1983) do; `bounds.rs` says how. A domain of which no round trip is known yet is *unbounded*: that is a legal
//! state, not an error. Its times cannot be placed, and what was said in them stays undetermined.
//!
//! # Invariants
//!
//! - While a clock does not jump and drifts by less than 200 ppm, its true offset lies within the bounds.
//! - An empty intersection means that a clock jumped (a machine moved or restored, a boot id reused): the old bounds are
//!   dropped, and a new clock epoch begins from what the latest exchange alone shows. If that contradicts itself, because
//!   the jump lay within it, the domain is unbounded until the next one.
//! - An exchange whose times are out of order on either clock is ignored; none makes the bounds narrower than it proves.

mod bounds;
mod figures;
#[cfg(test)]
mod tests;

pub use bounds::{Exchange, Translation};
pub(crate) use figures::ClockRow;

use bounds::{Bounds, drift};
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use dashmap::DashMap;

/// Most domains remembered; the one that was not heard of for longest makes room.
const DOMAINS_MAX: usize = 10_000;

/// A boot id has 36 characters, and an unknown one of ours less than 50; longer ones are not remembered.
const BOOT_ID_BYTES_MAX: usize = 128;

/// The offsets of all clock domains.
pub struct Clocks {
    own: Domain,
    known: DashMap<Domain, Known>,
}

/// What is known of one domain.
#[derive(Clone, Copy, Debug)]
struct Known {
    bounds: Option<Bounds>,
    /// The latest instant of hearing of it, in the comparator's timeline.
    heard: Time,
    /// Clock epochs, the present one included.
    epochs: u64,
    /// Times of the domain before this were read in an earlier clock epoch, and cannot be placed any more.
    epoch_since: Time,
}

/// What an exchange taught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// Nothing: it is of the comparator's own domain, echoes no reply, or contradicts itself.
    Nothing,
    /// The domain was unbounded and is not any more.
    Began,
    /// It fits the bounds known before, which are now as narrow as both together allow.
    Narrowed,
    /// It does not fit them: the clock jumped, and a new clock epoch began.
    Jumped,
}

impl Clocks {
    /// Knows the comparator's own domain only.
    #[must_use]
    pub fn new(own: Domain) -> Self {
        Self { own, known: DashMap::new() }
    }

    /// Learns from one exchange with a sender of `domain`. Gives whether a clock jumped, so that a new clock epoch began.
    pub fn observe(&self, domain: &Domain, exchange: Exchange) -> bool {
        self.learn(domain, exchange) == Learned::Jumped
    }

    /// Learns from one exchange with a sender of `domain`, and says what.
    pub fn learn(&self, domain: &Domain, exchange: Exchange) -> Learned {
        if *domain == self.own || domain.boot_id.len() > BOOT_ID_BYTES_MAX {
            return Learned::Nothing;
        }
        if let Some(mut known) = self.known.get_mut(domain) {
            return known.learn(exchange);
        }
        if self.known.len() >= DOMAINS_MAX {
            self.forget_oldest();
        }
        self.known.entry(domain.clone()).or_insert(Known::since(exchange.received)).learn(exchange)
    }

    /// How to translate present times of `domain` at `now`; `None` while it is unbounded, which is a legal state: nothing
    /// can then be said about its times.
    #[must_use]
    pub fn translation(&self, domain: &Domain, now: Time) -> Option<Translation> {
        if *domain == self.own {
            return Some(Translation { shift: 0, error: 0 });
        }
        let bounds = self.known.get(domain).and_then(|known| known.bounds)?;
        Some(bounds.aged(now).translation())
    }

    /// How to translate times of `domain` that are as old as `oldest`, a time of that domain. The bounds hold at `now`;
    /// before that the clocks may have been elsewhere by their drift since, and the error says so. `None` while the domain
    /// is unbounded, and for times of an earlier clock epoch.
    #[must_use]
    pub fn translation_since(&self, domain: &Domain, oldest: Time, now: Time) -> Option<Translation> {
        let present = self.translation(domain, now)?;
        if *domain == self.own {
            return Some(present);
        }
        if self.known.get(domain).is_some_and(|known| oldest < known.epoch_since) {
            return None;
        }
        let age = now.since(present.earliest(oldest));
        // By the same drift the true age may be greater than it seems.
        let age = age.saturating_add(drift(age).saturating_mul(2));
        Some(Translation { error: present.error.saturating_add(drift(age)), ..present })
    }

    fn forget_oldest(&self) {
        let oldest =
            self.known.iter().min_by_key(|entry| entry.value().heard).map(|entry| entry.key().clone());
        if let Some(domain) = oldest {
            self.known.remove(&domain);
        }
    }
}

impl Known {
    fn since(heard: Time) -> Self {
        Self { bounds: None, heard, epochs: 1, epoch_since: Time::MIN }
    }

    fn learn(&mut self, exchange: Exchange) -> Learned {
        self.heard = self.heard.max(exchange.received);
        let Some(measured) = exchange.bounds() else { return Learned::Nothing };
        let fresh = measured.nonempty();
        let Some(known) = self.bounds else {
            self.bounds = fresh;
            return if fresh.is_some() { Learned::Began } else { Learned::Nothing };
        };
        let joined = known.intersected(measured).nonempty();
        self.bounds = joined.or(fresh);
        if joined.is_some() {
            return Learned::Narrowed;
        }
        self.epochs += 1;
        self.epoch_since = exchange.sent;
        Learned::Jumped
    }
}
