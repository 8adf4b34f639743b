use super::trial::sealed;
use super::*;

/// Sends a batch of `a` as the uplink does, sealing it anew under the code `x…`.
fn send(links: &mut Links, number: u64, mut sealed: Sealed) -> Option<(String, Option<(u64, u64)>)> {
    let original = sealed.mac.clone();
    let anew = links.judge(number, &sealed.about);
    if anew.is_some() {
        sealed.mac = [b"x", &original[..]].concat().into();
    }
    links.note_sent(number, original, &sealed);
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    anew.map(|anew| (text(&anew.previous_mac), anew.loss.map(|loss| (loss.first_seq, loss.count))))
}

fn relinked(previous: &str) -> Option<(String, Option<(u64, u64)>)> {
    Some((previous.to_owned(), None))
}

#[test]
fn a_whole_chain_is_sent_as_it_is() {
    let mut links = Links::default();
    assert_eq!(send(&mut links, 1, sealed("a", 5, 7, b"unknown")), None);
    assert_eq!(send(&mut links, 2, sealed("b", 5, 7, b"")), None);
    assert_eq!(send(&mut links, 3, sealed("a", 7, 9, b"7")), None);
    assert_eq!(send(&mut links, 4, sealed("a", 9, 9, b"")), None, "the batcher begins another");
}

#[test]
fn behind_a_gap_a_chain_begins_with_the_loss_and_goes_on_until_the_batcher_begins_one() {
    let mut links = Links::default();
    assert_eq!(send(&mut links, 1, sealed("a", 0, 7, b"")), None);
    links.note_gap();
    assert_eq!(send(&mut links, 5, sealed("a", 20, 22, b"20")), Some((String::new(), Some((7, 13)))));
    assert_eq!(send(&mut links, 6, sealed("a", 22, 24, b"22")), relinked("x22"));
    assert_eq!(send(&mut links, 7, sealed("a", 24, 26, b"24")), relinked("x24"));
    links.acknowledge(6);
    links.rewind();
    assert_eq!(send(&mut links, 7, sealed("a", 24, 26, b"24")), relinked("x24"), "the same again");
    assert_eq!(send(&mut links, 8, sealed("a", 26, 28, b"")), None);
    assert_eq!(send(&mut links, 9, sealed("a", 28, 30, b"28")), None);
}

#[test]
fn a_lost_batch_without_numbers_is_noticed_by_the_code() {
    let mut links = Links::default();
    assert_eq!(send(&mut links, 1, sealed("a", 0, 7, b"")), None);
    assert_eq!(send(&mut links, 3, sealed("a", 7, 9, b"heartbeat")), relinked(""));
}

#[test]
fn behind_a_gap_nothing_is_taken_for_granted_of_a_source_that_is_not_known() {
    let mut links = Links::default();
    links.note_gap();
    assert_eq!(send(&mut links, 5, sealed("a", 20, 22, b"20")), Some((String::new(), Some((0, 20)))));
    assert_eq!(send(&mut links, 6, sealed("b", 0, 2, b"")), None);
    assert_eq!(send(&mut links, 7, sealed("c", 0, 2, b"heartbeat")), relinked(""));
}

#[test]
fn what_the_comparator_refuses_begins_a_chain() {
    let mut links = Links::default();
    let source = sealed("a", 0, 0, b"").about.source;
    links.learn(
        source.clone(),
        Some(Tail { original: "7".into(), sent: "7".into(), next_seq: 7, watermark: Time(0) }),
    );
    assert_eq!(send(&mut links, 2, sealed("a", 7, 9, b"7")), None);
    links.rewind();
    links.refuse(2, &source);
    assert_eq!(send(&mut links, 2, sealed("a", 7, 9, b"7")), relinked(""));
    assert_eq!(send(&mut links, 3, sealed("a", 9, 11, b"9")), relinked("x9"));
    links.acknowledge(3);
    assert!(links.refused.is_empty() && links.sent.is_empty());
}

#[test]
fn sources_that_have_ended_are_forgotten_and_the_others_are_bounded() {
    let mut links = Links::default();
    for at in 0..2 * SOURCES_MAX as u64 {
        let mut last = sealed(&at.to_string(), 0, 1, b"");
        last.about.ended = at % 3 == 0;
        send(&mut links, at + 1, last);
    }
    links.acknowledge(u64::MAX);
    assert!(links.accepted.len() <= SOURCES_MAX && links.sent.is_empty() && links.under_way.is_empty());
}
