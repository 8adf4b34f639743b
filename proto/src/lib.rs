//! What is said: the messages of the Unix socket ([`wire::emit`]) and of the gRPC stream ([`wire`]), and the types the
//! rest of the house uses in their place.
//!
//! No wire type is a domain type. What comes in is parsed once, here, with its bounds: [`Columns`] for a batch, [`Loss`]
//! for a declared gap, [`counterfoil_clock::Domain`] for a clock. What goes out is built here too: [`BatchBuilder`].

mod batch;
mod loss;
mod recall;
mod snapshot;
mod time;

pub use batch::{BatchBuilder, BatchError, Columns, Header, Row, Sample, TraceRef};
pub use loss::{BucketSet, Loss, LossError, LossReason};
pub use recall::{NoValue, RECALLS_MAX, Recalled, RecalledError, Shown};
pub use snapshot::Snapshot;
pub use time::{nanoseconds, time};

/// Version of both protocols.
pub const PROTOCOL: u32 = 1;

/// The generated messages and services; the .proto files document each field.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/counterfoil.v1.rs"));

    /// What emitter and sidecar say over the Unix socket.
    pub mod emit {
        include!(concat!(env!("OUT_DIR"), "/counterfoil.v1.emit.rs"));
    }

    /// What the comparator keeps in its journal.
    pub mod journal {
        include!(concat!(env!("OUT_DIR"), "/counterfoil.v1.journal.rs"));
    }

    /// What the sidecar keeps in its spool.
    pub mod spool {
        include!(concat!(env!("OUT_DIR"), "/counterfoil.v1.spool.rs"));
    }

    /// Descriptors of all messages, for gRPC reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

impl From<&counterfoil_clock::Domain> for wire::emit::ClockDomain {
    fn from(domain: &counterfoil_clock::Domain) -> Self {
        Self { boot_id: domain.boot_id.clone(), offset_ns: domain.offset_ns }
    }
}

impl From<wire::emit::ClockDomain> for counterfoil_clock::Domain {
    fn from(domain: wire::emit::ClockDomain) -> Self {
        Self { boot_id: domain.boot_id, offset_ns: domain.offset_ns }
    }
}
