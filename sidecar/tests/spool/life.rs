//! The lives of one sidecar over one folder, and what a comparator makes of what it gets from them.

use crate::house::{self, Comparator, Emitter, PATIENCE, build};
use counterfoil_keys::{Mac, Purpose, verify};
use counterfoil_proto::wire::emit::{AckLevel, Hello, Welcome};
use counterfoil_proto::wire::{self, Upload};
use counterfoil_proto::{Columns, LossReason};
use counterfoil_sidecar::BuildError;
use counterfoil_telemetry::Telemetry;
use prost::Message;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A sidecar with a runtime of its own, so that all of it can be dropped at once, as a kill does.
pub(crate) struct Life {
    runtime: Runtime,
    stop: CancellationToken,
    run: JoinHandle<()>,
    socket: PathBuf,
}

impl Life {
    /// Starts one in `folder` with a spool there, and `overlays`. One before it may still be about to let go.
    pub(crate) async fn start(folder: &Path, comparator: &Comparator, overlays: &[&str]) -> Self {
        let telemetry = Telemetry::install("test", &counterfoil_telemetry::Written::default()).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let spool = format!("spool={{path: '{}', bytes_max: 16777216}}", folder.join("spool").display());
        let overlays: Vec<String> =
            [spool].into_iter().chain(overlays.iter().map(|&overlay| overlay.to_owned())).collect();
        let (stop, address) = (CancellationToken::new(), comparator.address);
        let (folder, stopped) = (folder.to_owned(), stop.clone());
        let socket = folder.join("emit.sock");
        let built = runtime.spawn(async move {
            let overlays: Vec<_> = overlays.iter().map(String::as_str).collect();
            loop {
                match build(&folder, address, &overlays, &telemetry).await {
                    Ok(sidecar) => return sidecar,
                    Err(BuildError::Spool(_) | BuildError::Socket(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let sidecar = tokio::time::timeout(PATIENCE, built).await.expect("it starts").unwrap();
        let run = runtime.spawn(sidecar.run(stopped));
        Self { runtime, stop, run, socket }
    }

    /// An emitter that has said hello as `instance`, and asks for `level`.
    pub(crate) async fn greeted(&self, instance: &str, level: AckLevel) -> (Emitter, Welcome) {
        let hello = Hello { ack: level.into(), ..house::hello(instance) };
        Emitter::greeted(&self.socket, hello).await
    }

    pub(crate) async fn emitter(&self) -> Emitter {
        Emitter::connect(&self.socket).await
    }

    /// Ends it without a word.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.run).await.expect("it stops").unwrap();
        self.runtime.shutdown_background();
    }
}

/// What a comparator makes of one source's batches.
#[derive(Default)]
pub(crate) struct Account {
    /// Each batch that was applied.
    pub(crate) batches: Vec<Columns>,
    /// Events accepted, and the sum of the numbers declared lost, by reason.
    pub(crate) accepted: u64,
    pub(crate) lost: Vec<(u64, u64, LossReason)>,
    /// How often a chain began, the first one included.
    pub(crate) chains: usize,
    pub(crate) next_seq: u64,
}

impl Account {
    /// Applies uploads as the comparator does: in the order of their chain, each number once, and none may be missing.
    pub(crate) fn of(uploads: &[Upload], instance: &str) -> Self {
        let (mut account, mut tip) = (Self::default(), Vec::new());
        for upload in uploads {
            let columns = Columns::try_from(wire::Batch::decode(&upload.batch[..]).unwrap()).unwrap();
            let header = columns.header();
            let end = header.first_seq + columns.len() as u64;
            if header.instance != instance || (end <= account.next_seq && !account.batches.is_empty()) {
                if header.instance == instance && header.previous_mac == tip {
                    tip = upload.mac.to_vec();
                }
                continue;
            }
            if header.previous_mac.is_empty() {
                account.chains += 1;
            } else {
                assert_eq!(header.previous_mac, tip, "number {}: one before it is missing", upload.number);
            }
            tip = upload.mac.to_vec();
            account.apply(columns, end);
        }
        account
    }

    fn apply(&mut self, columns: Columns, end: u64) {
        let mut next = self.next_seq;
        for loss in &columns.header().losses {
            let first = loss.first_seq.max(next);
            let loss_end = loss.first_seq + loss.count;
            if loss_end > first {
                assert_eq!(first, next, "nobody declared what is missing");
                self.lost.push((first, loss_end - first, loss.reason));
                next = loss_end;
            }
        }
        assert!(columns.header().first_seq <= next, "nobody declared what is missing");
        self.accepted += end.saturating_sub(next);
        self.next_seq = next.max(end);
        self.batches.push(columns);
    }

    pub(crate) fn lost_sum(&self) -> u64 {
        self.lost.iter().map(|(_, count, _)| count).sum()
    }
}

/// What the comparator makes of `instance` once it knows of every number below `seq`.
pub(crate) async fn account(comparator: &Comparator, instance: &str, seq: u64) -> Account {
    let uploads = comparator.uploads(|uploads| Account::of(uploads, instance).next_seq >= seq).await;
    let key = house::key().mac_key();
    for upload in &uploads {
        assert!(verify(&upload.signer, Purpose::Batch, &upload.mac, &upload.signature));
        assert_eq!(Mac::from_wire(&upload.mac), Some(key.mac(&upload.batch)));
    }
    Account::of(&uploads, instance)
}
