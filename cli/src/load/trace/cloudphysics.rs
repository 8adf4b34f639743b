//! Block requests of a virtual machine, as the CloudPhysics recordings have them.

use super::{Change, Reason, TraceWrite, fields, number, size};

/// The first line of a file may be this.
pub(super) const HEADER: &str = "version,time,op,size,lbn";

/// SCSI WRITE(10).
const WRITE: u8 = 0x2a;

pub(super) fn parse(text: &str) -> Result<Option<TraceWrite>, Reason> {
    let [version, time, op, bytes, block] = fields(text, "cloudphysics", "5: version,time,op,size,lbn")?;
    number("version", version)?;
    number("time", time)?;
    let block = number("lbn", block)?;
    let bytes = size("size", bytes)?;
    match u8::from_str_radix(op, 16) {
        Ok(WRITE) => Ok(Some(TraceWrite { key: block.to_string(), change: Change::PutSized(bytes) })),
        Ok(_) => Ok(None),
        Err(_) => Err(Reason::Unknown {
            field: "op",
            text: op.to_owned(),
            expected: "a SCSI operation in hexadecimal, such as 2a",
        }),
    }
}
