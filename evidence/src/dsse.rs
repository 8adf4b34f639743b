//! The envelope: a document with signatures, as DSSE v1.0 has it (<https://github.com/secure-systems-lab/dsse>), Ed25519.

use crate::text::{Base64, of_base64};
use counterfoil_keys::{Purpose, Signer, SigningKey, verify};
use serde::{Deserialize, Serialize};

/// Signatures that an envelope may have.
const SIGNATURES_MAX: usize = 8;

/// A document with its signatures. Fields that are not known are no reason to refuse one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// In base 64 of either alphabet.
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

/// A signature. The id is a hint which key it may hold under, no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Signature {
    #[serde(default)]
    keyid: Option<String>,
    sig: String,
}

/// A document whose signature holds.
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
    pub(crate) payload_type: String,
    /// The key under which it holds.
    pub(crate) public: [u8; 32],
    /// The key that the signature says it is under.
    pub(crate) keyid: Option<String>,
}

impl Envelope {
    /// Signs a document.
    pub(crate) fn seal(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        let sig = key.sign(Purpose::Envelope, &encoding(payload_type, payload));
        let keyid = crate::key_id(&key.public()).to_string();
        Self {
            payload: Base64(payload.to_vec()).to_string(),
            payload_type: payload_type.to_owned(),
            signatures: vec![Signature { keyid: Some(keyid), sig: Base64(sig.to_vec()).to_string() }],
        }
    }

    /// The document, without a look at its signatures: nothing in it is to be believed.
    pub(crate) fn unproved(&self) -> Option<Vec<u8>> {
        of_base64(&self.payload)
    }

    /// The document, if one of the first few signatures holds under one of `keys`.
    pub(crate) fn open(&self, keys: &[[u8; 32]]) -> Option<Opened> {
        let payload = self.unproved()?;
        let message = encoding(&self.payload_type, &payload);
        let signatures = self.signatures.iter().take(SIGNATURES_MAX);
        let (public, keyid) = signatures.filter_map(|signature| holds(signature, &message, keys)).next()?;
        Some(Opened { payload, payload_type: self.payload_type.clone(), public, keyid })
    }
}

fn holds(signature: &Signature, message: &[u8], keys: &[[u8; 32]]) -> Option<([u8; 32], Option<String>)> {
    let sig = of_base64(&signature.sig)?;
    let public = keys.iter().find(|public| verify(*public, Purpose::Envelope, message, &sig))?;
    Some((*public, signature.keyid.clone()))
}

/// What stands behind `DSSEv1 ` in the pre-authentication encoding of a document.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("{} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    /// The seed of key A of the test vectors that DSSE publishes (`testvectors/vectors.json`).
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const IN_TOTO: &str = "application/vnd.in-toto+json";
    const STATEMENT: &str = "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==";
    const OF_STATEMENT: &str =
        "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA==";

    fn key() -> SigningKey {
        SigningKey::new(*blake3::Hash::from_hex(SEED).unwrap().as_bytes())
    }

    #[test]
    fn the_encoding_is_that_of_the_protocols_own_example() {
        let encoding = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(String::from_utf8(encoding).unwrap(), "29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn the_published_vectors_are_opened_or_refused_as_they_say() {
        for (payload, payload_type, sig, is_opened) in [
            (STATEMENT, IN_TOTO, OF_STATEMENT, true),
            (
                "-_-_Pj8=",
                IN_TOTO,
                "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw==",
                true,
            ),
            (STATEMENT, "application/vnd.example.other+json", OF_STATEMENT, false),
            (
                STATEMENT,
                "application/vnd.exämple+json",
                "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw==",
                true,
            ),
            (
                "",
                IN_TOTO,
                "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg==",
                true,
            ),
        ] {
            let json = format!(
                r#"{{"payload":"{payload}","payloadType":"{payload_type}","signatures":[{{"sig":"AAAA"}},{{"sig":"{sig}","keyid":"A"}}],"x":1}}"#
            );
            let envelope: Envelope = serde_json::from_str(&json).unwrap();
            let opened = envelope.open(&[[7; 32], key().public()]);
            assert_eq!(opened.is_some(), is_opened, "{json}");
            assert_eq!(opened.map(|it| it.public), is_opened.then(|| key().public()));
            assert!(envelope.open(&[[7; 32]]).is_none(), "under another key: {json}");
        }
    }

    #[test]
    fn what_is_signed_here_has_the_signature_that_the_vectors_have() {
        let envelope = Envelope::seal(IN_TOTO, br#"{"_type":"https://in-toto.io/Statement/v1"}"#, &key());
        assert_eq!(
            (&*envelope.payload, &*envelope.signatures.first().unwrap().sig),
            (STATEMENT, OF_STATEMENT)
        );
    }
}
