//! Every input of the comparator and every effect, as bytes: two runs of a seed must give the same.

use counterfoil_comparator::table::{Effects, Observed, Seen, Turn, Turned};
use counterfoil_judge::{Interval, Outcome, WriteId};
use counterfoil_proto::wire;

/// Tags of what is written down.
const UPLOAD: u8 = 1;
const READ: u8 = 2;
const ENDED: u8 = 3;
const VERDICT: u8 = 4;
const TURNED: u8 = 5;
const PAGE: u8 = 6;

/// What happened, as bytes and as their hash.
pub struct Transcript {
    bytes: Option<Vec<u8>>,
    hash: blake3::Hasher,
    line: Vec<u8>,
}

impl Transcript {
    /// An empty transcript. The bytes are kept only where `keeps` says so; the hash always is.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self { bytes: keeps.then(Vec::new), hash: blake3::Hasher::new(), line: Vec::new() }
    }

    /// The run's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.hash.finalize().to_hex().to_string()
    }

    /// The bytes, if they were kept.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    pub(crate) fn upload(&mut self, at: i64, upload: &wire::Upload) {
        self.begin(UPLOAD, at);
        self.line.extend_from_slice(&upload.number.to_le_bytes());
        self.line.extend_from_slice(&upload.sent_ns.to_le_bytes());
        self.line.extend_from_slice(&upload.echo_ns.to_le_bytes());
        self.line.extend_from_slice(&upload.echo_received_ns.to_le_bytes());
        self.line.extend_from_slice(&upload.mac);
        self.end();
    }

    pub(crate) fn read(&mut self, at: Interval, observed: &[Observed]) {
        for observed in observed {
            self.begin(READ, at.begin.0);
            self.line.extend_from_slice(&at.end.0.to_le_bytes());
            self.text(&observed.probe.key);
            match &observed.seen {
                Ok(seen) => self.seen(seen),
                Err(reason) => self.text(reason.label().as_bytes()),
            }
            self.end();
        }
    }

    pub(crate) fn page(&mut self, at: Interval, rows: &[(Vec<u8>, Seen)]) {
        self.begin(PAGE, at.begin.0);
        self.line.extend_from_slice(&at.end.0.to_le_bytes());
        for (key, seen) in rows {
            self.text(key);
            self.seen(seen);
        }
        self.end();
    }

    pub(crate) fn effects(&mut self, at: i64, effects: &Effects) {
        for ended in &effects.ended {
            self.begin(ENDED, at);
            self.id(ended.id);
            let (place, detail) = match ended.outcome {
                Outcome::Confirmed { lag } => (0, lag),
                Outcome::Superseded => (1, 0),
                Outcome::Divergent => (2, 0),
                Outcome::Undetermined(reason) => {
                    self.text(reason.label().as_bytes());
                    (3, 0)
                }
                Outcome::Shed(_) => (4, 0),
            };
            self.line.push(place);
            self.line.extend_from_slice(&detail.to_le_bytes());
            self.end();
        }
        for (map, verdict) in &effects.verdicts {
            self.begin(VERDICT, at);
            self.line.extend_from_slice(&map.0.to_le_bytes());
            self.text(verdict.label().as_bytes());
            self.end();
        }
        effects.turned.iter().for_each(|turned| self.turned(at, turned));
    }

    fn turned(&mut self, at: i64, turned: &Turned) {
        self.begin(TURNED, at);
        self.text(&turned.key);
        self.text(turned.divergence.kind.label().as_bytes());
        self.id(turned.divergence.named);
        self.line.extend_from_slice(&turned.found.0);
        match turned.turn {
            Turn::Opened => self.text(b"opened"),
            Turn::Confirmed => self.text(b"confirmed"),
            Turn::Resolved(how) => self.text(how.as_bytes()),
        }
        self.end();
    }

    fn begin(&mut self, tag: u8, at: i64) {
        self.line.clear();
        self.line.push(tag);
        self.line.extend_from_slice(&at.to_le_bytes());
    }

    fn seen(&mut self, seen: &Seen) {
        self.line.extend_from_slice(&seen.digest.0);
        self.line.extend_from_slice(&seen.version.unwrap_or(u64::MAX).to_le_bytes());
    }

    fn id(&mut self, id: WriteId) {
        self.line.extend_from_slice(&id.source.to_le_bytes());
        self.line.extend_from_slice(&id.seq.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.line.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.line.extend_from_slice(text);
    }

    fn end(&mut self) {
        self.hash.update(&self.line);
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(&self.line);
        }
    }
}
