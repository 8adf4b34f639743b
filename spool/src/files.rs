//! The few calls to a file system that the log needs, so that a test can make each of them fail.

mod directory;
#[cfg(any(test, feature = "faulty"))]
pub mod faulty;

pub use directory::Directory;

use crate::bounds::bytes_in_file;
use std::io;

/// One directory of files. All names are plain file names in it.
pub trait Files: Send + Sync + 'static {
    /// An open file.
    type File: Send + Sync + 'static;
    /// Keeps others out until it is dropped.
    type Lock: Send + 'static;

    /// Locks the directory.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when another holds the lock.
    fn lock(&self) -> io::Result<Self::Lock>;

    /// The names of all files.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for writing and makes it empty.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// `NotFound`, and whatever the file system says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The length of a file in bytes.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn length(&self, file: &Self::File) -> io::Result<u64>;

    /// Writes some of `bytes` from the offset `at` on, and says how many.
    ///
    /// # Errors
    ///
    /// `StorageFull`, and whatever the file system says.
    fn write_at(&self, file: &Self::File, bytes: &[u8], at: u64) -> io::Result<usize>;

    /// Reads some bytes from the offset `at` on, and says how many; 0 is the end.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn read_at(&self, file: &Self::File, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// Puts a file's content on disk.
    ///
    /// # Errors
    ///
    /// What was written since the last success may be lost, and no later success brings it back.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Puts the directory's names on disk.
    ///
    /// # Errors
    ///
    /// As for [`Files::sync`].
    fn sync_directory(&self) -> io::Result<()>;

    /// Makes a file `bytes` long, zeros behind its content, with room on the disk for all of them.
    ///
    /// # Errors
    ///
    /// The disk has less room, or the file system cannot do this. The file can be written all the same.
    fn allocate(&self, file: &Self::File, bytes: u64) -> io::Result<()>;

    /// Cuts a file down to `bytes`.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn cut(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// Writes all of `bytes`, and says how many were written even when one write failed.
pub(crate) fn write_full<F: Files>(
    files: &F,
    file: &F::File,
    bytes: &[u8],
    at: u64,
) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match files.write_at(file, rest, at + bytes_in_file(written)) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Reads until `bytes` is full or the file ends, and says how many were read.
pub(crate) fn read_full<F: Files>(files: &F, file: &F::File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match files.read_at(file, rest, at + bytes_in_file(read)) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
