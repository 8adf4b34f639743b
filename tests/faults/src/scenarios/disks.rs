//! Disks that are full, slow, failing, or cut off from power.

use crate::machine::Need;
use crate::plan::{Kept, Plan};
use crate::promise::{Level, Takes};
use crate::rig::signal;
use crate::round::Round;
use crate::scenario::{Props, Rounds, Scenario, as_it_is};
use crate::tools::{Image, Tracer};
use rustix::process::Signal;

/// A disk that is large enough, in MiB.
const DISK_MIB: u64 = 128;
/// A disk that soon is full, in MiB.
const SMALL_DISK_MIB: u64 = 12;
/// Room that the spool believes to have on it, in bytes.
const MORE_THAN_THERE_IS: u64 = 64 << 20;
/// Writes per second that fill it.
const FILLING_RATE: f64 = 12_000.0;
/// Every second sync fails.
const FAILING: &str = "fdatasync,fsync:error=EIO:when=2+2";
/// Every sync takes a fifth of a second more.
const SLOW: &str = "fdatasync,fsync:delay_enter=200000";

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    let on_disk = |name: &str, what, expected, takes, prepare, inject| Scenario {
        name: name.to_owned(),
        what,
        expected,
        needs: &[Need::Loop, Need::Spool],
        takes,
        levels: &[],
        rounds: Rounds::SOME,
        subject: "sidecar",
        prepare,
        inject,
    };
    let syncing = |name: &str, what, expected, needs, subject, inject| Scenario {
        name: name.to_owned(),
        what,
        expected,
        needs,
        takes: Takes::Time,
        levels: &[],
        rounds: Rounds::NOT_IN_CI,
        subject,
        prepare: as_it_is,
        inject,
    };
    vec![
        on_disk(
            "power-cut-sidecar",
            "the spool's disk as it was at an instant, with nothing that was not synced",
            "what was acknowledged as durable is delivered",
            Takes::Power,
            disk_for_spool,
            power_cut_sidecar,
        ),
        Scenario {
            needs: &[Need::Loop, Need::Journal],
            subject: "comparator",
            ..on_disk(
                "power-cut-comparator",
                "the disk of journal and ledger as it was at an instant",
                "what was acknowledged as accepted is there; nothing is told twice",
                Takes::Comparator,
                disk_for_journal,
                power_cut_comparator,
            )
        },
        on_disk(
            "disk-full",
            "no comparator, and a disk smaller than the spool may be, until it is full; then the comparator comes",
            "what finds no room is shed and declared; what was spooled is delivered",
            Takes::Room,
            small_disk_for_spool,
            disk_full,
        ),
        Scenario {
            levels: &[Level::Durable],
            ..syncing(
                "sync-fails-sidecar",
                "every second fsync of the sidecar ends with EIO",
                "a segment that could not be synced is given up, not synced again",
                &[Need::Strace, Need::Spool],
                "sidecar",
                sync_fails,
            )
        },
        syncing(
            "sync-fails-comparator",
            "every second fsync of the comparator ends with EIO",
            "what could not be synced is not acknowledged",
            &[Need::Strace, Need::Journal],
            "comparator",
            sync_fails,
        ),
        Scenario {
            levels: &[Level::Durable],
            ..syncing(
                "slow-disk-sidecar",
                "every fsync of the sidecar takes 200 ms more",
                "acknowledgements come later, nothing else",
                &[Need::Strace, Need::Spool],
                "sidecar",
                slow_disk,
            )
        },
        syncing(
            "slow-disk-comparator",
            "every fsync of the comparator takes 200 ms more",
            "acknowledgements come later, nothing else",
            &[Need::Strace, Need::Journal],
            "comparator",
            slow_disk,
        ),
    ]
}

fn disk_for_spool(plan: &mut Plan) -> Result<Props, String> {
    let disk = Image::make(DISK_MIB)?;
    plan.spool.folder = Some(disk.path().join("spool"));
    Ok(Props { disk: Some(disk), ..Props::default() })
}

fn disk_for_journal(plan: &mut Plan) -> Result<Props, String> {
    let disk = Image::make(DISK_MIB)?;
    plan.journal.folder = Some(disk.path().join("journal"));
    plan.ledger = Some(disk.path().join("ledger.db"));
    Ok(Props { disk: Some(disk), ..Props::default() })
}

fn small_disk_for_spool(plan: &mut Plan) -> Result<Props, String> {
    let disk = Image::make(SMALL_DISK_MIB)?;
    plan.spool = Kept { folder: Some(disk.path().join("spool")), bytes_max: MORE_THAN_THERE_IS };
    plan.rate = FILLING_RATE;
    Ok(Props { disk: Some(disk), ..Props::default() })
}

fn power_cut_sidecar(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..1_500);
    round.fault_begins();
    signal(round.rig.sidecar_id()?, Signal::STOP)?;
    round.disk()?.copy()?;
    round.rig.kill_sidecar();
    round.disk()?.return_to_copy()?;
    let mark = round.mark()?;
    round.rig.start_sidecar()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn power_cut_comparator(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..1_500);
    round.fault_begins();
    // What it says has to be heard before it is stopped.
    let said = crate::told::Life::of(round.rig.place.http)?;
    signal(round.rig.comparator_id()?, Signal::STOP)?;
    round.disk()?.copy()?;
    round.rig.ended_by_itself("comparator", Some(said));
    round.disk()?.return_to_copy()?;
    let mark = round.mark()?;
    round.rig.start_comparator()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn disk_full(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..600);
    round.fault_begins();
    round.rig.kill_comparator()?;
    round.work(3_000..5_000);
    let mark = round.mark()?;
    round.rig.start_comparator()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn traced(round: &mut Round<'_>, injection: &str) -> Result<(), String> {
    round.work(300..600);
    let id = if round.subject == "sidecar" { round.rig.sidecar_id()? } else { round.rig.comparator_id()? };
    round.fault_begins();
    let tracer = Tracer::attach(id, injection, &round.rig.place.folder)?;
    round.work(1_500..2_500);
    if tracer.injected() == 0 {
        return Err("the fault is not felt: there was no system call to change".to_owned());
    }
    drop(tracer);
    let mark = round.mark()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn sync_fails(round: &mut Round<'_>) -> Result<(), String> {
    traced(round, FAILING)
}

fn slow_disk(round: &mut Round<'_>) -> Result<(), String> {
    traced(round, SLOW)
}
