//! Batches of the records of one resource.

use std::collections::HashMap;

use distlog_proto::wire::encode::{self, CallsiteHead};
use distlog_proto::{ProducerId, SpanId, TaskId, TraceId, wire};

use super::source::Source;
use super::{Batch, Fault, Take};

/// A batch takes no more items from this size on, in bytes, or a multiple of what its source takes.
const ENOUGH: usize = 128 << 10;
const SOURCES: usize = 4;
/// A record may have so much, written out, in bytes: the daemon stores batches of up to 16 MiB.
const MAX_RECORD: usize = 8 << 20;
/// An item of more bytes may go into several batches. It is looked through before, so that all of it is taken or
/// nothing.
const LARGE_ITEM: usize = 64 << 10;

/// The batch that is being written, and where it goes.
pub(super) struct Batches<'t> {
    take: &'t mut dyn Take,
    source: &'t Source<'t>,
    producer: ProducerId,
    /// Offset of the next record.
    next: u64,
    from: u64,
    count: u32,
    bytes: Vec<u8>,
    enough: usize,
    /// Bytes of the group whose items did not come yet.
    left: usize,
    callsites: Callsites,
    /// What is done with a large item.
    large: Option<Large>,
    /// Each record is written here before it gets its length and offset.
    record: Vec<u8>,
    /// For what the records of an item have in common.
    pub(super) scratch: Scratch,
}

/// What is done with an item that may be too large for a batch.
#[derive(Debug, Clone, Copy)]
enum Large {
    /// Its records are thrown away, from this length of the batch on.
    LookThrough(usize),
    /// Full batches are handed over in its midst.
    Divide,
}

/// Buffers that are used again for each item.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The attributes of a span.
    pub(super) context: Vec<u8>,
    /// The task of its records.
    pub(super) task: Vec<u8>,
    /// The task without its attributes.
    pub(super) bare_task: Vec<u8>,
    /// The fields of an event.
    pub(super) fields: Vec<u8>,
    /// The path.
    pub(super) path: String,
    /// A readable text.
    pub(super) text: String,
}

impl Scratch {
    /// Sets the path of a task: that of the id that the attribute `distlog.task` names, which is believed only if the
    /// span id follows from it, or `~` and the span id.
    pub(super) fn set_path(&mut self, named: Option<&str>, trace_id: TraceId, span_id: SpanId) {
        self.path.clear();
        match named.and_then(|id| id.parse::<TaskId>().ok()) {
            Some(id) if id.trace_id() == trace_id && id.span_id() == span_id => {
                self.path.push_str(id.path());
            }
            _ => {
                self.path.push('~');
                span_id.push_hex(&mut self.path);
            }
        }
    }
}

/// The callsites of a batch.
#[derive(Debug, Default)]
struct Callsites {
    ids: HashMap<Vec<u8>, u32>,
    /// The one that was asked for last; most records have the same.
    last: (Vec<u8>, u32),
    used: u32,
    head: Vec<u8>,
}

impl<'t> Batches<'t> {
    /// For a group of `len` bytes. No record takes fewer than one of them.
    pub(super) fn new(source: &'t Source<'t>, len: usize, take: &'t mut dyn Take) -> Batches<'t> {
        let (producer, next) = take.offsets(source.resource, len as u64);
        Batches {
            take,
            source,
            producer,
            next,
            from: next,
            count: 0,
            bytes: Vec::new(),
            left: len,
            enough: ENOUGH.max(SOURCES * source.len()),
            callsites: Callsites::default(),
            large: None,
            record: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Lets an item of `len` bytes write its records. If it fails, none of them is there.
    pub(super) fn item(
        &mut self,
        len: usize,
        write: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.bytes.len() >= self.enough {
            self.flush();
        }
        let result = match len {
            0..=LARGE_ITEM => self.attempt(write),
            _ => self.large_item(write),
        };
        self.left = self.left.saturating_sub(len);
        result
    }

    fn large_item(
        &mut self,
        mut write: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.large = Some(Large::LookThrough(self.bytes.len()));
        let kept = (self.bytes.len(), self.next, self.count);
        let good = self.attempt(&mut write);
        self.take_back(kept);
        self.large = Some(Large::Divide);
        let result = good.and_then(|()| self.attempt(write));
        self.large = None;
        result
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let before = (self.bytes.len(), self.next, self.count);
        let result = write(self);
        if result.is_err() {
            self.take_back(before);
        }
        result
    }

    fn take_back(&mut self, (len, next, count): (usize, u64, u32)) {
        (self.next, self.count) = (next, count);
        self.bytes.truncate(len);
        // Some callsites may have been described in what was taken back; their numbers are not used again.
        self.callsites.forget();
    }

    /// Makes room in the midst of a large item. The callsite that was asked for last is known afterwards, too.
    fn divide(&mut self) {
        match self.large {
            Some(Large::LookThrough(kept)) => self.bytes.truncate(kept),
            Some(Large::Divide) => {
                let last = self.callsites.last.clone();
                self.flush();
                self.describe_source();
                self.callsites.used = last.1;
                encode::callsite_of(&mut self.bytes, last.1, &last.0);
                self.callsites.ids.insert(last.0.clone(), last.1);
                self.callsites.last = last;
            }
            None => {}
        }
    }

    /// The number of a callsite in this batch.
    pub(super) fn callsite(&mut self, callsite: &CallsiteHead<'_>) -> u32 {
        self.describe_source();
        let Callsites {
            ids,
            last,
            used,
            head,
        } = &mut self.callsites;
        head.clear();
        callsite.put(head);
        if last.1 != 0 && last.0 == *head {
            return last.1;
        }
        let id = match ids.get(head) {
            Some(id) => *id,
            None => {
                *used += 1;
                encode::callsite_of(&mut self.bytes, *used, head);
                ids.insert(head.clone(), *used);
                *used
            }
        };
        last.0.clone_from(head);
        last.1 = id;
        id
    }

    /// Appends a record, which `write` encodes without its offset.
    pub(super) fn record(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, &mut Scratch) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.describe_source();
        self.record.clear();
        write(&mut self.record, &mut self.scratch)?;
        if self.record.len() > MAX_RECORD {
            return Err(Fault::TooLarge(MAX_RECORD));
        }
        if self.bytes.len() >= self.enough {
            self.divide();
        }
        wire::put_record(&mut self.bytes, self.next, &self.record);
        self.next += 1;
        self.count += 1;
        Ok(())
    }

    /// Hands over what there is.
    pub(super) fn finish(mut self) {
        self.flush();
    }

    fn describe_source(&mut self) {
        if self.bytes.is_empty() {
            // Records take about as much as the items that they are made of.
            let items = self.left.saturating_add(self.left / 4).min(self.enough);
            self.bytes.reserve(self.source.len() + items);
            self.source.put(self.producer, &mut self.bytes);
        }
    }

    fn flush(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if self.count > 0 {
            // Where items were refused.
            if bytes.capacity() / 2 > bytes.len() {
                bytes.shrink_to_fit();
            }
            self.take.batch(Batch {
                producer: self.producer,
                from: self.from,
                to: self.next,
                count: self.count,
                bytes,
            });
        }
        self.from = self.next;
        self.count = 0;
        self.callsites.forget();
        self.callsites.used = 0;
    }
}

impl Callsites {
    fn forget(&mut self) {
        self.ids.clear();
        self.last.1 = 0;
    }
}
