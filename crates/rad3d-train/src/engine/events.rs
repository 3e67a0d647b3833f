//! What a run tells: JSON lines, TensorBoard files, a picture of the loss.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rad3d_volume::write::AtomicFile;
use serde::{Deserialize, Serialize};

use crate::error::{Result, TrainError};

/// A line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    /// `step` or `epoch`.
    pub(super) kind: String,
    /// Optimiser steps made.
    pub(super) step: usize,
    /// Epoch, from 0.
    pub(super) epoch: usize,
    /// Values by name.
    pub(super) values: BTreeMap<String, f64>,
}

/// Writes both files.
pub(super) struct Events {
    folder: PathBuf,
    lines: File,
    board: File,
    told: Vec<Event>,
}

impl Events {
    /// Opens the files of `folder`; lines beyond `step` belong to a part of the run that a kill
    /// undid, and go.
    pub(super) fn open(folder: &Path, step: usize) -> Result<Self> {
        let path = folder.join("events.jsonl");
        let old = if step > 0 {
            std::fs::read_to_string(&path).unwrap_or_default()
        } else {
            String::new()
        };
        let told: Vec<Event> = old
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|event: &Event| event.step <= step)
            .collect();
        let mut kept = AtomicFile::create(&path)?;
        for event in &told {
            let line = line(event, &path)?;
            kept.write_all(&line).map_err(|e| kept.fault(e))?;
        }
        kept.commit_unsynced()?;
        let append = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map_err(|error| TrainError::unwritable(path, error))
        };
        let name = format!("events.out.tfevents.{:010}.rad3d", seconds() as u64);
        let mut events = Self {
            folder: folder.to_owned(),
            lines: append(&path)?,
            board: append(&folder.join(name))?,
            told,
        };
        // The record that every TensorBoard file begins with: field 3, the version.
        let mut version = double(1, seconds());
        version.extend(bytes(3, b"brain.Event:2"));
        events.record(&version)?;
        Ok(events)
    }

    /// Adds an event to all files.
    pub(super) fn tell(&mut self, event: Event) -> Result<()> {
        let path = self.folder.join("events.jsonl");
        let line = line(&event, &path)?;
        self.lines
            .write_all(&line)
            .map_err(|e| TrainError::unwritable(&path, e))?;
        let mut summary = Vec::new();
        for (name, &value) in &event.values {
            let mut entry = bytes(1, format!("{}/{name}", event.kind).as_bytes());
            entry.push(2 << 3 | 5);
            entry.extend((value as f32).to_le_bytes());
            summary.extend(bytes(1, &entry));
        }
        let mut record = double(1, seconds());
        record.push(2 << 3);
        record.extend(varint(event.step as u64));
        record.extend(bytes(5, &summary));
        self.record(&record)?;
        self.told.push(event);
        Ok(())
    }

    /// Draws `loss.svg` anew.
    pub(super) fn draw(&self) -> Result<()> {
        let steps = self.points("step", "loss");
        let checks = self.points("epoch", "validation_loss");
        let mut file = AtomicFile::create(&self.folder.join("loss.svg"))?;
        let picture = crate::curve::loss_curve(&steps, &checks);
        file.write_all(picture.as_bytes())
            .map_err(|e| file.fault(e))?;
        Ok(file.commit_unsynced()?)
    }

    fn points(&self, kind: &str, name: &str) -> Vec<(f64, f64)> {
        let of_kind = self.told.iter().filter(|event| event.kind == kind);
        of_kind
            .filter_map(|event| Some((event.step as f64, *event.values.get(name)?)))
            .collect()
    }

    /// A record of TensorBoard's framing: length, masked CRC-32C of it, data, its masked CRC-32C.
    fn record(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut framed = length.to_vec();
        framed.extend(masked_crc(&length).to_le_bytes());
        framed.extend(data);
        framed.extend(masked_crc(data).to_le_bytes());
        self.board
            .write_all(&framed)
            .map_err(|e| TrainError::unwritable(&self.folder, e))
    }
}

fn line(event: &Event, path: &Path) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event).map_err(|e| TrainError::unwritable(path, e))?;
    line.push(b'\n');
    Ok(line)
}

fn seconds() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |since| since.as_secs_f64())
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A protocol buffer's length-delimited field.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    out.extend(varint(content.len() as u64));
    out.extend(content);
    out
}

/// A protocol buffer's 64-bit field.
fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}

/// CRC-32C (Castagnoli), rotated and shifted as record files want it.
fn masked_crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0x82F6_3B78;
            }
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli_s() {
        // RFC 3720, B.4: 32 bytes of zeros.
        let plain = 0x8A91_36AA_u32;
        let masked = plain.rotate_right(15).wrapping_add(0xA282_EAD8);
        assert_eq!(masked_crc(&[0; 32]), masked);
    }

    #[test]
    fn lines_beyond_the_checkpoint_go() {
        let folder = tempfile::tempdir().unwrap();
        let event = |step| Event {
            kind: "step".to_owned(),
            step,
            epoch: 0,
            values: BTreeMap::from([("loss".to_owned(), 1.0)]),
        };
        let mut events = Events::open(folder.path(), 0).unwrap();
        for step in 1..=5 {
            events.tell(event(step)).unwrap();
        }
        drop(events);
        let events = Events::open(folder.path(), 3).unwrap();
        assert_eq!(events.told.len(), 3);
        let text = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 3);
    }
}
