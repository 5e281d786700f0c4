//! What is known of a block without reading it: times, counts, and the words of its texts.

use hashbrown::HashSet;

use distlog_proto::wire::field::record;
use distlog_proto::wire::put::unzigzag;
use distlog_proto::wire::scan::{Payload, Scan};
use distlog_proto::{Kind, Outcome, Severity};

use super::canonical::BYTES;
use super::shape::{ColumnKey, Message};
use super::text_list::Texts;
use super::texts::Encoded;
use crate::words::{decimal, hash, words};

/// Of a `Field`: the numbers of values that have words.
const INT: u32 = 4;
const UINT: u32 = 5;
const STRING: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 10;
const MAP: u32 = 11;
/// Of `Otlp`.
const EVENT_NAME: u32 = 9;
/// Values are no deeper in each other in a record that was accepted.
const MAX_DEPTH: usize = 64;

/// Records of more services in a block are not counted.
const MAX_SERVICES: usize = 64;

/// What a block's records are, and what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct BlockIndex {
    /// The earliest and the latest time, in ns since the epoch: what a record says, else when it was received.
    pub(in super::super) times: Option<(u64, u64)>,
    /// Records by service and severity number.
    pub(in super::super) counts: Vec<(String, [u32; SEVERITIES])>,
    /// There are so many services that their records are not counted.
    pub(in super::super) many_services: bool,
    /// Tasks that begin.
    pub(in super::super) begins: u32,
    /// Tasks that end, by the number of the outcome.
    pub(in super::super) ends: [u32; OUTCOMES],
    /// The longest duration of a task that ends, in ns.
    pub(in super::super) longest: u64,
    /// The hashes of all words.
    pub(in super::super) words: HashSet<u64>,
}

pub(in super::super) const SEVERITIES: usize = 25;
pub(in super::super) const OUTCOMES: usize = 6;

/// What the index says of one record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row<'a> {
    pub(super) time: u64,
    kind: u64,
    outcome: u64,
    duration: u64,
    severity: u64,
    level: u64,
    severity_text: &'a [u8],
}

impl<'a> Row<'a> {
    /// Notes a number of the record.
    #[inline]
    pub(super) fn number(&mut self, field: u32, value: u64) {
        match field {
            record::TIME => self.time = value,
            record::KIND => self.kind = value,
            record::OUTCOME => self.outcome = value,
            record::DURATION => self.duration = value,
            record::SEVERITY => self.severity = value,
            record::LEVEL => self.level = value,
            _ => {}
        }
    }

    #[inline]
    pub(super) fn text(&mut self, field: u32, text: &'a [u8]) {
        if field == record::SEVERITY_TEXT {
            self.severity_text = text;
        }
    }

    /// As [`RecordRef`](distlog_proto::RecordRef) has it.
    fn severity(&self, callsite: Severity) -> Severity {
        let own = Severity::new(u32::try_from(self.severity).unwrap_or(u32::MAX));
        let known = if own == Severity::UNSET {
            callsite
        } else {
            own
        };
        if known == Severity::UNSET && self.level == 0 && !self.severity_text.is_empty() {
            let text = std::str::from_utf8(self.severity_text).unwrap_or_default();
            return Severity::from_text(text).unwrap_or_default();
        }
        known
    }
}

impl BlockIndex {
    /// The place of a service in the counts; beyond all places where there are too many.
    pub(in super::super) fn service(&mut self, name: &[u8]) -> usize {
        if self.many_services {
            return MAX_SERVICES;
        }
        let known = self
            .counts
            .iter()
            .position(|(known, _)| known.as_bytes() == name);
        if known.is_none() && self.counts.len() == MAX_SERVICES {
            self.many_services = true;
            self.counts.clear();
            return MAX_SERVICES;
        }
        known.unwrap_or_else(|| {
            let name = String::from_utf8_lossy(name).into_owned();
            self.counts.push((name, [0; SEVERITIES]));
            self.counts.len() - 1
        })
    }

    /// Adds a record of a service.
    #[inline]
    pub(in super::super) fn add(&mut self, time: u64, severity: Severity, service: usize) {
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        if let Some((_, counts)) = self.counts.get_mut(service)
            && let Some(count) = counts.get_mut(usize::from(severity.number()))
        {
            *count += 1;
        }
    }

    /// Adds what a record says of its task.
    #[inline]
    pub(in super::super) fn add_task(&mut self, kind: Kind, outcome: Outcome, duration: u64) {
        match kind {
            Kind::Begin => self.begins += 1,
            Kind::End => {
                self.longest = self.longest.max(duration);
                if let Some(count) = self.ends.get_mut(outcome as usize) {
                    *count += 1;
                }
            }
            Kind::Event | Kind::Bind => {}
        }
    }

    /// Adds a record of a service, whose callsite has a severity.
    pub(super) fn add_row(
        &mut self,
        row: &Row<'_>,
        service: usize,
        callsite: Severity,
        received: u64,
    ) {
        let time = if row.time > 0 { row.time } else { received };
        self.add(time, row.severity(callsite), service);
        let outcome = Outcome::from_number(row.outcome);
        self.add_task(Kind::from_number(row.kind), outcome, row.duration);
    }

    fn word(&mut self, word: &str) {
        self.words.insert(hash(word));
    }

    /// Adds the words of a text.
    pub(super) fn add_text(&mut self, text: &[u8]) {
        words(std::str::from_utf8(text).unwrap_or_default()).for_each(|word| self.word(word));
    }

    /// Adds the words of a column of numbers.
    pub(super) fn add_numbers(&mut self, key: &ColumnKey, values: &[u64]) {
        let whole: fn(u64) -> u64 = match key.tag >> 3 {
            INT if key.message.is_named() => |value| unzigzag(value).unsigned_abs(),
            UINT if key.message.is_named() => |value| value,
            _ => return,
        };
        let mut before = None;
        for value in values {
            if before.replace(*value) != Some(*value) {
                self.word(decimal(whole(*value), &mut [0; 20]));
            }
        }
    }

    /// Adds the words of a column of texts, which is also given as it is written.
    pub(super) fn add_texts(&mut self, key: &ColumnKey, texts: &Texts, encoded: &Encoded<'_>) {
        if is_of_items(key) {
            texts.iter().for_each(|items| self.add_items(items, 0));
        } else if is_searched(key) {
            encoded.words(&mut |word| self.word(word));
        }
    }

    /// Adds the words of the values in a list or a map.
    fn add_items(&mut self, items: &[u8], depth: usize) {
        for item in fields(items, 1) {
            for value in Scan::new("Field", item).flatten() {
                match (value.number, value.payload) {
                    (INT, Payload::Varint(n)) => {
                        self.word(decimal(unzigzag(n).unsigned_abs(), &mut [0; 20]));
                    }
                    (UINT, Payload::Varint(n)) => self.word(decimal(n, &mut [0; 20])),
                    (STRING | TEXT, Payload::Bytes(text)) => self.add_text(text),
                    (LIST | MAP, Payload::Bytes(inner)) if depth < MAX_DEPTH => {
                        self.add_items(inner, depth + 1);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The messages in a field of a message.
fn fields(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    let all = Scan::new("message", message).flatten();
    all.filter_map(move |field| match field.payload {
        Payload::Bytes(bytes) if field.number == number => Some(bytes),
        _ => None,
    })
}

/// Whether the values of a column are texts that a search looks at, or lists and maps that may have such.
pub(super) fn is_searched(key: &ColumnKey) -> bool {
    let field = key.tag >> 3;
    let is_text = key.tag & 7 == BYTES;
    is_text
        && match key.message {
            Message::Record => {
                matches!(
                    field,
                    record::MESSAGE | record::NAME | record::STATUS_MESSAGE
                )
            }
            Message::Error => true,
            Message::Otlp => field == EVENT_NAME,
            Message::Field | Message::Context => matches!(field, STRING | TEXT | LIST | MAP),
            Message::Task | Message::Scope => false,
        }
}

/// Whether they are lists or maps.
fn is_of_items(key: &ColumnKey) -> bool {
    matches!(key.message, Message::Field | Message::Context) && matches!(key.tag >> 3, LIST | MAP)
}
