//! Keyed BLAKE3 of many short messages at a time, one in each lane of the processor's vectors.
//!
//! BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn 2020) fills vectors with the chunks of one message, 1,024 bytes each. A message
//! that has one chunk is a chain of blocks of 64 bytes, each of which needs the one before; the vectors stay empty. So here eight
//! messages of equally many blocks go side by side, where the processor has AVX2. Longer ones, the few that are left over, and all
//! on other processors go through the crate `blake3`; the tests hold the two to the same answers.
//!
//! This is a crate of its own because of one line: that a processor has AVX2 is known when the program runs, and that it may then be
//! used is something no compiler checks.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod groups;

/// The keyed BLAKE3 of each message under the key beside it, in their order.
#[must_use]
pub fn keyed_hashes(messages: &[(&[u8; 32], &[u8])]) -> Vec<[u8; 32]> {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = groups::Avx2::here() {
        return avx2.hashes(messages);
    }
    messages.iter().map(|(key, message)| alone(key, message)).collect()
}

fn alone(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    *blake3::keyed_hash(key, message).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or_default()).collect()
    }

    fn check(messages: &[(&[u8; 32], &[u8])]) {
        for (&(key, message), hash) in messages.iter().zip(keyed_hashes(messages)) {
            assert_eq!(hash, *blake3::keyed_hash(key, message).as_bytes(), "{} bytes", message.len());
        }
    }

    #[test]
    fn of_each_length_they_are_those_of_the_crate() {
        let key = [7; 32];
        for length in 0..1_100 {
            let messages: Vec<_> = (0..9).map(|more| message(length + more)).collect();
            check(&messages.iter().map(|message| (&key, &message[..])).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_message_has_a_key_of_its_own_and_keeps_its_place_however_many_there_are() {
        let keys: Vec<[u8; 32]> = (0..60).map(|number| [number; 32]).collect();
        let messages: Vec<_> = (0..60).map(|number| message(number * 97 % 1_300)).collect();
        let all: Vec<_> = keys.iter().zip(messages.iter().map(Vec::as_slice)).collect();
        for count in 0..all.len() {
            check(all.split_at(count).0);
        }
    }
}
