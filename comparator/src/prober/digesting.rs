//! From what a store holds to what a probe saw: digests, and where a value differs from one whose prints the probe had along.

use crate::store::{Answer, Found};
use crate::table::{Against, Apart, Printed, Seen};
use ::metrics::Counter;
use counterfoil_digest::{MapDigester, MapDigesters, digest_many};
use counterfoil_judge::{Digest, Reason};

/// Digests what was found, each value under the key of what it is compared with. What the store or the codec cannot
/// represent tells nothing about its key.
pub(super) fn seen<'a>(
    digesters: &MapDigesters,
    answers: impl Iterator<Item = (&'a Against, &'a Answer)>,
    key_errors: &Counter,
) -> Vec<Result<Seen, Reason>> {
    // Every number is that of a batch that was accepted, so there is a digester under it.
    let found = |(against, answer): (&'a Against, &'a Answer)| {
        Some((digesters.under(against.digested_under)?, against, answer))
    };
    let found: Vec<_> = answers.filter_map(found).collect();
    let values = found.iter().map(|&(digester, _, answer)| match answer {
        Ok(Found::Value(value, _)) => (digester, Some(value.as_slice())),
        Ok(Found::Absent) | Err(_) => (digester, None),
    });
    let mut digests = Vec::with_capacity(found.len());
    digest_many(values, &mut digests);
    let told =
        found.into_iter().zip(digests).map(|((digester, against, answer), digest)| match (answer, digest) {
            (Ok(Found::Value(value, version)), Ok(digest)) => {
                let apart = apart(digester, against, value, digest);
                Ok(Seen { digest, version: *version, apart })
            }
            (Ok(Found::Absent), Ok(digest)) => Ok(Seen::new(digest, None)),
            _ => {
                key_errors.increment(1);
                Err(Reason::Store)
            }
        });
    told.collect()
}

/// Where `value`, whose digest is `digest`, differs from those that it is held against. Nearly all have none, or are the
/// same.
fn apart(digester: &MapDigester, against: &Against, value: &[u8], digest: Digest) -> Option<Box<Apart>> {
    let differs = |printed: &&Printed| printed.digest != digest;
    let (fields, spellings) = (against.fields.as_deref(), against.spellings.as_deref());
    // The codec took the value for the digest, and takes it again.
    let differing = |of: &Printed| digester.differing_from(value, &of.prints).ok();
    let reconciled = |of: &Printed| digester.reconcile(value, &of.prints).ok();
    let fields = fields.filter(differs).and_then(differing);
    let hints = spellings.filter(differs).and_then(reconciled);
    (fields.is_some() || hints.is_some()).then(|| Box::new(Apart { fields, hints }))
}

#[cfg(test)]
#[path = "../../../tests/vectors/mod.rs"]
#[allow(dead_code, reason = "of what vectors tell, digests are the prober's")]
mod vectors;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::vectors::{File, Vector, files, hex};
    use super::*;
    use counterfoil_digest::{Codec, Differing, Print};
    use counterfoil_judge::WriteId;
    use counterfoil_keys::{DeploymentKey, KeyNumber, Keyring, TenantName};
    use std::sync::Arc;

    #[test]
    fn the_digests_of_what_a_store_holds_are_those_of_the_vectors() {
        for file in files() {
            for vector in &file.vectors {
                let seen = seen(&file, vector);
                let digest_hex = seen.as_ref().ok().map(|seen| hex(&seen.digest.0));
                assert_eq!(digest_hex, vector.expected.digest_hex, "{}", vector.about);
                assert_eq!(seen.err(), vector.expected.refused.as_ref().map(|_| Reason::Store));
            }
        }
    }

    fn seen(file: &File, vector: &Vector) -> Result<Seen, Reason> {
        let digesters = MapDigesters::new(&file.keys(), &vector.map, vector.form());
        let answer = Ok(vector.value().map_or(Found::Absent, |value| Found::Value(value, None)));
        super::seen(&digesters, std::iter::once((&Against::default(), &answer)), &Counter::noop()).remove(0)
    }

    /// What a read of `found` says, held against the prints of `written`.
    fn apart(written: &str, found: &str) -> Option<Box<Apart>> {
        let key = DeploymentKey::new("k", [7; 32]).tenant(&TenantName::default());
        let digester = MapDigester::new(&key, "cart", Codec::Json);
        let written = written.as_bytes();
        let printed = |prints: Vec<Print>| {
            let (id, digest) = (WriteId { source: 0, seq: 0 }, digester.digest(Some(written)).unwrap());
            Some(Arc::new(Printed { id, digest, prints: prints.into() }))
        };
        let against = Against {
            digested_under: KeyNumber::default(),
            fields: printed(digester.prints(written).unwrap()),
            spellings: printed(digester.spellings(written).unwrap()),
        };
        let answer = Ok(Found::Value(found.as_bytes().to_vec(), None));
        let digesters = MapDigesters::new(&Keyring::of(key), "cart", Codec::Json);
        let seen = super::seen(&digesters, std::iter::once((&against, &answer)), &Counter::noop()).remove(0);
        seen.unwrap().apart
    }

    #[test]
    fn a_value_that_differs_names_its_fields_and_the_rules_under_which_it_would_not() {
        assert_eq!(apart(r#"{"price":1,"name":"x"}"#, r#"{"name":"x","price":1.0}"#), None, "it is the same");
        let found = apart(r#"{"price":1,"name":"x"}"#, r#"{"name":"x","price":"1"}"#).unwrap();
        assert_eq!(found.fields, Some(Differing { names: vec!["price".into()], only_there: 0 }));
        let [hint] = &found.hints.unwrap()[..] else { panic!("one field differs") };
        let rule = hint.rule.as_ref().map(ToString::to_string);
        assert_eq!(rule.as_deref(), Some(r#"numbers: [{fields: ["price"]}]"#));
    }
}
