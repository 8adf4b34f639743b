//! Random lives of a log, against a model that only remembers.
//!
//! Nothing that was synced is lost by anything; nothing that was written is lost by a kill; what is read is what was appended;
//! numbers are never given to other bytes; gaps are exactly what is missing; stamps are those of the entries that are left.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod support;

use bytes::Bytes;
use counterfoil_spool::faulty::{Fault, Faulty, Operation};
use counterfoil_spool::{AppendError, Entry, Log, Numbered, Options, Reader, Recovered, Start};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::{numbers, read_all};

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Entry>),
    Sync,
    /// Below so many percent of what there is.
    Trim(u64),
    /// Reads on with a reader that has read before.
    Read(usize),
    Fail(Operation, u32, Fault),
    Heal,
    Kill,
    PowerCut(u64),
}

fn entry() -> impl Strategy<Value = Entry> {
    let stamp =
        prop_oneof![Just(Bytes::new()), any::<[u8; 3]>().prop_map(|stamp| Bytes::copy_from_slice(&stamp))];
    let body = prop_oneof![4 => 0..40_usize, 2 => 300..700_usize, 1 => 1500..2500_usize];
    (0..5_u8, stamp, body, any::<u8>(), prop::bool::weighted(0.1)).prop_map(
        |(subject, stamp, length, fill, reserved)| Entry {
            subject: vec![b's', subject].into(),
            stamp,
            body: vec![fill; length].into(),
            reserved,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop::sample::select(vec![
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::SyncDirectory,
        Operation::Rename,
        Operation::Remove,
        Operation::Cut,
        Operation::Allocate,
        Operation::Open,
    ]);
    let fault = prop_oneof![
        Just(Fault::NoDescriptor),
        Just(Fault::NoSpace),
        (0..1500_usize).prop_map(Fault::Short),
        Just(Fault::Io)
    ];
    prop_oneof![
        12 => prop::collection::vec(entry(), 1..6).prop_map(Step::Append),
        6 => Just(Step::Sync),
        2 => (0..=100_u64).prop_map(Step::Trim),
        4 => (1..3000_usize).prop_map(Step::Read),
        4 => (operation, 0..4_u32, fault).prop_map(|(operation, after, fault)| Step::Fail(operation, after, fault)),
        2 => Just(Step::Heal),
        2 => Just(Step::Kill),
        2 => any::<u64>().prop_map(Step::PowerCut),
    ]
}

/// What was appended and not certainly lost.
struct Model {
    entries: BTreeMap<u64, Entry>,
    lost: BTreeSet<u64>,
    /// What an append said it had not written: a record may be whole all the same when its last bytes are zeros.
    tried: BTreeMap<u64, Vec<Entry>>,
    next: u64,
    durable: u64,
    trim_below: u64,
    /// A sync failed and none succeeded since.
    is_sync_failing: bool,
    /// A kill came then, and the last segment had a gap: no process can know what of it, up to this number, is on disk.
    doubtful: u64,
}

impl Model {
    /// The stamps as of before `next`.
    fn stamps(&self, next: u64, subjects_max: usize) -> BTreeMap<Bytes, Bytes> {
        let mut order: Vec<(&Bytes, &Bytes)> = Vec::new();
        for entry in self.entries.range(..next).map(|(_, entry)| entry) {
            order.retain(|(subject, _)| *subject != &entry.subject);
            if !entry.stamp.is_empty() {
                order.push((&entry.subject, &entry.stamp));
            }
            if order.len() > subjects_max {
                order.remove(0);
            }
        }
        order.into_iter().map(|(subject, stamp)| (subject.clone(), stamp.clone())).collect()
    }

    /// Checks an entry that a recovery found.
    fn check(&mut self, Numbered { number, entry }: &Numbered, is_power_cut: bool) {
        let is_open = *number >= self.next || (is_power_cut && *number > self.durable);
        let is_tried = |tried: &Vec<Entry>| tried.contains(entry);
        if is_open && self.entries.get(number) != Some(entry) && self.tried.get(number).is_some_and(is_tried)
        {
            self.entries.insert(*number, entry.clone());
        }
        assert_eq!(Some(entry), self.entries.get(number), "{number}");
    }

    /// Takes over what a recovery found, after checking that it may be so.
    fn recover(
        &mut self,
        recovered: &Recovered,
        start: &Start,
        there: &BTreeSet<u64>,
        is_power_cut: bool,
        options: &Options,
    ) {
        let missing: BTreeSet<u64> =
            (recovered.first..recovered.next).filter(|number| !there.contains(number)).collect();
        assert_eq!(numbers(&recovered.gaps), missing, "gaps are exactly what is missing");
        assert!(recovered.first <= self.trim_below.max(1), "only what was trimmed is gone");
        let safe_to = if is_power_cut { self.durable } else { self.next - 1 };
        assert!(recovered.next > safe_to, "numbers go on");
        let known_lost: BTreeSet<u64> =
            self.lost.iter().copied().filter(|number| *number >= recovered.first).collect();
        let doubtful = |number: &u64| is_power_cut && *number <= self.doubtful;
        let lost_now: Vec<&u64> =
            missing.difference(&known_lost).filter(|n| **n <= safe_to && !doubtful(n)).collect();
        assert!(lost_now.is_empty(), "{lost_now:?} were safe");
        self.lost.extend(&missing);
        self.lost.retain(|number| *number < recovered.next);
        self.entries.retain(|number, _| *number < recovered.next && !missing.contains(number));
        self.tried.clear();
        self.next = recovered.next;
        if self.doubtful == 0 || !is_power_cut {
            assert_eq!(recovered.stamps, self.stamps(self.next, options.subjects_max));
            assert!(!start.is_complete || start.stamps == self.stamps(recovered.first, options.subjects_max));
        }
        if options.is_durable {
            if self.is_sync_failing && !is_power_cut && !missing.is_empty() {
                self.doubtful = self.next - 1;
            }
            (self.durable, self.is_sync_failing) =
                (recovered.durable, recovered.durable + 1 < recovered.next);
        }
    }
}

struct Life {
    files: Faulty,
    options: Options,
    log: Option<Log<Faulty>>,
    reader: Reader<Faulty>,
    read_next: u64,
    model: Model,
}

impl Life {
    fn new(options: Options) -> Life {
        let files = Faulty::default();
        let (log, _) = Log::open(files.clone(), options.clone()).unwrap();
        let model = Model {
            entries: BTreeMap::new(),
            lost: BTreeSet::new(),
            tried: BTreeMap::new(),
            next: 1,
            durable: 0,
            trim_below: 0,
            is_sync_failing: false,
            doubtful: 0,
        };
        Life { files, options, reader: log.reader(), log: Some(log), read_next: 1, model }
    }

    fn log(&mut self) -> &mut Log<Faulty> {
        self.log.as_mut().unwrap()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(entries) => self.append(&entries),
            Step::Sync => match self.log().sync() {
                Ok(durable) => {
                    assert_eq!(durable, self.model.next - 1);
                    (self.model.durable, self.model.is_sync_failing) = (durable, false);
                }
                Err(_) => self.model.is_sync_failing = true,
            },
            Step::Trim(percent) => {
                let below = self.model.next * percent / 100;
                self.model.trim_below = self.model.trim_below.max(below);
                self.log().trim(below);
            }
            Step::Read(bytes_max) => self.read(bytes_max),
            Step::Fail(operation, after, fault) => self.files.fail(operation, after, fault),
            Step::Heal => self.files.heal(),
            Step::Kill => self.restart(None),
            Step::PowerCut(seed) => self.restart(Some(seed).filter(|_| self.options.is_durable)),
        }
    }

    fn append(&mut self, entries: &[Entry]) {
        let failures = self.files.calls(Operation::Sync);
        let (written, is_failing) = match self.log().append(entries) {
            Ok(range) => {
                assert_eq!(range.start, self.model.next);
                (entries.len(), false)
            }
            Err(AppendError::Full { written }) => (written, false),
            Err(AppendError::Io { written, .. }) => (written, true),
            Err(AppendError::TooLarge(error)) => panic!("{error}"),
        };
        // A sync that a full segment asked for may have failed.
        self.model.is_sync_failing |= is_failing && self.files.calls(Operation::Sync) > failures;
        for entry in &entries[..written] {
            self.model.entries.insert(self.model.next, entry.clone());
            self.model.next += 1;
        }
        for (number, entry) in (self.model.next..).zip(&entries[written..]).filter(|_| is_failing) {
            self.model.tried.entry(number).or_default().push(entry.clone());
        }
        assert_eq!(self.log.as_ref().unwrap().next(), self.model.next);
        assert!(self.log().used_bytes() <= self.options.disk_bytes_max + 4096, "the cap holds");
    }

    fn read(&mut self, bytes_max: usize) {
        let Ok(read) = self.reader.read(self.read_next, bytes_max) else { return };
        let mut told = numbers(&read.gaps);
        for numbered in &read.entries {
            assert_eq!(
                Some(&numbered.entry),
                self.model.entries.get(&numbered.number),
                "{}",
                numbered.number
            );
            told.insert(numbered.number);
        }
        let first = told.first().copied().unwrap_or(read.next);
        assert!(first >= self.read_next, "nothing is read twice");
        assert!(first <= self.read_next.max(self.model.trim_below));
        assert_eq!(told, (first..read.next).collect(), "each number once, as an entry or a gap");
        self.read_next = read.next;
    }

    fn restart(&mut self, power_cut: Option<u64>) {
        self.log = None;
        if let Some(seed) = power_cut {
            self.files.cut_power(seed);
        }
        let opened = Log::open(self.files.clone(), self.options.clone());
        let (log, recovered) = opened.unwrap_or_else(|_| {
            self.files.heal();
            self.model.is_sync_failing = true;
            Log::open(self.files.clone(), self.options.clone()).unwrap()
        });
        self.files.heal();
        let (read, gaps) = read_all(&mut log.reader(), 0, usize::MAX);
        assert_eq!(gaps, recovered.gaps, "the reader tells the same gaps");
        for numbered in &read {
            self.model.check(numbered, power_cut.is_some());
        }
        let there = read.iter().map(|numbered| numbered.number).collect();
        let start = log.reader().from_start().unwrap();
        self.model.recover(&recovered, &start, &there, power_cut.is_some(), &self.options);
        self.reader = log.reader();
        self.read_next = self.read_next.min(log.next());
        self.log = Some(log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_in_silence(
        is_durable in any::<bool>(),
        subjects_max in 2..6_usize,
        is_capped in any::<bool>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let options = Options {
            segment_bytes: 1200,
            disk_bytes_max: if is_capped { 6000 } else { 1 << 30 },
            reserve_bytes: 700,
            subjects_max,
            is_durable,
        };
        let mut life = Life::new(options);
        for step in steps {
            life.step(step);
        }
        life.restart(None);
    }
}
