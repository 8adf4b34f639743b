//! The cursor: bytes of the user's that say where it was. Only a hint.

use crate::bounds::{CURSOR_BYTES_MAX, bytes_in_memory};
use crate::files::{Files, read_full};
use bytes::Bytes;
use std::io;

/// The cursor's file.
pub(crate) const NAME: &str = "cursor";

/// The name under which it is written.
pub(crate) const NAME_NEW: &str = "cursor.new";

const MAGIC: [u8; 8] = *b"CFCURSR\0";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 20;

/// The file's content; `None` when there are more than [`CURSOR_BYTES_MAX`] bytes.
pub(crate) fn encode(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= CURSOR_BYTES_MAX)?.to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), bytes);
    let mut file = MAGIC.to_vec();
    for part in [&VERSION.to_le_bytes(), &length, &crc.to_le_bytes(), bytes] {
        file.extend_from_slice(part);
    }
    Some(file)
}

/// The bytes in a file's content, if it is exactly what [`encode`] gives for them.
pub(crate) fn decode(file: &[u8]) -> Option<Bytes> {
    let bytes = file.get(HEAD_BYTES..)?;
    (encode(bytes)?.as_slice() == file).then(|| Bytes::copy_from_slice(bytes))
}

/// Reads the cursor. Whatever is wrong with it, there is none.
pub(crate) fn read<F: Files>(files: &F) -> Option<Bytes> {
    let file = files.open(NAME).ok()?;
    let length = bytes_in_memory(files.length(&file).ok()?);
    if length > HEAD_BYTES + CURSOR_BYTES_MAX {
        return None;
    }
    let mut content = vec![0; length];
    let read = read_full(files, &file, &mut content, 0).ok()?;
    decode(content.get(..read)?)
}

/// Replaces the cursor, on disk when this returns if `is_synced`.
pub(crate) fn write<F: Files>(files: &F, content: &[u8], is_synced: bool) -> io::Result<()> {
    let file = files.create(NAME_NEW)?;
    crate::files::write_full(files, &file, content, 0).1?;
    if is_synced {
        files.sync(&file)?;
    }
    failpoint!("spool::cursor::before_rename");
    files.rename(NAME_NEW, NAME)?;
    if is_synced { files.sync_directory() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_with_any_bit_flipped_is_none() {
        let file = encode(b"up to 17").unwrap();
        assert_eq!(decode(&file).as_deref(), Some(&b"up to 17"[..]));
        for bit in 0..file.len() * 8 {
            let mut broken = file.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&broken), None, "bit {bit}");
        }
    }

    #[test]
    fn a_cursor_that_was_cut_or_is_too_long_is_none() {
        let file = encode(b"up to 17").unwrap();
        assert!((0..file.len()).all(|length| decode(&file[..length]).is_none()));
        assert_eq!(encode(&vec![0; CURSOR_BYTES_MAX + 1]), None);
    }
}
