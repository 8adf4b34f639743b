use super::*;
use crate::files::faulty::Faulty;
use crate::record::header;

/// The numbers found in a segment of these records, each with as many broken bytes before it.
fn numbers(records: &[(u64, usize)]) -> Vec<u64> {
    let mut bytes = header(1, HEADER_BYTES);
    for (number, broken_bytes) in records {
        bytes.extend(std::iter::repeat_n(0xa5, *broken_bytes));
        let record = Record { number: *number, kind: Kind::Entry, subject: b"", stamp: b"", body: b"x" };
        record.encode(Place { first: 1, at: bytes_in_file(bytes.len()) }, &mut bytes);
    }
    let (files, end) = (Faulty::default(), bytes_in_file(bytes.len()));
    files.put("segment", Some(bytes));
    let mut scanner = Scanner::new(&files, files.open("segment").unwrap(), 1, end).unwrap();
    std::iter::from_fn(|| scanner.next(&files, end).unwrap().map(|record| record.number)).collect()
}

#[test]
fn a_record_is_believed_only_if_its_number_can_follow() {
    assert_eq!(numbers(&[(1, 0), (2, 0)]), [1, 2]);
    assert_eq!(numbers(&[(1, 0), (3, 0)]), [1], "nothing is broken, so nothing is missing");
    assert_eq!(numbers(&[(1, 0), (3, 25), (4, 0)]), [1, 3, 4]);
    assert_eq!(numbers(&[(1, 0), (1 << 40, 100), (2, 0)]), [1, 2], "so many were never there");
    assert_eq!(numbers(&[(1, 0), (1, 25), (2, 0)]), [1, 2]);
}
