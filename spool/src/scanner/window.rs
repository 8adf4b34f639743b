//! The part of a file that is in memory.

use crate::bounds::{PIECE_BYTES, WINDOW_BYTES, bytes_in_file, bytes_in_memory};
use crate::files::{Files, read_full};
use std::io;

/// A file, and the part of it that was read last.
pub(super) struct Window<F: Files> {
    pub(super) file: F::File,
    bytes: Vec<u8>,
    at: u64,
}

impl<F: Files> Window<F> {
    /// Nothing of a file.
    pub(super) fn new(file: F::File) -> Window<F> {
        Window { file, bytes: Vec::new(), at: 0 }
    }

    /// What was looked at last, from `at` on.
    pub(super) fn seen(&self, at: u64) -> &[u8] {
        let offset = at.checked_sub(self.at).map_or(usize::MAX, bytes_in_memory);
        self.bytes.get(offset..).unwrap_or_default()
    }

    /// The bytes from `at` on: `wanted` of them, fewer before `end`.
    pub(super) fn look(&mut self, files: &F, at: u64, wanted: usize, end: u64) -> io::Result<&[u8]> {
        let wanted = wanted.min(bytes_in_memory(end.saturating_sub(at)));
        let window_end = self.at + bytes_in_file(self.bytes.len());
        if at < self.at || at + bytes_in_file(wanted) > window_end {
            self.move_window(files, at, wanted, end)?;
        }
        let offset = bytes_in_memory(at - self.at);
        Ok(self.bytes.get(offset..offset + wanted).unwrap_or_default())
    }

    /// Moves the window so that it begins at `at`. What it has from there on is kept, not read again.
    fn move_window(&mut self, files: &F, at: u64, wanted: usize, end: u64) -> io::Result<()> {
        let offset = at.checked_sub(self.at).map_or(usize::MAX, bytes_in_memory);
        let kept = self.bytes.len().saturating_sub(offset);
        if kept > 0 {
            self.bytes.copy_within(offset.., 0);
        }
        let length = bytes_in_memory(WINDOW_BYTES.max(bytes_in_file(wanted)).min(end.saturating_sub(at)));
        self.bytes.resize(length.max(kept), 0);
        self.at = at;
        let fresh = self.bytes.get_mut(kept..).unwrap_or_default();
        let read = read_sound(files, &self.file, fresh, at + bytes_in_file(kept));
        match read {
            // A file that is shorter than it was is as good as zeros.
            Ok(read) => fresh.get_mut(read..).unwrap_or_default().fill(0),
            Err(_) => self.bytes.clear(),
        }
        read.map(drop)
    }
}

/// Reads what can be read. Where the disk fails, the bytes are set to what begins no record and is not the end either.
fn read_sound<F: Files>(files: &F, file: &F::File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let is_unreadable =
        |error: &io::Error| error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    match read_full(files, file, bytes, at) {
        Err(error) if is_unreadable(&error) => {}
        read => return read,
    }
    let mut done = 0;
    for piece in bytes.chunks_mut(PIECE_BYTES) {
        match read_full(files, file, piece, at + bytes_in_file(done)) {
            Err(error) if is_unreadable(&error) => piece.fill(0xff),
            Err(error) => return Err(error),
            Ok(read) if read < piece.len() => return Ok(done + read),
            Ok(_) => {}
        }
        done += piece.len();
    }
    Ok(done)
}
