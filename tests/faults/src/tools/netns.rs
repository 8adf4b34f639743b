//! A network of its own for the sidecar, with one cable to the machine's: what goes through it can be dropped or refused.

use super::{run, run_down};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// How namespaces are called; this process's id and a number follow.
pub(super) const PREFIX: &str = "cff";

/// A network namespace and its cable. Names carry this process's id, so that runs do not meet.
pub(crate) struct Netns {
    name: String,
    /// The machine's end of the cable.
    pub(crate) host: String,
}

impl Netns {
    /// Makes it.
    pub(crate) fn make() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Names of links have 15 characters at most.
        let name = format!("{PREFIX}{}-{count}", process::id());
        let outer = format!("{PREFIX}{}-{count}", process::id() % 100_000);
        let block = (process::id() + count) % 16_384;
        let net = format!("10.211.{}", block / 64);
        let base = (block % 64) * 4;
        let (host, inner) = (format!("{net}.{}", base + 1), format!("{net}.{}", base + 2));
        run(&["ip", "netns", "add", &name])?;
        let netns = Self { name: name.clone(), host: host.clone() };
        run(&["ip", "link", "add", &outer, "type", "veth", "peer", "name", "inner", "netns", &name])?;
        run(&["ip", "address", "add", &format!("{host}/30"), "dev", &outer])?;
        run(&["ip", "link", "set", &outer, "up"])?;
        run(&["ip", "-n", &name, "address", "add", &format!("{inner}/30"), "dev", "inner"])?;
        run(&["ip", "-n", &name, "link", "set", "inner", "up"])?;
        run(&["ip", "-n", &name, "link", "set", "lo", "up"])?;
        Ok(netns)
    }

    /// What to put before a command that is to run in it.
    pub(crate) fn under(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// Applies a rule of nftables to all that comes in (`input`) or goes out (`output`).
    pub(crate) fn rule(&self, chain: &str, rule: &str) -> Result<(), String> {
        self.nft("add table inet faults")?;
        self.nft(&format!("add chain inet faults {chain} {{ type filter hook {chain} priority 0 ; }}"))?;
        let link = if chain == "input" { "iifname" } else { "oifname" };
        self.nft(&format!("add rule inet faults {chain} {link} != \"lo\" {rule}"))
    }

    /// Takes all rules away.
    pub(crate) fn heal(&self) -> Result<(), String> {
        self.nft("flush ruleset")
    }

    fn nft(&self, command: &str) -> Result<(), String> {
        run(&["ip", "netns", "exec", &self.name, "nft", command]).map(drop)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // The cable goes with it.
        run_down(&["ip", "netns", "delete", &self.name]);
    }
}
