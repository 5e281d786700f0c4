//! Deletes records from a batch. Each leaves a mark in its place, so that those after it keep their numbers.

use std::collections::HashSet;

use super::batch_ref::BatchRef;
use super::field::batch as field;
use super::record_ref::RecordRef;
use super::scan::{DecodeError, Scan};

/// What stands in the place of a record that was deleted, or that somebody did not want to read: `removed` of
/// `record.proto`.
pub const REMOVED: [u8; 3] = [0xC8, 0x01, 0x01];
/// The same as a field of its batch.
pub const REMOVED_RECORD: [u8; 5] = [0x1A, 0x03, REMOVED[0], REMOVED[1], REMOVED[2]];
/// Of a callsite.
const ID: u32 = 1;

/// A batch without the records for which `goes` holds, and how many they are; `None` if there is none. It is no longer
/// than before. With its records a callsite goes, and with all of them the source. A record shorter than the mark,
/// which can say nothing, stays.
pub fn without_records(
    bytes: &[u8],
    mut goes: impl FnMut(&RecordRef<'_>) -> bool,
) -> Option<(Vec<u8>, u64)> {
    let batch = BatchRef::parse(bytes).ok()?;
    let mut removed = 0;
    // Whether each is gone, now or before.
    let mut gone = Vec::new();
    for record in batch.records() {
        let is_gone = match &record {
            Ok(record) if record.encoded_len() >= REMOVED.len() && goes(record) => {
                removed += 1;
                true
            }
            Ok(_) => false,
            Err(error) => *error == DecodeError::Removed,
        };
        gone.push(is_gone);
    }
    if removed == 0 {
        return None;
    }
    let is_empty = gone.iter().all(|gone| *gone);
    let kept = batch.records().zip(&gone).filter(|(_, gone)| !**gone);
    let callsites: HashSet<u32> = kept
        .filter_map(|(record, _)| Some(record.ok()?.callsite.id))
        .collect();
    let mut out = Vec::with_capacity(bytes.len());
    let mut gone = gone.into_iter();
    let mut scan = Scan::new("RecordBatch", bytes);
    loop {
        let here = scan.rest;
        // What is cut off spoils nothing before it.
        let Some(Ok(item)) = scan.next() else { break };
        let whole = &here[..here.len() - scan.rest.len()];
        match item.number {
            field::RECORDS => match gone.next() {
                Some(true) => out.extend_from_slice(&REMOVED_RECORD),
                _ => out.extend_from_slice(whole),
            },
            field::CALLSITES if !callsites.contains(&callsite_id(item.bytes().ok())) => {}
            _ if is_empty => {}
            _ => out.extend_from_slice(whole),
        }
    }
    Some((out, removed))
}

fn callsite_id(callsite: Option<&[u8]>) -> u32 {
    let fields = Scan::new("Callsite", callsite.unwrap_or_default()).flatten();
    let id = fields.filter(|item| item.number == ID).last();
    id.and_then(|id| id.u32().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{BatchWriter, trace_ids};
    use crate::{Record, Task, TaskId};

    fn record(n: u64) -> Record {
        let mut record = Record {
            offset: n,
            time: n + 1,
            message: format!("message {n}"),
            task: Some(Task::from(&TaskId::random())),
            ..Record::default()
        };
        record.callsite.template = format!("template {}", n % 4);
        record.source.service = "shop".into();
        record
    }

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    #[test]
    fn the_others_keep_their_places() {
        let mut writer = BatchWriter::new();
        (0..8).for_each(|n| writer.push(&record(n)));
        let bytes = writer.finish();
        assert_eq!(without_records(&bytes, |_| false), None);
        let (new, removed) = without_records(&bytes, |r| r.offset % 4 == 1).unwrap();
        assert_eq!(removed, 2);
        assert!(new.len() < bytes.len());
        assert!(contains(&bytes, "message 5") && !contains(&new, "message 5"));
        assert!(contains(&bytes, "template 1") && !contains(&new, "template 1"));
        let batch = BatchRef::parse(&new).unwrap();
        assert_eq!(batch.source().service, "shop");
        let headers: Vec<_> = batch
            .headers()
            .map(|header| header.map(|h| h.time))
            .collect();
        for (n, read) in (0..8).zip(batch.records()) {
            if n % 4 == 1 {
                assert_eq!(read.unwrap_err(), DecodeError::Removed);
                assert_eq!(headers[n as usize], Err(DecodeError::Removed));
            } else {
                let read = read.unwrap();
                assert_eq!(read.message, format!("message {n}"));
                assert_eq!(read.callsite.template, format!("template {}", n % 4));
            }
        }
        let mut traces = 0;
        trace_ids(&new, &mut |_| traces += 1);
        assert_eq!(traces, 6);

        // Those that are gone are not counted again.
        assert_eq!(without_records(&new, |r| r.offset % 4 == 1), None);
        let (none, removed) = without_records(&new, |_| true).unwrap();
        assert_eq!(removed, 6);
        assert_eq!(none, REMOVED_RECORD.repeat(8));
    }

    #[test]
    fn what_says_nothing_stays() {
        let mut writer = BatchWriter::new();
        writer.push(&Record::default());
        assert_eq!(without_records(&writer.finish(), |_| true), None);
    }
}
