//! `cargo xtask mutants`: takes out, one by one, what makes the verdicts sound, and sees that the simulation notices.
//!
//! A check that still passes when the thing it checks is gone checks nothing. Each mutant is one line of the product
//! replaced; the copy of the tree that has it is built and run over some seeds, and a run that finds nothing wrong is an
//! error. The judge's own mutants are the business of `cargo mutants --package counterfoil-judge`; those here need the
//! whole engine.

use crate::{Done, cargo};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the copy and what is built of it are kept, below the root.
const PLACE: &str = "target/mutants";

/// Seeds that a mutant is run over unless told otherwise.
const SEEDS: &str = "0..500";

/// One line of the product, and what it is replaced by.
struct Mutant {
    name: &'static str,
    file: &'static str,
    line: &'static str,
    replaced_by: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no wait for watermarks",
        file: "comparator/src/scheduler.rs",
        line: "horizons.get(read.tenant).is_some_and(|it| read.passed_by < *it);",
        replaced_by: "horizons.get(read.tenant).is_some_and(|it| read.passed_by < Time::MAX.max(*it));",
    },
    Mutant {
        name: "no widening by the clock error",
        file: "comparator/src/engine/rows.rs",
        line: "true => legs.under(&contract.terms, clock.error),",
        replaced_by: "true => legs.under(&contract.terms, 0 * clock.error),",
    },
    Mutant {
        name: "clock error understated fourfold",
        file: "comparator/src/engine/rows.rs",
        line: "true => legs.under(&contract.terms, clock.error),",
        replaced_by: "true => legs.under(&contract.terms, clock.error / 4),",
    },
    Mutant {
        name: "merging without fingerprints",
        file: "judge/src/group.rs",
        line: "self.digests.extend(other.digests);",
        replaced_by: "self.digests = other.digests;",
    },
    Mutant {
        name: "no taint",
        file: "comparator/src/table/entry/judging.rs",
        line: "self.history.blind_until(until, reason);",
        replaced_by: "self.history.blind_until(until.min(Time::MIN), reason);",
    },
    Mutant {
        name: "no doubt while a source is lost",
        file: "comparator/src/engine/mod.rs",
        line: "for tenant in &doubted {",
        replaced_by: "for tenant in doubted.iter().filter(|_| at == Time::MIN) {",
    },
    Mutant {
        name: "no doubt about what was shed",
        file: "comparator/src/table/shard.rs",
        line: "taints.add(&buckets, arrival.write.ended_wholly(), Reason::Shed);",
        replaced_by: "taints.add(&buckets, Time::MIN, Reason::Shed);",
    },
    Mutant {
        name: "events applied again",
        file: "comparator/src/engine/rows.rs",
        line: "columns.rows().filter(|(seq, _)| *seq >= first_new)",
        replaced_by: "columns.rows().filter(|(seq, _)| *seq + u64::MAX / 2 >= first_new)",
    },
    Mutant {
        name: "copies of processes that are gone have to follow",
        file: "comparator/src/table/entry/judging.rs",
        line: "self.copy.is_some_and(|copy| !rules.live.has(copy.source()))",
        replaced_by: "self.copy.is_some_and(|copy| !rules.live.has(copy.source()) && copy.source() == u32::MAX)",
    },
    Mutant {
        name: "several writes that explain a read prove one of them",
        file: "judge/src/history/learn.rs",
        line: "if self.matches(read.digest).filter(|past| explains(past.store)).count() != 1 {",
        replaced_by: "if self.matches(read.digest).filter(|past| explains(past.store)).count() == 0 {",
    },
    Mutant {
        name: "a held value's store leg begins when the contract has it",
        file: "judge/src/write.rs",
        line: "let interval = Interval { begin: Time::MIN, end: leg.interval.end };",
        replaced_by: "let interval = leg.interval;",
    },
    Mutant {
        name: "rows of which something was lost are suspected",
        file: "comparator/src/table/shard/rows.rs",
        line: "if lost_until.max(self.forgotten_until) >= since.begin {",
        replaced_by: "if lost_until.max(self.forgotten_until) > Time::MAX {",
    },
    Mutant {
        name: "a map is whole though a source has told a part",
        file: "comparator/src/sources/mod.rs",
        line: "Holding::Part if is_live => return None,",
        replaced_by: "Holding::Part if is_live => {}",
    },
];

/// Runs every mutant, or those with `name` in their names, over `seeds`.
pub(crate) fn run(name: Option<&str>, seeds: Option<&str>) -> Done {
    let seeds = seeds.unwrap_or(SEEDS);
    let tree = copied_tree()?;
    simulate(&tree, seeds)?.then_some(()).ok_or("the simulation fails without any mutant")?;
    let mut survivors = Vec::new();
    for mutant in MUTANTS.iter().filter(|mutant| name.is_none_or(|name| mutant.name.contains(name))) {
        let file = tree.join(mutant.file);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", mutant.file))?;
        write(&file, &text.replacen(mutant.line, mutant.replaced_by, 1))?;
        let survived = simulate(&tree, seeds);
        write(&file, &text)?;
        let survived = survived?;
        eprintln!("{}: {}", mutant.name, if survived { "SURVIVED" } else { "noticed" });
        survivors.extend(survived.then_some(mutant.name));
    }
    match survivors.is_empty() {
        true => Ok(()),
        false => Err(format!("survived {seeds}: {}", survivors.join(", "))),
    }
}

fn write(file: &Path, text: &str) -> Done {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// A copy of every file that git knows, as it is in the work tree.
fn copied_tree() -> Result<PathBuf, String> {
    let (root, tree) = (cargo::root(), cargo::root().join(PLACE).join("tree"));
    let listed = Command::new("git").current_dir(&root).args(["ls-files", "-z"]).output();
    let listed = listed.map_err(|error| format!("git: {error}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let names: BTreeSet<&Path> = listed.split('\0').filter(|name| !name.is_empty()).map(Path::new).collect();
    remove_others(&tree, &tree, &names).map_err(|error| format!("{}: {error}", tree.display()))?;
    for name in names {
        let (from, to) = (root.join(name), tree.join(name));
        if !from.is_file() {
            continue;
        }
        // Files keep their age where they did not change, so that little is built anew.
        if fs::read(&from).ok() == fs::read(&to).ok() {
            continue;
        }
        let folder = to.parent().unwrap_or(&tree);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        fs::copy(&from, &to).map_err(|error| format!("{}: {error}", name.display()))?;
    }
    Ok(tree)
}

/// Removes the files below `folder` whose names in `tree` are not among `names`: they are not in the work tree any more.
fn remove_others(tree: &Path, folder: &Path, names: &BTreeSet<&Path>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(tree, &path, names)?;
        } else if path.strip_prefix(tree).is_ok_and(|name| !names.contains(name)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether the simulation of `tree` finds nothing wrong. An error if it cannot be built.
fn simulate(tree: &Path, seeds: &str) -> Result<bool, String> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        command.current_dir(tree).args(arguments).arg("--package=counterfoil-sim").arg("--bin=sim");
        command.arg("--release").env("CARGO_TARGET_DIR", cargo::root().join(PLACE).join("built"));
        command
    };
    let built = cargo(&["build"]).status().map_err(|error| format!("cargo: {error}"))?;
    if !built.success() {
        return Err("a mutant cannot be built".to_owned());
    }
    let mut run = cargo(&["run"]);
    run.args(["--", "--seeds", seeds]).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = run.status().map_err(|error| format!("cargo: {error}"))?;
    Ok(ended.success())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn every_mutant_replaces_one_line_that_is_there() {
        for mutant in MUTANTS {
            let text = fs::read_to_string(cargo::root().join(mutant.file)).unwrap();
            assert_eq!(text.matches(mutant.line).count(), 1, "{} in {}", mutant.name, mutant.file);
            assert_ne!(mutant.line, mutant.replaced_by);
        }
    }
}
