//! The socket in the file system: its directory, its permissions, and whose it is.
//!
//! A sidecar that was killed leaves its socket behind. What is found at the path is removed only if it is a socket, is
//! ours, and nobody answers there. A lock beside it (`<path>.lock`) keeps two sidecars that start at once from removing
//! each other's; the file stays, the lock goes with the process.

use crate::config;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tokio::net::UnixListener;

/// The permission of others to write, and the mode in which they could still not remove what is ours.
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why the sidecar cannot listen.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The directory is not there and could not be made.
    #[error("socket.path: directory {path}: {source}; mount it, or let socket.path point elsewhere")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process listens there.
    #[error("socket.path: another process listens on {0}; stop it, or let socket.path point elsewhere")]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("socket.path: {0} is there and is no socket; remove it, or let socket.path point elsewhere")]
    NotASocket(PathBuf),
    /// A socket of someone else is there.
    #[error("socket.path: {path} belongs to user {owner}; remove it, or let socket.path point elsewhere")]
    NotOurs {
        /// The socket.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The system refused something else.
    #[error("socket.path: {doing} {path}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The socket, listening. Removed from the file system when dropped, if it is still the one that was made.
pub(crate) struct Bound {
    pub(crate) listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
    _lock: File,
}

impl Bound {
    /// Makes the socket. Needs a tokio runtime.
    pub(crate) fn new(settings: &config::Socket) -> Result<Self, SocketError> {
        let path = settings.path.clone();
        make_directory(&path, settings.directory_mode)?;
        let lock = lock_beside(&path)?;
        remove_stale(&path)?;
        let system = |doing| {
            let path = path.clone();
            move |source| SocketError::System { doing, path, source }
        };
        let listener = UnixListener::bind(&path).map_err(system("bind"))?;
        let permissions = Permissions::from_mode(settings.mode);
        std::fs::set_permissions(&path, permissions).map_err(system("set the mode of"))?;
        let inode = inode(&std::fs::symlink_metadata(&path).map_err(system("look at"))?);
        Ok(Self { listener, path, inode, _lock: lock })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let still_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode);
        if still_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the socket stays behind");
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), SocketError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Some(directory) = directory else { return Ok(()) };
    if directory.is_dir() {
        warn_of_others(directory);
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
        .map_err(|source| SocketError::Directory { path: directory.to_owned(), source })
}

/// Warns of a directory in which others could put another socket in the place of ours.
fn warn_of_others(directory: &Path) {
    let mode = std::fs::metadata(directory).map_or(0, |found| found.mode());
    let is_sticky = mode & STICKY != 0;
    if mode & OTHERS_WRITE != 0 && !is_sticky {
        let path = directory.display();
        tracing::warn!(%path, "socket.path: everybody may write in this directory; take that right away (mode 0750)");
    }
}

fn lock_beside(path: &Path) -> Result<File, SocketError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let mut options = OpenOptions::new();
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow);
    let file = options.open(&lock);
    let system = |source| SocketError::System { doing: "lock", path: lock.clone(), source };
    let file = file.map_err(system)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(SocketError::InUse(path.to_owned())),
        Err(error) => Err(system(error.into())),
    }
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let system = |doing| move |source| SocketError::System { doing, path: path.to_owned(), source };
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system("look at")(error)),
    };
    if !found.file_type().is_socket() {
        return Err(SocketError::NotASocket(path.to_owned()));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(SocketError::NotOurs { path: path.to_owned(), owner: found.uid() });
    }
    if is_answered(path).map_err(system("connect to"))? {
        return Err(SocketError::InUse(path.to_owned()));
    }
    tracing::info!(path = %path.display(), "a socket that nobody listens on is removed");
    std::fs::remove_file(path).map_err(system("remove"))
}

/// Whether a process listens at `path`. Does not wait, not even for a process that listens but accepts nothing.
fn is_answered(path: &Path) -> Result<bool, io::Error> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) | Err(Errno::WOULDBLOCK) => Ok(true),
        Err(Errno::CONNREFUSED) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Allowed;
    use std::os::unix::net::UnixListener as StdListener;

    fn settings(path: &Path) -> config::Socket {
        config::Socket {
            path: path.to_owned(),
            mode: 0o660,
            directory_mode: 0o750,
            connections_max: 1,
            allowed: Allowed::OwnUser,
        }
    }

    fn refused(path: &Path) -> SocketError {
        Bound::new(&settings(path)).err().expect("the path cannot be used")
    }

    #[tokio::test]
    async fn directory_and_socket_get_their_modes_and_the_socket_goes_away_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/emit.sock");
        let bound = Bound::new(&settings(&path)).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_second_sidecar_on_the_same_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emit.sock");
        let _first = Bound::new(&settings(&path)).unwrap();
        let error = refused(&path).to_string();
        assert!(error.contains("socket.path: another process listens on"), "{error}");
        assert!(StdListener::bind(&path).is_err(), "the first one's socket is untouched");
    }

    #[tokio::test]
    async fn a_socket_that_another_program_answers_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emit.sock");
        let _other = StdListener::bind(&path).unwrap();
        assert!(matches!(refused(&path), SocketError::InUse(_)));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emit.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "closing a listener leaves its socket");
        Bound::new(&settings(&path)).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emit.sock");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(refused(&path), SocketError::NotASocket(_)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let link = folder.path().join("link.sock");
        let target = folder.path().join("target.sock");
        drop(StdListener::bind(&target).unwrap());
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(refused(&link), SocketError::NotASocket(_)), "links are not followed");
    }

    #[tokio::test]
    async fn a_lock_that_is_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mine) = (folder.path().join("emit.sock"), folder.path().join("mine"));
        std::os::unix::fs::symlink(&mine, folder.path().join("emit.sock.lock")).unwrap();
        assert!(matches!(refused(&path), SocketError::System { doing: "lock", .. }));
        assert!(!mine.exists(), "nothing was made behind the link");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let error = refused(&folder.path().join("file/emit.sock")).to_string();
        assert!(error.contains("socket.path: directory"), "{error}");
    }
}
