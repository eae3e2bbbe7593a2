//! TensorBoard's event files: a record an event, each a little protocol buffer between two checksums.
//!
//! ```text
//!   record: length u64 · masked CRC-32C of it · event · masked CRC-32C of the event      all little-endian
//!   event:  1 wall time f64 · 2 step i64 · 3 file version | 5 summary | 7 session log
//! ```
//!
//! Only what scalars need is written. A file that goes on from an earlier iteration says so, and TensorBoard leaves out
//! what older files have beyond it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Events(File);

impl Events {
    /// A new file in the folder, for iterations from `step` on.
    pub fn create(folder: &Path, step: u64) -> io::Result<Self> {
        let now = now();
        let name = format!("events.out.tfevents.{:010}.{}.sparsr", now as u64, std::process::id());
        let mut events = Self(File::create(folder.join(name))?);
        events.write(&event(now, 0, 3, Some(b"brain.Event:2")))?;
        if step > 0 {
            // SessionLog { status: START }
            events.write(&event(now, step, 7, Some(&[0x08, 1])))?;
        }
        Ok(events)
    }

    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut entry = Vec::new();
            field(&mut entry, 1, tag.as_bytes());
            entry.push(0x15); // field 2, four bytes
            entry.extend((*value as f32).to_le_bytes());
            field(&mut summary, 1, &entry);
        }
        self.write(&event(now(), step, 5, Some(&summary)))
    }

    fn write(&mut self, event: &[u8]) -> io::Result<()> {
        self.0.write_all(&record(event))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn event(time: f64, step: u64, kind: u8, content: Option<&[u8]>) -> Vec<u8> {
    let mut event = vec![0x09]; // field 1, eight bytes
    event.extend(time.to_le_bytes());
    event.push(0x10); // field 2, a varint
    varint(&mut event, step);
    content.iter().for_each(|content| field(&mut event, kind, content));
    event
}

/// A field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), event, &masked(event).to_le_bytes()].concat()
}

/// Checksums are masked, since checksums of data that holds checksums are weak.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// Castagnoli's, bit by bit: there are a few hundred bytes every hundred iterations.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL * (crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn checksums_are_castagnolis() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        for (bytes, expected) in [
            (&[0; 32][..], 0x8A91_36AA),
            (&[0xFF; 32], 0x62A8_AB43),
            (&rising, 0x46DD_794E),
            (&falling, 0x113F_DB5C),
            (b"123456789", 0xE306_9283),
            (b"", 0),
        ] {
            assert_eq!(crc32c(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_event_is_a_record_of_a_protocol_buffer() {
        let mut summary = Vec::new();
        field(&mut summary, 1, b"ab");
        assert_eq!(summary, [0x0A, 2, b'a', b'b']);
        let event = event(1.0, 300, 5, Some(&summary));
        let expected = [&[0x09], &1.0_f64.to_le_bytes()[..], &[0x10, 0xAC, 0x02, 0x2A, 4], &summary].concat();
        assert_eq!(event, expected);
        let record = record(&event);
        assert_eq!(record.len(), 8 + 4 + event.len() + 4);
        assert_eq!(record[..8], (event.len() as u64).to_le_bytes());
        assert_eq!(record[12..12 + event.len()], event);
    }
}
