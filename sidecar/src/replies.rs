//! What the sidecar says to an emitter, written without ever waiting for it.
//!
//! # Invariants
//!
//! - An emitter that does not read holds nobody up: acks that wait become one, warnings that do not fit are dropped.

use crate::framer::Form;
use crate::json;
use bytes::{Buf, BytesMut};
use counterfoil_proto::wire::emit::{Ack, AckLevel, Frame, Refusal, Welcome, frame::Body};
use prost::Message;
use std::io::ErrorKind;
use tokio::net::UnixStream;

/// Warnings are dropped once this many bytes wait.
const WAITING_BYTES_MAX: usize = 16_384;

/// Replies that wait to be written.
#[derive(Default)]
pub(crate) struct Replies {
    bytes: BytesMut,
    ack: Option<(AckLevel, u64)>,
    /// The peer reads no more.
    deaf: bool,
}

impl Replies {
    pub(crate) fn welcome(&mut self, form: Form, welcome: Welcome) {
        match form {
            Form::Json => self.bytes.extend_from_slice(json::welcome(&welcome).as_bytes()),
            Form::Protobuf => self.frame(Body::Welcome(welcome)),
        }
    }

    /// Acknowledges everything below `through_seq` at `level`, in place of an earlier ack that still waits.
    pub(crate) fn ack(&mut self, level: AckLevel, through_seq: u64) {
        self.ack = Some((level, through_seq));
    }

    /// Warns; only JSON has words for it.
    pub(crate) fn warning(&mut self, form: Form, message: &str) {
        if form == Form::Json && self.bytes.len() < WAITING_BYTES_MAX {
            self.bytes.extend_from_slice(json::warning(message).as_bytes());
        }
    }

    pub(crate) fn refusal(&mut self, form: Form, message: String) {
        self.place_ack(form);
        match form {
            Form::Json => self.bytes.extend_from_slice(json::refusal(&message).as_bytes()),
            Form::Protobuf => self.frame(Body::Refusal(Refusal { message })),
        }
    }

    /// Whether anything waits for the peer to read.
    pub(crate) fn are_waiting(&self) -> bool {
        !self.deaf && (!self.bytes.is_empty() || self.ack.is_some())
    }

    /// Writes what the socket takes.
    pub(crate) fn write(&mut self, form: Form, stream: &UnixStream) {
        if self.bytes.is_empty() {
            self.place_ack(form);
        }
        while !self.deaf && !self.bytes.is_empty() {
            match stream.try_write(&self.bytes) {
                Ok(written) => self.bytes.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Whoever closed its reading side may still have things to say.
                Err(_) => self.deaf = true,
            }
        }
    }

    fn place_ack(&mut self, form: Form) {
        let Some((level, through_seq)) = self.ack.take() else { return };
        match form {
            Form::Json => self.bytes.extend_from_slice(json::ack(level, through_seq).as_bytes()),
            Form::Protobuf => self.frame(Body::Ack(Ack { level: level.into(), through_seq })),
        }
    }

    fn frame(&mut self, body: Body) {
        let frame = Frame { body: Some(body) }.encode_length_delimited_to_vec();
        self.bytes.extend_from_slice(&frame);
    }
}
