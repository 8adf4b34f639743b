//! How much memory a process has taken.

use std::fs;

/// The most memory that a process had resident at a time since it began (`VmHWM`), in MiB.
///
/// # Panics
///
/// If there is no such process.
#[must_use]
pub fn peak_mib(process: Option<u32>) -> u64 {
    peak_bytes(process) >> 20
}

/// As [`peak_mib`], in bytes.
///
/// # Panics
///
/// If there is no such process.
#[must_use]
pub fn peak_bytes(process: Option<u32>) -> u64 {
    let id = process.expect("the process runs");
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    peak_kib(&status).expect("the system tells the peak") * 1024
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_what_the_system_tells() {
        assert_eq!(peak_kib("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t  1024 kB\n"), Some(2048));
        assert_eq!(peak_kib("Name:\tx\n"), None);
        assert!(peak_mib(Some(std::process::id())) > 0);
    }
}
