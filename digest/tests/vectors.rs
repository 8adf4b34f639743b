//! The vectors that every implementation of the digest has to meet.

#[path = "../../tests/vectors/mod.rs"]
mod vectors;

use counterfoil_digest::{CodecError, MapDigesters, Print, bucket, key_hash};
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
        prints_hex: wanted(&vector.expected.prints_hex, &value, |value| digester.prints(value)),
        spellings_hex: wanted(&vector.expected.spellings_hex, &value, |value| digester.spellings(value)),
    }
}

/// The prints of `value`, if the vector is to have them.
fn wanted(
    expected: &Option<Vec<String>>,
    value: &Option<Vec<u8>>,
    prints: impl FnOnce(&[u8]) -> Result<Vec<Print>, CodecError>,
) -> Option<Vec<String>> {
    let prints = expected.as_ref().and(value.as_deref()).map(prints)?;
    prints.ok().map(|prints| prints.iter().map(|print| hex(&print.0)).collect())
}

fn reason(error: &CodecError) -> &'static str {
    match error {
        CodecError::NotText { .. } => "not_text",
        CodecError::NotJson { .. } => "not_json",
        CodecError::NotColumns(_) => "not_columns",
    }
}
