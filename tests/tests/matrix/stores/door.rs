//! The way from the comparator to a store: it can be shut, and can lead to the standby instead.

use crate::relay::{Relay, place};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tokio::runtime::Handle;

/// Which of two servers.
#[derive(Clone, Copy)]
pub(crate) enum To {
    Primary,
    Standby,
}

/// A way that is shut at first.
pub(crate) enum Door {
    /// A link to one of two files.
    Link { link: PathBuf, primary: PathBuf, standby: PathBuf },
    /// A relay in front of one of two servers.
    Relay { relay: Relay, runtime: Handle, primary: SocketAddr, standby: SocketAddr },
}

impl Door {
    /// In front of the server of `primary`, and maybe of another one. Gives the URL with the door's place in the server's
    /// stead.
    pub(super) fn before(primary: &str, standby: Option<&str>, runtime: &Handle) -> (Self, String) {
        let (relay, url) = Relay::before(primary);
        let (primary, standby) = (place(primary), place(standby.unwrap_or(primary)));
        (Self::Relay { relay, runtime: runtime.clone(), primary, standby }, url)
    }

    /// Opens a door that is shut or silent.
    pub(crate) fn open(&mut self, to: To) {
        match self {
            Self::Link { link, primary, standby } => {
                let file = to.of(primary, standby);
                let new = link.with_extension("new");
                symlink(file, &new).expect("a link");
                fs::rename(new, link).expect("the link is in its place");
            }
            Self::Relay { relay, runtime, primary, standby } => {
                let _in_runtime = runtime.enter();
                relay.target = *to.of(primary, standby);
                relay.open();
            }
        }
    }

    /// Shuts an open door: who came through it is cut off, nobody else gets in.
    pub(crate) fn shut(&mut self) {
        match self {
            Self::Link { link, .. } => fs::remove_file(link).expect("the link goes"),
            Self::Relay { relay, runtime, .. } => runtime.block_on(relay.close()),
        }
    }

    /// Lets everybody in at a door that was shut, and nobody gets an answer. Gives whether there is such a thing.
    pub(crate) fn silence(&mut self) -> bool {
        match self {
            Self::Link { .. } => false,
            Self::Relay { relay, runtime, .. } => {
                let _in_runtime = runtime.enter();
                relay.silence();
                true
            }
        }
    }
}

impl To {
    fn of<'s, T>(self, primary: &'s T, standby: &'s T) -> &'s T {
        match self {
            Self::Primary => primary,
            Self::Standby => standby,
        }
    }
}
