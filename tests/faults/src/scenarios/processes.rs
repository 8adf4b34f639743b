//! Processes that stand still, starve, or come in crowds.

use crate::machine::Need;
use crate::plan::Plan;
use crate::promise::Takes;
use crate::rig::signal;
use crate::round::Round;
use crate::scenario::{Props, Rounds, Scenario, as_it_is};
use crate::tools::{Cgroup, run};
use rustix::process::Signal;
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// How long a process stands still, in milliseconds.
const FROZEN_MS: u64 = 5_000;
/// A fifth of a processor, in microseconds out of [`PERIOD_US`].
const QUOTA_US: &str = "20000";
const PERIOD_US: &str = "100000";
/// Memory for both processes together, in bytes.
const MEMORY_BYTES: &str = "402653184";
/// Writes per second that take more than a fifth of a processor.
const BUSY_RATE: f64 = 40_000.0;
/// Writes per second beyond what can be sustained.
const FLOOD_RATE: f64 = 40_000.0;
/// Applications that come back at once.
const CROWD: usize = 500;
/// Connections that ask for descriptors when there are none.
const CALLERS: usize = 40;

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    let plain = |name: &str, what, expected, needs, subject, inject| Scenario {
        name: name.to_owned(),
        what,
        expected,
        needs,
        takes: Takes::Time,
        levels: &[],
        rounds: Rounds::SOME,
        subject,
        prepare: as_it_is,
        inject,
    };
    let frozen = "its silence is doubt; what was kept meanwhile is delivered";
    vec![
        Scenario {
            rounds: Rounds::NOT_IN_CI,
            ..plain("freeze-sidecar", "SIGSTOP of the sidecar for 5 s", frozen, &[], "sidecar", freeze)
        },
        Scenario {
            rounds: Rounds::NOT_IN_CI,
            ..plain(
                "freeze-comparator",
                "SIGSTOP of the comparator for 5 s",
                frozen,
                &[],
                "comparator",
                freeze,
            )
        },
        plain(
            "no-descriptors",
            "both processes have no file descriptor left, and many connect",
            "newcomers wait; what is connected goes on",
            &[Need::Prlimit],
            "",
            no_descriptors,
        ),
        Scenario {
            prepare: busy,
            ..plain(
                "cpu-quota",
                "many writes, and a fifth of one processor for both processes for 3 s",
                "everything comes later, nothing else",
                &[Need::CpuCgroup],
                "",
                cpu_quota,
            )
        },
        Scenario {
            prepare: flood,
            ..plain(
                "memory-limit",
                "more writes than can be sustained, and 384 MiB of memory for both processes",
                "neither is killed for its memory; what the emitter drops, it declares",
                &[Need::MemoryCgroup],
                "",
                memory_limit,
            )
        },
        Scenario {
            prepare: crowd,
            takes: Takes::Sidecar,
            rounds: Rounds::NOT_IN_CI,
            ..plain(
                "crowd",
                "500 emitters whose sidecar is killed come back at once",
                "all are welcomed again",
                &[],
                "",
                come_back,
            )
        },
    ]
}

fn freeze(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    let id = if round.subject == "sidecar" { round.rig.sidecar_id()? } else { round.rig.comparator_id()? };
    round.fault_begins();
    signal(id, Signal::STOP)?;
    match round.subject {
        // Once what it had sent has arrived.
        "sidecar" => {
            round.work(100..101);
            round.sees_standstill(FROZEN_MS)?;
        }
        _ => round.work(FROZEN_MS..FROZEN_MS + 1),
    }
    let mark = round.mark()?;
    signal(id, Signal::CONT)?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn no_descriptors(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    let ids = [round.rig.sidecar_id()?, round.rig.comparator_id()?];
    round.fault_begins();
    for id in ids {
        let open =
            fs::read_dir(format!("/proc/{id}/fd")).map_err(|error| format!("/proc/{id}: {error}"))?.count();
        limit_descriptors(id, &format!("{open}:"))?;
    }
    let (socket, http) = (round.rig.socket(), round.rig.place.http);
    // Whether they are let in is up to the system; that they ask is the fault.
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| (UnixStream::connect(&socket).ok(), TcpStream::connect(("127.0.0.1", http)).ok()))
        .collect();
    round.work(1_000..2_000);
    drop(callers);
    let mark = round.mark()?;
    for id in ids {
        limit_descriptors(id, "1024:")?;
    }
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

/// Sets the soft limit and leaves the hard one.
fn limit_descriptors(id: u32, limit: &str) -> Result<(), String> {
    run(&["prlimit", "--pid", &id.to_string(), &format!("--nofile={limit}")]).map(drop)
}

fn busy(plan: &mut Plan) -> Result<Props, String> {
    plan.rate = BUSY_RATE;
    Ok(Props::default())
}

fn cpu_quota(round: &mut Round<'_>) -> Result<(), String> {
    round.work(300..900);
    let group = Cgroup::make("cpu")?;
    group.set("cpu.cfs_period_us", PERIOD_US)?;
    group.set("cpu.cfs_quota_us", QUOTA_US)?;
    round.fault_begins();
    group.add(round.rig.sidecar_id()?)?;
    group.add(round.rig.comparator_id()?)?;
    round.work(3_000..3_500);
    if group.get("cpu.stat")?.contains("nr_throttled 0") {
        return Err("the fault is not felt: nobody was throttled".to_owned());
    }
    let mark = round.mark()?;
    drop(group);
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn flood(plan: &mut Plan) -> Result<Props, String> {
    plan.rate = FLOOD_RATE;
    Ok(Props::default())
}

fn memory_limit(round: &mut Round<'_>) -> Result<(), String> {
    let group = Cgroup::make("memory")?;
    group.set("memory.limit_in_bytes", MEMORY_BYTES)?;
    group.add(round.rig.sidecar_id()?)?;
    group.add(round.rig.comparator_id()?)?;
    round.fault_begins();
    round.work(4_000..5_000);
    let mark = round.mark()?;
    round.recovered(mark)?;
    drop(group);
    Ok(())
}

fn crowd(plan: &mut Plan) -> Result<Props, String> {
    plan.emitters = CROWD;
    Ok(Props::default())
}

fn come_back(round: &mut Round<'_>) -> Result<(), String> {
    round.work(500..900);
    round.fault_begins();
    round.rig.kill_sidecar();
    let mark = round.mark()?;
    round.rig.start_sidecar()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}
