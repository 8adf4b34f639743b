//! The chain of a source's batches: each names the code of the one before it, so that none can be taken out of the middle,
//! put in or swapped unseen.
//!
//! Batches may come again: on a new stream the sidecar sends what was not acknowledged, and an old stream may still carry
//! the same. Whatever is new must be linked to the last batch that was applied; what is known already is told apart by
//! bringing nothing new. A sidecar that was started over begins a new chain, with a batch that names none before it.
//!
//! | the batch | brings something new | brings nothing new |
//! |---|---|---|
//! | names the last one applied | applied | applied |
//! | names none before it | applied: a chain begins | known; perhaps a chain begins |
//! | names the last one of a chain that has brought nothing new yet | applied: that chain has begun | known; that chain goes on |
//! | names another one | refused: one is missing | known |
//!
//! A comparator that was started over may not know the last batch of a chain: it does not refuse the first one after that.

use counterfoil_keys::Mac;
use thiserror::Error;

/// A batch as a part of its chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// The code of the batch before; `None` for the first batch of a sidecar process.
    pub previous: Option<Mac>,
    /// Its own code.
    pub mac: Mac,
    /// The public key of its signature.
    pub signer: [u8; 32],
}

/// What a batch is to its source's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It goes on, or is the first that is heard of.
    Next,
    /// It begins a chain: the sidecar was started over.
    Begun,
    /// It was applied before.
    Known,
}

/// Why a batch is no part of its source's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Broken {
    /// It does not name the last batch that was applied.
    #[error("a batch of this source is missing before this one")]
    Missing,
    /// It is signed by somebody else than the batch before it.
    #[error(
        "the signer changed within a chain of batches; only a sidecar that starts over may have another key"
    )]
    Signer,
}

/// The last batch of a chain.
#[derive(Clone, Copy)]
struct Tip {
    mac: Mac,
    signer: [u8; 32],
}

/// What is known of a source's chain.
#[derive(Default)]
pub struct Chain {
    /// The comparator was started over: which batch of it came last may not be known.
    is_loose: bool,
    /// The last batch that was applied; `None` before there was one.
    applied: Option<Tip>,
    /// The last batch of a chain that begins with one that names none before it, and that has brought nothing new so far.
    /// It may be that of the batches applied, come again.
    silent: Option<Tip>,
}

impl Chain {
    /// Follows the chain to the batch `link`.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the batch is not to be applied; the chain is as it was then.
    pub(super) fn follow(&mut self, link: &Link, is_news: bool) -> Result<Step, Broken> {
        let tip = Tip { mac: link.mac, signer: link.signer };
        let Some(applied) = self.applied else {
            self.applied = Some(tip);
            return Ok(Step::Next);
        };
        if link.follows(Some(applied)) {
            link.is_signed_like(applied)?;
            self.applied = Some(tip);
            self.is_loose = false;
            return Ok(Step::Next);
        }
        let begins = link.previous.is_none();
        let goes_on = link.follows(self.silent);
        if let Some(silent) = self.silent.filter(|_| goes_on) {
            link.is_signed_like(silent)?;
        }
        match (begins || goes_on, is_news) {
            (true, true) => (self.applied, self.silent) = (Some(tip), None),
            (true, false) => self.silent = Some(tip),
            (false, true) if self.is_loose => self.applied = Some(tip),
            (false, true) => return Err(Broken::Missing),
            (false, false) => {}
        }
        self.is_loose &= !is_news;
        Ok(if is_news { Step::Begun } else { Step::Known })
    }

    /// Goes on with a batch of which it is known that it was applied.
    pub(super) fn go_on(&mut self, link: &Link) {
        self.applied = Some(Tip { mac: link.mac, signer: link.signer });
    }

    /// What was applied after the last batch that is known, if anything was, is not known: the next batch may name any.
    pub(super) fn loosen(&mut self) {
        self.is_loose = true;
    }

    /// The last batch that was applied: its code and the key it was signed under.
    pub(super) fn applied(&self) -> Option<(Mac, [u8; 32])> {
        self.applied.map(|tip| (tip.mac, tip.signer))
    }

    /// A chain of which `applied` was the last batch that is known.
    pub(super) fn resumed(applied: Option<(Mac, [u8; 32])>) -> Self {
        let applied = applied.map(|(mac, signer)| Tip { mac, signer });
        Self { is_loose: true, applied, silent: None }
    }
}

impl Link {
    fn follows(&self, tip: Option<Tip>) -> bool {
        self.previous.is_some() && self.previous == tip.map(|tip| tip.mac)
    }

    fn is_signed_like(&self, tip: Tip) -> Result<(), Broken> {
        if self.signer == tip.signer { Ok(()) } else { Err(Broken::Signer) }
    }
}
