// Reads the vectors of this folder, for the tests of whoever digests values.

use counterfoil_digest::{Codec, Form, WrittenRules};
use counterfoil_keys::{DeploymentKey, Keyring, TenantKey};
use serde::Deserialize;

/// A file of vectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    deployment_key: String,
    tenant: String,
    pub(crate) vectors: Vec<Vector>,
}

/// One value, and what becomes of it.
#[derive(Deserialize, Debug)]
pub(crate) struct Vector {
    pub(crate) about: String,
    pub(crate) map: String,
    codec: Codec,
    #[serde(default)]
    rules: WrittenRules,
    pub(crate) key: String,
    value: Option<String>,
    value_hex: Option<String>,
    #[serde(flatten)]
    pub(crate) expected: Expected,
}

/// What becomes of a value.
#[derive(Deserialize, PartialEq, Eq, Debug, Default)]
#[serde(default)]
pub(crate) struct Expected {
    pub(crate) form: String,
    pub(crate) bucket: usize,
    /// Why it is refused.
    pub(crate) refused: Option<String>,
    pub(crate) canonical_hex: Option<String>,
    pub(crate) digest_hex: Option<String>,
    /// The prints of its fields, where the vector is to have them.
    pub(crate) prints_hex: Option<Vec<String>>,
    /// The prints of its spellings, where the vector is to have them.
    pub(crate) spellings_hex: Option<Vec<String>>,
}

/// The files of vectors.
pub(crate) fn files() -> [File; 5] {
    let texts = [
        include_str!("bytes.json"),
        include_str!("text.json"),
        include_str!("json.json"),
        include_str!("columns.json"),
        include_str!("rules.json"),
    ];
    texts.map(|text| serde_json::from_str(text).expect("vectors are well-formed"))
}

impl File {
    /// The key that the values of the file are digested under, the current one of a ring.
    pub(crate) fn keys(&self) -> Keyring<TenantKey> {
        let key = bytes(&self.deployment_key).try_into().expect("a key has 32 bytes");
        let tenant = self.tenant.parse().expect("the tenant has a name");
        Keyring::of(DeploymentKey::new("k1", key).tenant(&tenant))
    }
}

impl Vector {
    /// The form of its map.
    pub(crate) fn form(&self) -> Form {
        Form::new(self.codec, &self.rules).expect("the rules can be used")
    }

    /// The value; `None` for none.
    pub(crate) fn value(&self) -> Option<Vec<u8>> {
        let text = self.value.as_ref().map(|text| text.clone().into_bytes());
        text.or_else(|| self.value_hex.as_deref().map(bytes))
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).expect("hexadecimal digits")).collect();
    let byte = |pair: &[u32]| pair.iter().fold(0, |byte, digit| byte * 16 + digit);
    digits.chunks(2).map(|pair| u8::try_from(byte(pair)).expect("two digits are a byte")).collect()
}
