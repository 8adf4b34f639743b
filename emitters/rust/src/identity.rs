//! Who emits.

use crate::limits::NAME_BYTES_MAX;
use thiserror::Error;

/// Names the source: the service, this process among those of the service, and this start of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The service, such as `cart`; 1 to 128 bytes.
    pub service: String,
    /// The process among those of the service, such as the pod's name; 1 to 128 bytes.
    pub instance: String,
    /// Grows each time the process starts over. No two emitters of one instance may share it.
    pub epoch: u64,
}

/// An identity that no sidecar takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("identity.{field} has {bytes} bytes; give it 1 to {NAME_BYTES_MAX}")]
pub struct IdentityError {
    /// Which part.
    pub field: &'static str,
    /// How long it is.
    pub bytes: usize,
}

impl Identity {
    /// `service` on this host in this process, started now: the instance is `hostname/pid`, the epoch is
    /// `CLOCK_BOOTTIME` in nanoseconds.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("unknown");
        let pid = format!("/{}", std::process::id());
        let instance = format!("{}{pid}", cut(host, NAME_BYTES_MAX.saturating_sub(pid.len())));
        let epoch = u64::try_from(counterfoil_clock::now().0).unwrap_or_default();
        Self { service: service.to_owned(), instance, epoch }
    }

    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        for (field, name) in [("service", &self.service), ("instance", &self.instance)] {
            let bytes = name.len();
            if bytes == 0 || bytes > NAME_BYTES_MAX {
                return Err(IdentityError { field, bytes });
            }
        }
        Ok(())
    }
}

/// The longest beginning of `text` of at most `bytes` bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_identity_is_complete_and_starts_later_than_the_one_before() {
        let (first, second) = (Identity::new("cart"), Identity::new("cart"));
        assert_eq!(first.check(), Ok(()));
        assert!(first.instance.ends_with(&format!("/{}", std::process::id())), "{}", first.instance);
        assert!(second.epoch > first.epoch);
    }

    #[test]
    fn a_name_that_is_empty_or_too_long_is_refused_by_field_and_limit() {
        let good = Identity::new("cart");
        let nameless = Identity { service: String::new(), ..good.clone() };
        assert_eq!(nameless.check(), Err(IdentityError { field: "service", bytes: 0 }));
        let long = Identity { instance: "x".repeat(129), ..good };
        let message = long.check().map_err(|error| error.to_string());
        assert_eq!(message, Err("identity.instance has 129 bytes; give it 1 to 128".to_owned()));
    }

    #[test]
    fn text_is_cut_between_characters() {
        for (text, bytes, expected) in [("abc", 2, "ab"), ("abc", 9, "abc"), ("a\u{e9}", 2, "a"), ("", 0, "")]
        {
            assert_eq!(cut(text, bytes), expected, "{text} {bytes}");
        }
    }
}
