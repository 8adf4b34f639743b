//! What a bundle says: everything that the verdict depends on, and where it comes from.

use crate::history::{History, Interval};
use crate::text::{Base64, Digest, Hex, Instant, Nanoseconds, Number};
use crate::verdict::{Verdict, WriteName};
use counterfoil_judge as judge;
use counterfoil_judge::{Scope, Terms};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a bundle says of a confirmed divergence. Instants are those of the comparator's timeline, [`Predicate::clock`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The divergence's id.
    pub divergence: Hex<16>,
    /// What was promised about the map.
    pub contract: Contract,
    /// The key.
    pub key: Base64,
    /// Id of the deployment key that all digests are under. Digests under different keys are never compared.
    pub key_id: String,
    /// What was known of the key just before the read was judged.
    pub history: History,
    /// What was read.
    pub read: Read,
    /// When it was judged: every live source had told all that it had begun before the read ended.
    pub judged_at_ns: Instant,
    /// Whether the values of both sides were seen to have the same form: `calibrated`, or not yet.
    pub calibration: String,
    /// What the read proves.
    pub verdict: Verdict,
    /// The version of the rule that says so.
    pub judge: String,
    /// The source of the write that should have shown: service, instance and epoch; `nobody` where no source told of the key.
    pub named_source: String,
    /// The sources of the writes, then others that were live, as they were known then.
    pub sources: Vec<Source>,
    /// Live sources for which there was no room.
    pub sources_omitted: u32,
    /// The signatures of the batches that brought the writes.
    pub batches: Vec<Batch>,
    /// The writes whose batch's signature is not among them.
    pub unsigned: Vec<Unsigned>,
    /// The clock of all instants.
    pub clock: Clock,
    /// Who wrote this, and when.
    pub written: Written,
}

/// What was promised about a map.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The map.
    pub map: String,
    /// Whose map it is.
    pub tenant: String,
    /// The store that is held against it.
    pub store: String,
    /// Whether reported store legs are those of this store; of others nobody tells, and the contract supplies them.
    pub store_is_reported: bool,
    /// The form in which values are compared, by its versioned name.
    pub form: String,
    /// The same with the rules about what does not count.
    pub rules: String,
    /// Whose map it is about: `shared` or `process`.
    pub scope: WrittenScope,
    /// Within this time after a write the store must agree.
    pub deadline_ns: Nanoseconds,
    /// How long before its map leg a store write may have begun, where nobody watched it.
    pub lead_ns: Nanoseconds,
    /// How late a write of unknown outcome may still land.
    pub give_up_ns: Option<Nanoseconds>,
    /// How long past its deadline an event may wait for a verdict.
    pub patience_ns: Nanoseconds,
    /// Whether the store drops values by itself.
    pub expires: bool,
}

impl Contract {
    /// What it says about time.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            deadline: self.deadline_ns.0,
            lead: self.lead_ns.0,
            give_up: self.give_up_ns.map(|give_up| give_up.0),
            patience: self.patience_ns.0,
            expires: self.expires,
            scope: match self.scope {
                WrittenScope::Shared => Scope::Shared,
                WrittenScope::Process => Scope::Process,
            },
        }
    }
}

/// Whose map a contract is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrittenScope {
    /// All processes' maps are one logical map.
    Shared,
    /// Each process keeps a copy of its own.
    Process,
}

impl From<Scope> for WrittenScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Shared => Self::Shared,
            Scope::Process => Self::Process,
        }
    }
}

/// A read of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// When it looked.
    pub at: Interval,
    /// What it saw.
    pub digest: Digest,
    /// The version that stood beside it.
    pub version: Option<Number>,
}

impl From<judge::Observation> for Read {
    fn from(read: judge::Observation) -> Self {
        Self { at: read.at.into(), digest: Digest(read.digest), version: read.version.map(Number) }
    }
}

impl From<&Read> for judge::Observation {
    fn from(read: &Read) -> Self {
        Self { at: read.at.into(), digest: read.digest.0, version: read.version.map(|version| version.0) }
    }
}

/// A process that emits, as it was known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What its writes name it by.
    pub number: u32,
    /// Its name in one: service, instance and epoch, and the tenant unless that is the default one.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// The process among those of the service.
    pub instance: String,
    /// Grows each time the process starts over.
    pub epoch: Number,
    /// `live`, `ended`, `lost` or `expired`.
    pub phase: String,
    /// How far its times may be off in the comparator's timeline; `null` where nothing bounds it.
    pub clock_error_ns: Option<Nanoseconds>,
    /// Everything begun before that was reported: in the comparator's timeline, at the earliest; `null` where it cannot be placed.
    pub watermark_ns: Option<Instant>,
}

/// A batch that brought writes, and who signed it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The source.
    pub source: u32,
    /// The number of its first event.
    pub first_seq: Number,
    /// How many events it has.
    pub count: Number,
    /// Id of the deployment key that its code was made under.
    pub key_id: String,
    /// Its code, the keyed BLAKE3 hash of its bytes: what is signed.
    pub mac: Hex<32>,
    /// The public half of the key that it is signed under.
    pub signer: Hex<32>,
    /// The signature.
    pub signature: Hex<64>,
}

impl Batch {
    /// Whether it brought this write.
    #[must_use]
    pub fn has(&self, write: WriteName) -> bool {
        let end = self.first_seq.0.saturating_add(self.count.0);
        write.source == self.source && (self.first_seq.0..end).contains(&write.seq.0)
    }
}

/// A write without the signature of its batch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsigned {
    /// The write.
    pub write: WriteName,
    /// Why.
    pub because: Unavailable,
}

/// Why the signature of a batch is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// No source told of the write.
    Nobody,
    /// So many batches came since, or the comparator was started over since, that it is not at hand any more.
    NotKept,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "no source told of it",
            Self::NotKept => "not kept so long",
        })
    }
}

/// Names the clock of all instants: `CLOCK_BOOTTIME` of one boot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The kernel's id of the boot.
    pub boot_id: String,
    /// The boottime offset of the process's time namespace.
    pub offset_ns: Nanoseconds,
}

/// Who wrote a bundle, and when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The program and its version.
    pub by: String,
    /// The machine's name.
    pub host: String,
    /// Wall-clock time in nanoseconds since 1970, for display.
    pub at_unix_ns: Nanoseconds,
    /// The same instant in the comparator's timeline.
    pub at_ns: Instant,
    /// The public half of the key that the bundle is signed under.
    pub public_key: Hex<32>,
}
