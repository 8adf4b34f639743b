//! What a run that was itself killed left behind.

use super::cgroup::{PREFIX as GROUPS, ROOT};
use super::image::MOUNTS;
use super::netns::PREFIX as NAMESPACES;
use super::{run, run_down};
use std::fs;
use std::path::Path;

/// Takes down namespaces, mounts and groups of runs that are no more.
pub(crate) fn sweep() {
    for line in run(&["ip", "netns", "list"]).unwrap_or_default().lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if is_orphan(name, NAMESPACES) {
            run_down(&["ip", "netns", "delete", name]);
        }
    }
    for line in fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines() {
        let mount = line.split_whitespace().nth(1).unwrap_or_default();
        let folder = Path::new(mount).parent().and_then(Path::file_name).and_then(|name| name.to_str());
        if folder.is_some_and(|folder| is_orphan(folder, MOUNTS)) {
            run_down(&["umount", "--lazy", mount]);
        }
    }
    for controller in ["cpu", "memory"] {
        let groups = fs::read_dir(format!("{ROOT}/{controller}")).into_iter().flatten().flatten();
        for group in groups.filter(|group| is_orphan(&group.file_name().to_string_lossy(), GROUPS)) {
            // One that still has processes stays.
            let _removed = fs::remove_dir(group.path());
        }
    }
}

/// Whether a name belongs to a process that has ended: prefix, its id, and more.
fn is_orphan(name: &str, prefix: &str) -> bool {
    let id = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
    let id = id.and_then(|id| id.parse::<u32>().ok());
    id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_processes_that_have_ended_are_orphans() {
        assert!(!is_orphan(&format!("cff{}-0", std::process::id()), NAMESPACES), "this one runs");
        assert!(is_orphan("cff4194999-0", NAMESPACES), "no process has an id above the kernel's limit");
        assert!(!is_orphan("cff-0", NAMESPACES) && !is_orphan("blue", NAMESPACES), "somebody else's");
    }
}
