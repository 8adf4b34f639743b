//! The service: numbers at once, progress as it comes, backpressure, and an orderly end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, its helpers too")]

mod support;

use counterfoil_spool::faulty::{Fault, Faulty, Operation};
use counterfoil_spool::{Entry, Options, Progress, Refused, Spool, SpoolOptions, State};
use std::time::Duration;
use support::{entries, entry};
use tokio::sync::watch::Receiver;

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> SpoolOptions {
    SpoolOptions {
        log: Options { segment_bytes: 4096, ..support::options() },
        sync_ms: 1,
        ..SpoolOptions::default()
    }
}

fn start(files: &Faulty, options: &SpoolOptions) -> Spool<Faulty> {
    Spool::start_on(files.clone(), options.clone()).unwrap().0
}

async fn until(progress: &mut Receiver<Progress>, is_there: impl FnMut(&Progress) -> bool) -> Progress {
    *tokio::time::timeout(PATIENCE, progress.wait_for(is_there))
        .await
        .expect("it comes")
        .expect("the thread lives")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_come_at_once_and_progress_follows() {
    let files = Faulty::default();
    let spool = start(&files, &options());
    let mut progress = spool.progress();
    for (index, entry) in entries(26).into_iter().enumerate() {
        assert_eq!(spool.append(entry).await, Ok(index as u64 + 1));
    }
    let now = until(&mut progress, |now| now.written == 26).await;
    assert_eq!(now.state, State::Healthy);
    assert_eq!(spool.append_durable(entries(1).remove(0)).await, Ok(27));
    until(&mut progress, |now| now.durable == 27).await;
    spool.set_cursor(bytes::Bytes::from_static(b"here"));
    assert_eq!(spool.reader().read(1, usize::MAX).unwrap().entries.len(), 27);
    let closed = spool.close().await;
    assert_eq!((closed.progress.written, closed.unwritten), (27, 0));
    assert_eq!(spool.append(entries(1).remove(0)).await, Err(Refused::Closed));
    let (_spool, recovered) = Spool::start_on(files, options()).unwrap();
    assert_eq!((recovered.next, recovered.cursor.as_deref()), (28, Some(&b"here"[..])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_says_nothing_new_is_not_written_again() {
    let files = Faulty::default();
    let spool = start(&files, &options());
    let mut progress = spool.progress();
    let renames = files.calls(Operation::Rename);
    for (number, cursor) in (1..).zip([&b"here"[..], b"here", b"there"]) {
        spool.set_cursor(bytes::Bytes::from_static(cursor));
        spool.append(entries(1).remove(0)).await.unwrap();
        until(&mut progress, |now| now.written == number).await;
    }
    spool.close().await;
    // One for the segment.
    assert_eq!(files.calls(Operation::Rename) - renames, 1 + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_get_numbers_in_the_order_of_the_file() {
    let files = Faulty::default();
    let spool = start(&files, &SpoolOptions { queue_entries_max: 3, ..options() });
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let spool = spool.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for n in 0..50 {
                    let body = format!("{task} {n}");
                    numbers.push((spool.append(entry("s", "x", &body)).await.unwrap(), body));
                }
                numbers
            })
        })
        .collect();
    let mut appended = Vec::new();
    for task in tasks {
        appended.extend(task.await.unwrap());
    }
    appended.sort();
    spool.close().await;
    let (spool, _) = Spool::start_on(files, options()).unwrap();
    let read = spool.reader().read(1, usize::MAX).unwrap().entries;
    let read: Vec<_> =
        read.into_iter().map(|n| (n.number, String::from_utf8(n.entry.body.to_vec()).unwrap())).collect();
    assert_eq!(read, appended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failing_disk_did_not_take_waits_in_order_and_is_written_later() {
    let files = Faulty::default();
    let spool = start(&files, &options());
    let mut progress = spool.progress();
    files.fail(Operation::Create, 0, Fault::Io);
    files.fail(Operation::Create, 0, Fault::Io);
    files.fail(Operation::Write, 1, Fault::Short(200));
    let appended = entries(20);
    for entry in &appended {
        spool.append(entry.clone()).await.unwrap();
    }
    until(&mut progress, |now| now.written == 20 && now.state == State::Healthy).await;
    let read = spool.reader().read(1, usize::MAX).unwrap().entries;
    assert!(read.iter().map(|numbered| &numbered.entry).eq(&appended));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stays_full_is_told_and_a_close_says_what_was_not_written() {
    let files = Faulty::default();
    files.set_capacity(1000);
    let spool = start(&files, &options());
    for entry in entries(20) {
        spool.append(entry).await.unwrap();
    }
    let now = until(&mut spool.progress(), |now| now.state == State::Full).await;
    let closed = spool.close().await;
    assert_eq!(closed.progress.written + closed.unwritten, 20);
    assert!(closed.progress.written >= now.written && closed.unwritten > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_cap_an_append_waits_a_reserved_one_does_not_and_a_trim_lets_it_go_on() {
    let log = Options { disk_bytes_max: 3000, reserve_bytes: 500, ..options().log };
    let spool = start(&Faulty::default(), &SpoolOptions { log, ..options() });
    let mut last = 0;
    while let Ok(number) = spool.try_append(entries(1).remove(0)) {
        last = number;
        until(&mut spool.progress(), |now| now.written == last).await;
    }
    until(&mut spool.progress(), |now| now.state == State::Full).await;
    assert!(spool.occupancy() > 0.9 && spool.occupancy() <= 1.0);
    let waiting = tokio::spawn({
        let spool = spool.clone();
        async move { spool.append(entries(1).remove(0)).await }
    });
    let loss = Entry { reserved: true, ..entry("s", "lost", "12 events") };
    assert_eq!(spool.append(loss).await, Ok(last + 1));
    until(&mut spool.progress(), |now| now.written == last + 1).await;
    assert!(!waiting.is_finished());
    spool.trim(last + 2);
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), Ok(last + 2));
    until(&mut spool.progress(), |now| now.state == State::Healthy && now.written == last + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_more_than_half_the_cap_finds_room_once_all_is_trimmed() {
    let log = Options { disk_bytes_max: 1000, ..options().log };
    let spool = start(&Faulty::default(), &SpoolOptions { log, ..options() });
    for entry in entries(3) {
        spool.append(entry).await.unwrap();
    }
    until(&mut spool.progress(), |now| now.written == 3).await;
    spool.trim(4);
    let large = Entry { body: vec![7; 700].into(), ..Entry::default() };
    assert_eq!(tokio::time::timeout(PATIENCE, spool.append(large)).await.unwrap(), Ok(4));
    until(&mut spool.progress(), |now| now.written == 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_made_good_and_only_then_told_as_durable() {
    let files = Faulty::default();
    let spool = start(&files, &options());
    files.fail(Operation::Sync, 0, Fault::Io);
    files.fail(Operation::Sync, 0, Fault::Io);
    let number = spool.append_durable(entries(1).remove(0)).await.unwrap();
    until(&mut spool.progress(), |now| now.durable == number && now.state == State::Healthy).await;
    drop(spool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_writes_what_is_there_and_ends_the_thread() {
    let files = Faulty::default();
    let spool = start(&files, &options());
    let mut progress = spool.progress();
    for entry in entries(20) {
        spool.append(entry).await.unwrap();
    }
    drop(spool);
    while tokio::time::timeout(PATIENCE, progress.changed()).await.expect("it ends").is_ok() {}
    let (_spool, recovered) = Spool::start_on(files, options()).unwrap();
    assert_eq!(recovered.next, 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_spool_takes_is_refused() {
    let log = Options { is_durable: false, ..options().log };
    let spool = start(&Faulty::default(), &SpoolOptions { log, ..options() });
    assert_eq!(spool.append_durable(Entry::default()).await, Err(Refused::NotDurable));
    let large = Entry { subject: vec![0; 2000].into(), ..Entry::default() };
    assert!(matches!(spool.append(large).await, Err(Refused::TooLarge(_))));
    assert_eq!(spool.append(Entry::default()).await, Ok(1));
}
