use super::*;
use counterfoil_settings::Sources;

pub(crate) const GOOD: &str = "kind: sidecar\nmaps: [{name: cart}]\n\
    uplink: {endpoint: 'http://127.0.0.1:7411', insecure: true}\nkeys: [{id: k1, file: /k}]\n";

pub(crate) fn settings(yaml: &str, overlays: &[&str]) -> Result<Settings, Problems> {
    let overlays = overlays.iter().map(|&overlay| overlay.to_owned()).collect();
    let written = Sources { yaml: yaml.to_owned(), overlays }.written::<Written>()?;
    Settings::try_from_written(written)
}

/// What the least configuration with `overlays` says.
pub(crate) fn settings_of(overlays: &[&str]) -> Settings {
    settings(GOOD, overlays).unwrap()
}

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let settings = settings(GOOD, &[]).unwrap();
    assert_eq!(settings.socket.path, PathBuf::from("/run/counterfoil/emit.sock"));
    assert_eq!((settings.socket.mode, settings.socket.directory_mode), (0o660, 0o750));
    assert_eq!(settings.socket.allowed, Allowed::OwnUser);
    assert_eq!(settings.limits, WrittenLimits::default());
    assert_eq!((settings.heartbeat_ms, settings.drain_max), (50, Duration::from_secs(5)));
    assert!(settings.admin.is_none() && settings.spool.is_none());
}

#[test]
fn a_spool_needs_no_more_than_a_directory() {
    let spool = settings(GOOD, &["spool={path: /s}"]).unwrap().spool.unwrap();
    assert_eq!((spool.path, spool.bytes_max, spool.sync_ms), (PathBuf::from("/s"), 1 << 30, 20));
    assert!(settings(GOOD, &["spool={}"]).is_err());
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let problems = settings(
        GOOD,
        &[
            "uplink.insecure=false",
            "uplink.endpoint=comparator:7411",
            "uplink.backoff_ms_min=9000",
            "uplink.unacked_bytes_max=65536",
            "limits.value_bytes_max=65536",
            "limits.idle_timeout_ms=50",
            "socket.mode='0999'",
            "socket.directory_mode=rwx",
            "socket.path=/",
            "spool={path: /s, bytes_max: 1048576}",
            "maps=[{name: a}, {name: a}, {name: \"b\\n\"}]",
            "cohort_keys=['k=v']",
            "key={id: k0, file: /k}",
            "keys=[{id: k1, file: /k}, {id: k1, file: /l}]",
            "admin={listen: nowhere}",
        ],
    )
    .unwrap_err();
    let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "limits.frame_bytes_max",
        "uplink.unacked_bytes_max",
        "spool.bytes_max",
        "limits.idle_timeout_ms",
        "uplink.backoff_ms_min",
        "maps[1].name",
        "maps[2].name",
        "cohort_keys[0]",
        "uplink.endpoint",
        "uplink.insecure",
        "key",
        "keys[1].id",
        "admin.listen",
        "socket.path",
        "socket.mode",
        "socket.directory_mode",
        "source.services",
    ];
    assert_eq!(paths, expected, "{problems}");
}

#[test]
fn the_old_name_of_the_keys_is_refused_with_the_new_one() {
    let old = GOOD.replace("keys: [{id: k1, file: /k}]", "key: {id: k1, file: /k}");
    let problems = settings(&old, &[]).unwrap_err().to_string();
    assert_eq!(problems, "key: is a list now; write `keys: [{ id: …, file: … }]`");
    let none = settings(GOOD, &["keys=[]"]).unwrap_err().to_string();
    assert!(none.starts_with("keys: empty"), "{none}");
    let tenant = settings(GOOD, &["tenant=Acme"]).unwrap_err().to_string();
    assert!(tenant.starts_with("tenant: "), "{tenant}");
}

#[test]
fn ranges_and_unknown_keys_are_refused_with_their_paths() {
    let problems = settings(GOOD, &["limits.key_bytes_max=0", "limits.extra=1", "batch.bytes_max=1"]);
    let text = problems.unwrap_err().to_string();
    for expected in ["limits.key_bytes_max", "limits.extra", "batch.bytes_max"] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn the_allow_lists_decide_who_may_connect() {
    assert!(Allowed::OwnUser.admits(7, 7, 7) && Allowed::OwnUser.admits(0, 9, 7));
    assert!(!Allowed::OwnUser.admits(8, 7, 7));
    let listed = Allowed::Listed { uids: vec![5], gids: vec![6] };
    assert!(listed.admits(5, 1, 7) && listed.admits(1, 6, 7));
    assert!(!listed.admits(7, 7, 7) && !listed.admits(0, 0, 7));
}
