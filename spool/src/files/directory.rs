//! A directory of a real file system.

use super::Files;
use rustix::fs::{self, FallocateFlags, FlockOperation, Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;

/// The file that is locked.
const LOCK: &str = "lock";

/// A directory that only its owner can read, and its files. Names are looked up in the directory that was opened, whatever
/// happens to its path; a symbolic link in it is never followed.
#[derive(Debug)]
pub struct Directory {
    directory: OwnedFd,
}

impl Directory {
    /// Opens the directory, and creates it for its owner alone when there is none.
    ///
    /// # Errors
    ///
    /// It cannot be created or opened.
    pub fn open(path: &Path) -> io::Result<Directory> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Directory { directory: fs::open(path, flags, Mode::empty())? })
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR)?))
    }
}

impl Files for Directory {
    type File = File;
    type Lock = File;

    fn lock(&self) -> io::Result<File> {
        let file = self.file(LOCK, OFlags::RDWR | OFlags::CREATE)?;
        fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::Dir::read_from(&self.directory)? {
            names.extend(item?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    fn length(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.write_at(bytes, at)
    }

    fn read_at(&self, file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        file.read_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Ok(fs::fdatasync(file)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(fs::fsync(&self.directory)?)
    }

    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        Ok(fs::fallocate(file, FallocateFlags::empty(), 0, bytes)?)
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.file(name, OFlags::RDWR)?.set_len(bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(&self.directory, name, fs::AtFlags::empty())?)
    }
}
