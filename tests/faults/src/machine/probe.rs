//! Trying out what is there.

use super::{Given, KeyForm, Machine, Need};
use crate::plan::Plan;
use crate::promise::Level;
use crate::rig::Rig;
use crate::tools::{self, Cgroup, Image, Netns, libfaketime};
use counterfoil_proto::wire::emit::{AckLevel, Hello, frame::Body};
use counterfoil_tests::emit::{Client, hello};
use std::collections::BTreeMap;

impl Machine {
    /// Tries everything out once.
    ///
    /// # Errors
    ///
    /// If not even the plainest sidecar starts.
    pub(crate) fn probe(given: Given) -> Result<Self, String> {
        let mut machine = Self { given, levels: vec![Level::Received], ..Self::default() };
        // Nothing is configured that is not known to be there.
        machine.lacks.extend([Need::Spool, Need::Journal].map(|need| (need, String::new())));
        machine.key_form = key_form(&machine)?;
        let lacks = Need::ALL.map(|need| (need, met(need, &machine).err()));
        let lacks: BTreeMap<_, _> = lacks.into_iter().filter_map(|(need, why)| Some((need, why?))).collect();
        machine.lacks = lacks;
        machine.levels = granted(&machine)?;
        Ok(machine)
    }
}

/// The form of keys that the sidecar takes.
fn key_form(machine: &Machine) -> Result<KeyForm, String> {
    let mut why = String::new();
    for form in [KeyForm::Many, KeyForm::One] {
        let machine = Machine { key_form: form, ..machine.clone() };
        match Rig::new(Plan::default(), &machine)?.check("sidecar") {
            Ok(()) => return Ok(form),
            Err(error) => why = error,
        }
    }
    Err(format!("the plainest configuration of a sidecar is refused: {why}"))
}

fn met(need: Need, machine: &Machine) -> Result<(), String> {
    match need {
        Need::Loop => Image::make(4).map(drop),
        Need::Netns => Netns::make().map(drop),
        Need::Nft => tools::run(&["nft", "--version"]).map(drop),
        Need::Strace => tools::run(&["strace", "-qq", "-e", "trace=none", "true"]).map(drop),
        Need::Faketime => libfaketime().map(drop),
        Need::CpuCgroup => Cgroup::make("cpu").map(drop),
        Need::MemoryCgroup => Cgroup::make("memory").map(drop),
        Need::Prlimit => tools::run(&["prlimit", "--version"]).map(drop),
        Need::Spool => knows(machine, need, "sidecar"),
        Need::Journal => knows(machine, need, "comparator"),
        Need::Failpoints => match &machine.given.failpoints {
            Some(binary) => tools::run(&[&binary.to_string_lossy(), "--version"]).map(drop),
            None => Err("this tree has no build with failpoints".to_owned()),
        },
    }
}

/// Whether a process knows the section that a need stands for.
fn knows(machine: &Machine, need: Need, process: &str) -> Result<(), String> {
    let mut machine = machine.clone();
    machine.lacks.remove(&need);
    let checked = Rig::new(Plan::default(), &machine)?.check(process);
    checked.map_err(|_| format!("the {process} of this build knows no such section in its configuration"))
}

/// The levels at which the sidecar acknowledges, of those there are.
fn granted(machine: &Machine) -> Result<Vec<Level>, String> {
    let mut rig = Rig::new(Plan::default(), machine)?;
    rig.start_comparator()?;
    rig.start_sidecar()?;
    let levels = Level::ALL.into_iter().filter(|&level| grants(&rig, level));
    let levels: Vec<_> = levels.collect();
    if levels.is_empty() { Err("the sidecar grants no ack level".to_owned()) } else { Ok(levels) }
}

fn grants(rig: &Rig<'_>, level: Level) -> bool {
    let asked = match level {
        Level::Received => AckLevel::Received,
        Level::Spooled => AckLevel::Spooled,
        Level::Durable => AckLevel::Durable,
        Level::Accepted => AckLevel::Accepted,
    };
    let mut client = Client::connect(&rig.socket());
    client.send(Body::Hello(Hello { ack: asked.into(), ..hello("probe") }));
    let granted = client.receive();
    matches!(granted, Some(Body::Welcome(welcome)) if welcome.ack() == asked)
}
