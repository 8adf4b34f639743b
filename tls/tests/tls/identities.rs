//! What is read from files, and what is refused there.

use crate::authority::{Authority, CLIENT, Folder, Issued, SECTION, SERVER, TODAY, end_of};
use counterfoil_tls::{Cause, Identity, Misnamed};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_key_that_others_can_reach_is_refused() {
    let folder = Authority::new("ours").member(&[CLIENT]);
    let files = folder.files();
    for (mode, accepted) in [
        (0o400, true),
        (0o440, true),
        (0o600, true),
        (0o640, true),
        (0o660, false),
        (0o644, false),
        (0o601, false),
    ] {
        fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = Identity::load(&files, SECTION);
        assert_eq!(loaded.is_ok(), accepted, "{mode:o}");
        if let Err(error) = loaded {
            assert!(matches!(error.cause, Cause::Exposed(found) if found == mode), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_with_files_is_said_with_the_key_the_file_and_the_remedy() {
    let authority = Authority::new("ours");
    let right = authority.issue(&[CLIENT], TODAY);
    let Issued { certificate, key } = right.clone();
    let other_key = authority.issue(&[CLIENT], TODAY).key;
    let cut = |pem: &str| pem.get(..pem.len() / 2).unwrap().to_owned();
    let rotten = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let huge = "x".repeat((1 << 20) + 1);
    let authorities = authority.pem();
    let rows = [
        (String::new(), key.clone(), authorities.clone(), "tls.certificate", "no `CERTIFICATE` in it"),
        (cut(&certificate), key.clone(), authorities.clone(), "tls.certificate", "not PEM, or cut off"),
        (
            rotten.clone(),
            key.clone(),
            authorities.clone(),
            "tls.certificate",
            "certificate 1 in it cannot be read",
        ),
        (huge, key.clone(), authorities.clone(), "tls.certificate", "larger than"),
        (certificate.clone(), certificate.clone(), authorities.clone(), "tls.key", "no `PRIVATE KEY` in it"),
        (certificate.clone(), cut(&key), authorities.clone(), "tls.key", "not PEM, or cut off"),
        (certificate.clone(), other_key, authorities.clone(), "tls.key", "must be the one"),
        (certificate.clone(), key.clone(), String::new(), "tls.authorities", "no `CERTIFICATE` in it"),
        (certificate, key, authorities + &rotten, "tls.authorities", "certificate 2 in it cannot be read"),
    ];
    for (certificate, key, authorities, at, expected) in rows {
        let folder = Folder::new(&Issued { certificate, key }, &authorities);
        let error = Identity::load(&folder.files(), SECTION).unwrap_err();
        assert_eq!(error.key, at, "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains(error.path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn an_own_certificate_that_peers_would_not_understand_is_refused_at_once() {
    let authority = Authority::new("ours");
    let folder = Folder::new(&authority.issue(&[CLIENT, SERVER], TODAY), &authority.pem());
    let error = Identity::load(&folder.files(), SECTION).unwrap_err();
    assert!(matches!(error.cause, Cause::Misnamed(Misnamed::ManyUris(2))), "{error}");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let mut files = Authority::new("ours").member(&[CLIENT]).files();
    files.certificate = "/nowhere/tls.crt".into();
    let error = Identity::load(&files, "listen.tls").unwrap_err();
    assert!(error.to_string().starts_with("listen.tls.certificate: /nowhere/tls.crt: "), "{error}");
}

#[test]
fn nothing_of_a_key_is_shown() {
    let authority = Authority::new("ours");
    let right = authority.issue(&[CLIENT], TODAY);
    let folder = Folder::new(&right, &authority.pem());
    let identity = Identity::load(&folder.files(), SECTION).unwrap();
    assert_eq!(identity.not_after(), end_of(TODAY));
    let torn = Issued { key: right.key.replace("-----END", "----END"), ..right.clone() };
    let error = Identity::load(&Folder::new(&torn, &authority.pem()).files(), SECTION).unwrap_err();
    let shown = format!("{identity:?} {:?} {error:?} {error}", folder.watched());
    let secrets = right.key.lines().filter(|line| !line.starts_with('-'));
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
}
