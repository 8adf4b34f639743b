//! What the journal remembers of a source, whatever else is trimmed.

use super::chain::Chain;
use super::holdings::Holdings;
use super::phase::Phase;
use super::source::{Report, Source, SourceName};
use counterfoil_judge::Time;
use counterfoil_keys::{Mac, TenantName, TenantNameError};
use counterfoil_proto::wire::journal::{SourceId, SourceStamp};
use counterfoil_proto::{LossReason, nanoseconds, time};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

impl From<&SourceName> for SourceId {
    fn from(name: &SourceName) -> Self {
        Self {
            tenant: name.tenant.to_string(),
            service: name.service.clone(),
            instance: name.instance.clone(),
            epoch: name.epoch,
        }
    }
}

impl TryFrom<SourceId> for SourceName {
    type Error = TenantNameError;

    fn try_from(id: SourceId) -> Result<Self, TenantNameError> {
        let tenant: TenantName = id.tenant.parse()?;
        Ok(Self { tenant, service: id.service, instance: id.instance, epoch: id.epoch })
    }
}

impl Source {
    /// What is to be remembered of it.
    #[must_use]
    pub fn stamp(&self) -> SourceStamp {
        let applied = self.take_turn().applied();
        let report = self.lock();
        let (maps, other_maps) = report.holdings.names();
        SourceStamp {
            clock: Some((&report.clock).into()),
            next_seq: report.next_seq,
            // That nothing was promised yet is told by nothing, as on the wire.
            watermark_ns: nanoseconds(report.watermark.max(Time(0))),
            told_ns: nanoseconds(report.told.max(Time(0))),
            bye: report.said_bye,
            accepted: report.accepted,
            duplicates: report.duplicates,
            lost: report.lost.to_vec(),
            undeclared: report.undeclared,
            mac: applied.map(|(mac, _)| mac.as_bytes().to_vec().into()).unwrap_or_default(),
            signer: applied.map(|(_, signer)| signer.to_vec().into()).unwrap_or_default(),
            maps,
            other_maps,
        }
    }

    /// Accounts for batches that the journal has lost: `stamp` tells what was known after a batch that is known here too.
    pub(super) fn reconcile(&self, stamp: &SourceStamp) {
        let mut report = self.lock();
        report.duplicates = stamp.duplicates;
        report.undeclared = stamp.undeclared;
        // What was accepted then and is not known any more.
        let missing_here = stamp.accepted.saturating_sub(report.accepted);
        for ((reason, lost), &told) in LossReason::ALL.iter().zip(&mut report.lost).zip(&stamp.lost) {
            *lost = if *reason == LossReason::Comparator { told + missing_here } else { told };
        }
        report.has_holes = false;
    }

    /// The source `name` as `stamp` tells, heard of at `now`.
    pub(super) fn restored(
        id: u32,
        name: SourceName,
        stamp: SourceStamp,
        now: Time,
        lost_sources: Arc<AtomicUsize>,
    ) -> Self {
        let signer = <[u8; 32]>::try_from(&*stamp.signer).ok();
        let chain = Chain::resumed(Mac::from_wire(&stamp.mac).zip(signer));
        let mut lost = [0; LossReason::ALL.len()];
        lost.iter_mut().zip(&stamp.lost).for_each(|(lost, &told)| *lost = told);
        // What an older version wrote names no maps.
        let others = stamp.other_maps || (stamp.maps.is_empty() && stamp.next_seq > 0);
        let mut holdings = Holdings::new(stamp.next_seq, others);
        holdings.reported(stamp.maps.iter().map(String::as_str));
        let promised = |nanoseconds| if nanoseconds == 0 { Time::MIN } else { time(nanoseconds) };
        let report = Report {
            clock: stamp.clock.unwrap_or_default().into(),
            next_seq: stamp.next_seq,
            watermark: promised(stamp.watermark_ns),
            told: promised(stamp.told_ns),
            said_bye: stamp.bye,
            heard: now,
            phase: if stamp.bye { Phase::Ended } else { Phase::Live },
            accepted: stamp.accepted,
            duplicates: stamp.duplicates,
            lost,
            undeclared: stamp.undeclared,
            issued: stamp.next_seq,
            has_holes: false,
            holdings,
        };
        Self::with(id, name, report, chain, lost_sources)
    }
}
