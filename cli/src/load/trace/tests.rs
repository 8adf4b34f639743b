#![allow(clippy::unwrap_used, reason = "a test may panic")]
//! Each format by example, and what is refused.

use super::*;

fn writes(format: Format, text: &str) -> Vec<TraceWrite> {
    format.writes(text.as_bytes()).collect::<Result<_, _>>().unwrap()
}

fn put(key: &str, value: &str) -> TraceWrite {
    TraceWrite { key: key.to_owned(), change: Change::Put(value.to_owned()) }
}

fn put_sized(key: &str, bytes: usize) -> TraceWrite {
    TraceWrite { key: key.to_owned(), change: Change::PutSized(bytes) }
}

fn remove(key: &str) -> TraceWrite {
    TraceWrite { key: key.to_owned(), change: Change::Remove }
}

#[test]
fn block_writes_are_puts_of_their_size_and_reads_are_passed_over() {
    let text =
        "version,time,op,size,lbn\n1,5633898,2a,512,42932745\r\n1,5633899,28,4096,7\n1,5633900,2A,8192,7\n";
    assert_eq!(writes(Format::Cloudphysics, text), [put_sized("42932745", 512), put_sized("7", 8192)]);
}

#[test]
fn cache_operations_put_or_remove_and_gets_are_passed_over() {
    let line = |operation: &str| format!("0,key-{operation},8,120,3,{operation},60\n");
    let all = ["get", "gets", "set", "add", "replace", "cas", "append", "prepend", "delete", "incr", "decr"];
    let text = all.map(line).concat();
    let expected =
        ["set", "add", "replace", "cas", "append", "prepend"].map(|op| put_sized(&format!("key-{op}"), 120));
    let rest = [remove("key-delete"), put_sized("key-incr", 120), put_sized("key-decr", 120)];
    assert_eq!(writes(Format::Twitter, &text), [&expected[..], &rest[..]].concat());
}

#[test]
fn a_ycsb_log_is_read_with_its_banners() {
    let text = concat!(
        "YCSB Client 0.17.0\n\n",
        "***************** properties *****************\n\"recordcount\"=\"1000\"\n",
        "INSERT usertable user12 [ field1=a b field0=c]d ]\n",
        "READ usertable user12 [ <all fields>]\nSCAN usertable user1 10 [ <all fields>]\n",
        "UPDATE usertable user12 [ field1=x ]\nDELETE usertable user12\n",
        "[OVERALL], RunTime(ms), 12\n",
    );
    let expected = [put("user12", "field1=a b field0=c]d"), put("user12", "field1=x"), remove("user12")];
    assert_eq!(writes(Format::Ycsb, text), expected);
}

#[test]
fn a_bad_line_is_refused_with_its_number_and_the_reason_and_ends_the_stream() {
    use Format::{Cloudphysics, Twitter, Ycsb};
    for (format, good, bad, reason) in [
        (Cloudphysics, "1,5,2a,512,9", "1,5,2a,512", "4 fields where cloudphysics has 5"),
        (Cloudphysics, "1,5,2a,512,9", "1,5,2a,-1,9", "field `size` is `-1`"),
        (Cloudphysics, "1,5,2a,512,9", "1,x,2a,1,9", "field `time` is `x`"),
        (Cloudphysics, "1,5,2a,512,9", "1,5,write,1,9", "field `op` is `write`"),
        (Cloudphysics, "1,5,2a,512,9", "version,time,op,size,lbn", "field `version` is `version`"),
        (Cloudphysics, "1,5,2a,512,9", "", "1 fields where"),
        (Twitter, "0,k,1,1,1,set,0", "0,k,1,1,1,touch,0", "field `operation` is `touch`"),
        (Twitter, "0,k,1,1,1,set,0", "0,k,1,1,1,set", "6 fields where twitter has 7"),
        (Twitter, "0,k,1,1,1,set,0", "0,,0,1,1,set,0", "the key is empty"),
        (Ycsb, "DELETE t k", "UPSERT t k [ f=1 ]", "field `operation` is `UPSERT`"),
        (Ycsb, "DELETE t k", "UPDATE t k", "the fields in brackets"),
        (Ycsb, "DELETE t k", "INSERT t k [ f=1", "the fields in brackets"),
        (Ycsb, "DELETE t k", "DELETE t", "2 fields where ycsb has at least 3"),
    ] {
        let text = format!("{good}\n{bad}\n{good}\n");
        let results = format.writes(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(results.len(), 2, "{bad}: {results:?}");
        let error = results.into_iter().nth(1).unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with("line 2: ") && error.contains(reason),
            "{bad}\ngave {error}\nnot  {reason}"
        );
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let endless = io::BufReader::new(io::repeat(b'x'));
    let error = Format::Ycsb.writes(endless).next().unwrap().unwrap_err().to_string();
    assert_eq!(error, format!("line 1: longer than {LINE_BYTES_MAX} bytes"));
    let error = Format::Ycsb.writes(&b"\xff\n"[..]).next().unwrap().unwrap_err().to_string();
    assert_eq!(error, "line 1: not UTF-8");
}

#[test]
fn a_generated_workload_has_as_many_writes_as_asked_for_and_repeats_with_its_seed() {
    let workload = |seed| generated(2_000, seed).collect::<Result<Vec<_>, _>>().unwrap();
    let writes = workload(1);
    assert!(writes == workload(1) && writes != workload(2));
    assert_eq!(writes.len(), 2_000);
    let removes = writes.iter().filter(|write| write.change == Change::Remove).count();
    assert!((5..100).contains(&removes), "{removes}");
    let hottest = writes.iter().filter(|write| write.key == "user0").count();
    assert!(hottest > 50, "{hottest}");
    let values = writes.iter().map(|write| &write.change).filter(|&change| *change != Change::Remove);
    let distinct = values.clone().collect::<std::collections::HashSet<_>>().len();
    assert_eq!(distinct, values.count(), "no value repeats, so that a lost one shows");
}
