//! The vectors that every implementation of the digest has to meet.

#[path = "../../tests/vectors/mod.rs"]
mod vectors;

use counterfoil_digest::{CodecError, MapDigesters, bucket, key_hash};
use counterfoil_keys::KeyNumber;
use vectors::{Expected, File, Vector, hex};

#[test]
fn every_vector_is_met() {
    for file in vectors::files() {
        assert!(!file.vectors.is_empty());
        for vector in &file.vectors {
            let found = found(&file, vector);
            assert_eq!(found, vector.expected, "{}", vector.about);
        }
    }
}

fn found(file: &File, vector: &Vector) -> Expected {
    let (form, keys, value) = (vector.form(), file.keys(), vector.value());
    let digesters = MapDigesters::new(&keys, &vector.map, form.clone());
    let digester = digesters.under(KeyNumber::default()).expect("every ring has a current key");
    let canonical = value.as_deref().map(|value| form.canonical(value)).transpose();
    let refused = canonical.as_ref().err().map(|error| reason(error).to_owned());
    let digest = digester.digest(value.as_deref());
    assert_eq!(digest.as_ref().err(), canonical.as_ref().err(), "{}", vector.about);
    Expected {
        form: form.versioned_name().to_owned(),
        bucket: bucket(key_hash(&vector.map, vector.key.as_bytes())),
        refused,
        canonical_hex: canonical.ok().flatten().map(|canonical| hex(&canonical)),
        digest_hex: digest.ok().map(|digest| hex(&digest.0)),
    }
}

fn reason(error: &CodecError) -> &'static str {
    match error {
        CodecError::NotText { .. } => "not_text",
        CodecError::NotJson { .. } => "not_json",
        CodecError::NotColumns(_) => "not_columns",
    }
}
