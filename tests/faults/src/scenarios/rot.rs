//! A spool that gives back something else than was written: flipped bits, and segments that are gone.

use crate::machine::Need;
use crate::promise::Takes;
use crate::round::Round;
use crate::scenario::{Rounds, Scenario, as_it_is};
use rand::Rng;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The scenarios.
pub(super) fn all() -> Vec<Scenario> {
    let damage = |name: &str, what, inject| Scenario {
        name: name.to_owned(),
        what,
        expected: "exactly what is gone is declared lost; the rest is delivered",
        needs: &[Need::Spool],
        takes: Takes::Disk,
        levels: &[],
        rounds: Rounds::SOME,
        subject: "sidecar",
        prepare: as_it_is,
        inject,
    };
    vec![
        damage("bit-rot", "a bit of a segment flips while the sidecar is away", bit_rot),
        damage("missing-segment", "a segment vanishes while the sidecar is away", missing_segment),
    ]
}

fn bit_rot(round: &mut Round<'_>) -> Result<(), String> {
    damaged(round, |round, segment| {
        let at = round.random.random_range(0..written_bytes(segment)?.max(1));
        let told = |error: std::io::Error| format!("{}: {error}", segment.display());
        let file = OpenOptions::new().read(true).write(true).open(segment).map_err(told)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).map_err(told)?;
        file.write_all_at(&byte.map(|byte| byte ^ 0x10), at).map_err(told)
    })
}

fn missing_segment(round: &mut Round<'_>) -> Result<(), String> {
    damaged(round, |_, segment| {
        fs::remove_file(segment).map_err(|error| format!("{}: {error}", segment.display()))
    })
}

/// Lets the spool grow, then damages one of its segments between two lives of the sidecar.
fn damaged(
    round: &mut Round<'_>,
    damage: fn(&mut Round<'_>, &Path) -> Result<(), String>,
) -> Result<(), String> {
    round.work(300..600);
    round.fault_begins();
    round.rig.kill_comparator()?;
    round.work(1_500..2_500);
    round.rig.kill_sidecar();
    let segments = segments(&round.rig.place.at("spool"))?;
    let place = round.random.random_range(0..segments.len().max(1));
    damage(round, segments.get(place).ok_or("the spool has no segment")?)?;
    let mark = round.mark()?;
    round.rig.start_sidecar()?;
    round.rig.start_comparator()?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

/// The segments of a spool, the oldest first.
pub(super) fn segments(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        segments.extend(path.extension().is_some_and(|ending| ending == "seg").then_some(path));
    }
    // Their names are numbers of equal length.
    segments.sort();
    Ok(segments)
}

/// Bytes of a segment that were written; what follows is allocated ahead, and zero.
pub(super) fn written_bytes(segment: &Path) -> Result<u64, String> {
    let bytes = fs::read(segment).map_err(|error| format!("{}: {error}", segment.display()))?;
    let last = bytes.iter().rposition(|byte| *byte != 0);
    Ok(last.and_then(|last| u64::try_from(last + 1).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn segments_are_told_from_other_files_and_what_was_written_from_what_was_allocated() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["00000000000000a1.seg", "0000000000000001.seg", "cursor", "lock", "00000000000000b1.new"]
        {
            fs::write(folder.path().join(name), [7, 0, 7, 0, 0]).unwrap();
        }
        let segments = segments(folder.path()).unwrap();
        let names: Vec<_> = segments.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["0000000000000001.seg", "00000000000000a1.seg"]);
        assert_eq!(written_bytes(&segments[0]).unwrap(), 3);
    }
}
