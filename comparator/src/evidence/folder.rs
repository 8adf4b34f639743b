//! The folder of bundles: a file for each, whole or not there.

use crate::ledger::DivergenceId;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// How the name of a bundle ends, behind the divergence's id.
const ENDING: &str = ".dsse.json";

/// How the name of one ends that is not whole yet.
const UNFINISHED: &str = ".unfinished";

/// Permissions of the folder and its files: the keys of the application are in them.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A bundle in the folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// Whose it is.
    pub(super) id: DivergenceId,
    /// Wall-clock time, nanoseconds since 1970.
    pub(super) written_unix_ns: i64,
    /// How large it is.
    pub(super) bytes: u64,
}

/// Where bundles are.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made if it is not there, and the bundles in it. What was not finished is deleted.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Found>)> {
        fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Some(name) if name.ends_with(UNFINISHED) => fs::remove_file(entry.path())?,
                Some(name) => found.extend(found_at(name, &entry)?),
                None => {}
            }
        }
        Ok((Self(path.to_owned()), found))
    }

    /// Writes a bundle, so that it survives power loss.
    pub(super) fn put(&self, id: DivergenceId, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.0.join(format!("{id}{UNFINISHED}"));
        let written = self.write(&unfinished, bytes, &self.path(id));
        if written.is_err() {
            // Half a file takes room; if it cannot be deleted either, the next start does.
            _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn write(&self, unfinished: &Path, bytes: &[u8], path: &Path) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        File::open(&self.0)?.sync_all()
    }

    /// The bundle of a divergence; `None` if there is none.
    pub(super) fn get(&self, id: DivergenceId) -> io::Result<Option<Vec<u8>>> {
        absent_as_none(fs::read(self.path(id)))
    }

    /// Deletes the bundle of a divergence.
    pub(super) fn remove(&self, id: DivergenceId) -> io::Result<()> {
        absent_as_none(fs::remove_file(self.path(id))).map(|_| ())
    }

    fn path(&self, id: DivergenceId) -> PathBuf {
        self.0.join(format!("{id}{ENDING}"))
    }
}

fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The bundle of this file; `None` if it is not one.
fn found_at(name: &str, entry: &DirEntry) -> io::Result<Option<Found>> {
    let Some(id) = name.strip_suffix(ENDING).and_then(|id| id.parse().ok()) else { return Ok(None) };
    let metadata = entry.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let since_1970 = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written_unix_ns = i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX);
    Ok(Some(Found { id, written_unix_ns, bytes: metadata.len() }))
}
