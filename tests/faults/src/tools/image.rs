//! A small disk: an ext4 file system in a file.

use super::{run, run_down};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// How the folders of disks are called; this process's id and some letters follow.
pub(super) const MOUNTS: &str = "counterfoil-disk-";

/// A mounted disk. A copy of its file is what a disk holds after a power cut: what was not synced is not in it.
pub(crate) struct Image {
    mount: PathBuf,
    copies: u32,
    // The last to go: the disk is unmounted before.
    folder: TempDir,
}

impl Image {
    /// Makes a disk of so many MiB and mounts it.
    pub(crate) fn make(mib: u64) -> Result<Self, String> {
        let prefix = format!("{MOUNTS}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
        let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
        let image = Self { mount: folder.path().join("disk"), copies: 0, folder };
        fs::create_dir_all(&image.mount).map_err(|error| format!("{}: {error}", image.mount.display()))?;
        let file = image.file();
        let sized = File::create(&file).and_then(|file| file.set_len(mib << 20));
        sized.map_err(|error| format!("{}: {error}", file.display()))?;
        run(&["mkfs.ext4", "-q", "-F", "-m", "0", &file.to_string_lossy()])?;
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Notes what is on the disk now; [`Self::return_to_copy`] makes it the disk. Whoever writes to it should be stopped
    /// (SIGSTOP) meanwhile, as a copy takes time and a power cut does not.
    pub(crate) fn copy(&mut self) -> Result<(), String> {
        let from = self.file();
        self.copies += 1;
        let to = self.file();
        run(&["cp", "--sparse=always", &from.to_string_lossy(), &to.to_string_lossy()]).map(drop)
    }

    /// Mounts the last copy in place of the disk, of which nobody may have a file open any more.
    pub(crate) fn return_to_copy(&self) -> Result<(), String> {
        run(&["umount", &self.mount.to_string_lossy()])?;
        self.mount()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(format!("disk-{}.img", self.copies))
    }

    fn mount(&self) -> Result<(), String> {
        run(&["mount", "-o", "loop", &self.file().to_string_lossy(), &self.mount.to_string_lossy()]).map(drop)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Detached at once; freed when the last file is closed.
        run_down(&["umount", "--lazy", &self.mount.to_string_lossy()]);
    }
}
