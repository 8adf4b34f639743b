//! Signatures as in Standard Webhooks 1.0: HMAC-SHA256 of `ID.TIMESTAMP.BODY`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_keys::SecretLine;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// What secrets begin with, so that they are known for what they are.
const PREFIX: &str = "whsec_";

/// Bytes of a secret, as the scheme has it.
const BYTES_MIN: usize = 24;
/// As many as the scheme allows.
const BYTES_MAX: usize = 64;

/// What messages are signed with. `Debug` shows stars.
pub struct SigningSecret(Hmac<Sha256>);

impl SigningSecret {
    /// The secret that a file holds.
    ///
    /// # Errors
    ///
    /// What to write instead.
    pub(crate) fn of(line: &SecretLine) -> Result<Self, &'static str> {
        const WRONG: &str = "holds no signing secret; write `whsec_` and 24 to 64 random bytes in base 64";
        let digits = line.expose().strip_prefix(PREFIX).unwrap_or(line.expose());
        let bytes = STANDARD.decode(digits).map_err(|_| WRONG)?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            return Err(WRONG);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| WRONG)
    }

    /// The headers of a message that is sent at this time: wall-clock, seconds since 1970.
    pub(super) fn headers(&self, id: &str, at_unix_s: i64, body: &[u8]) -> [(&'static str, String); 3] {
        let signed = [id.as_bytes(), at_unix_s.to_string().as_bytes(), body].join(&b'.');
        let code = self.0.clone().chain_update(signed).finalize().into_bytes();
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at_unix_s.to_string()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(code))),
        ]
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn secret(text: &str) -> Result<SigningSecret, &'static str> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        counterfoil_keys::create_file(&path, text).unwrap();
        SigningSecret::of(&SecretLine::from_file(&path).unwrap())
    }

    /// The example that implementations of the scheme are tested with.
    #[test]
    fn a_signature_is_that_of_the_scheme() {
        for text in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            let secret = secret(text).unwrap();
            let body = br#"{"test": 2432232314}"#;
            let [id, at, signature] = secret.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
            assert_eq!(id, ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned()));
            assert_eq!(at, ("webhook-timestamp", "1614265330".to_owned()));
            let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned();
            assert_eq!(signature, ("webhook-signature", expected));
            assert_eq!(format!("{secret:?}"), "SigningSecret(***)");
        }
    }

    #[test]
    fn a_secret_has_the_length_that_the_scheme_wants() {
        for (bytes, is_good) in [(23, false), (24, true), (64, true), (65, false)] {
            let text = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert_eq!(secret(&text).is_ok(), is_good, "{bytes}");
        }
        assert!(secret("whsec_not base 64!".replace(' ', "").as_str()).unwrap_err().contains("whsec_"));
    }
}
