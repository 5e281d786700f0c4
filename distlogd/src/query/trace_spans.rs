//! The spans of a trace, as OTLP has them.

use std::collections::{HashMap, HashSet};

use distlog_bridge::{OpenSpan, Origin, Origins, Request};
use distlog_proto::{Kind, RecordRef, SpanId, TraceId};

use crate::storage::{Storage, StorageError};

/// Spans take so much, in bytes; then those that have ended are handed over.
const SPANS_BYTES: usize = 24 << 20;
/// They are handed over in parts of about this size, in bytes.
const PART_BYTES: usize = 1 << 20;
/// A span takes so much beside what is in it, in bytes.
const SPAN: usize = 512;

/// Why the spans of a trace are not all there.
#[derive(Debug, thiserror::Error)]
pub enum SpansError {
    /// The records cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Tasks that have not ended fill the memory.
    #[error("too many tasks of the trace have not ended: ask for its tree, /api/v1/tasks/ID")]
    Open,
}

/// Hands over the spans of a trace that have ended, in the order in which they began: as the bytes of
/// one `TracesData` or more. Whatever was logged in a task is an event of its span. Ends early if `take` gives false.
///
/// # Errors
/// If the store cannot be read, or the trace has too many tasks that have not ended.
pub fn trace_spans(
    storage: &dyn Storage,
    trace: TraceId,
    mut take: impl FnMut(Vec<u8>) -> bool,
) -> Result<(), SpansError> {
    let mut spans = Spans::default();
    let mut full = false;
    let mut gone = false;
    storage.each_batch(trace, 0..u64::MAX, &mut |batch| {
        for record in batch.records() {
            if record.task.is_some_and(|task| task.trace_id == trace) {
                spans.add(&record);
            }
        }
        if spans.bytes > SPANS_BYTES {
            gone = spans.hand_over(&mut take);
            full = spans.bytes > SPANS_BYTES;
        }
        !gone && !full
    })?;
    if full {
        return Err(SpansError::Open);
    }
    if gone {
        return Ok(());
    }
    if !spans.early.is_empty() {
        storage.each_batch(trace, 0..u64::MAX, &mut |batch| {
            for record in batch.records() {
                if record.task.is_some_and(|task| task.trace_id == trace) {
                    spans.add_early(&record);
                }
            }
            true
        })?;
    }
    spans.hand_over(&mut take);
    Ok(())
}

/// A span and, of one that came by OTLP, its run ([`RecordRef::run`]), since two of them may share the id.
type Key = (SpanId, u64);

#[derive(Default)]
struct Spans {
    /// In the order in which they began.
    spans: Vec<Collected>,
    places: HashMap<Key, usize>,
    /// The newest run of each span that has one.
    runs: HashMap<SpanId, u64>,
    /// Spans of which events came before their begin.
    early: HashSet<SpanId>,
    origins: Origins,
    bytes: usize,
}

struct Collected {
    key: Key,
    /// Number of its first record.
    number: u64,
    span: OpenSpan,
    origin: Origin,
    ended: bool,
}

impl Spans {
    fn place(&self, span_id: SpanId, run: u64) -> Option<usize> {
        let run = match run {
            // A log record names only the span.
            0 => self.runs.get(&span_id).copied().unwrap_or_default(),
            run => run,
        };
        self.places.get(&(span_id, run)).copied()
    }

    fn add(&mut self, record: &RecordRef<'_>) {
        let Some(span_id) = record.task.map(|task| task.span_id) else {
            return;
        };
        let run = record.run();
        let place = self.place(span_id, run);
        match (record.kind, place) {
            // A begin that is repeated says nothing new.
            (Kind::Begin, Some(_)) => {}
            (Kind::Begin, None) => self.insert((span_id, run), record, OpenSpan::begin(record)),
            (Kind::End, None) => {
                self.insert((span_id, run), record, OpenSpan::without_begin(record));
                if let Some(new) = self.spans.last_mut() {
                    new.span.end(record);
                    new.ended = true;
                }
            }
            (Kind::Event, None) => {
                self.early.insert(span_id);
            }
            (Kind::Bind, None) => {}
            (_, Some(place)) => self.extend(place, record),
        }
    }

    fn insert(&mut self, key: Key, record: &RecordRef<'_>, span: Option<OpenSpan>) {
        // Records of a task have one.
        let Some(span) = span else { return };
        self.bytes += SPAN + span.bytes();
        self.places.insert(key, self.spans.len());
        if key.1 != 0 {
            self.runs.insert(key.0, key.1);
        }
        self.spans.push(Collected {
            key,
            number: record.store_number,
            span,
            origin: self.origins.recent().of_another(record),
            ended: false,
        });
    }

    fn extend(&mut self, place: usize, record: &RecordRef<'_>) {
        let Some(known) = self.spans.get_mut(place) else {
            return;
        };
        match record.kind {
            Kind::Event => {
                let before = known.span.event_bytes();
                known.span.event(record);
                self.bytes += known.span.event_bytes() - before;
            }
            Kind::Bind if !known.ended => known.span.bind(record),
            Kind::End if !known.ended => {
                known.span.end(record);
                known.ended = true;
            }
            Kind::Begin | Kind::Bind | Kind::End => {}
        }
    }

    /// Adds an event that came before the begin of its span.
    fn add_early(&mut self, record: &RecordRef<'_>) {
        let Some(span_id) = record.task.map(|task| task.span_id) else {
            return;
        };
        if record.kind != Kind::Event || !self.early.contains(&span_id) {
            return;
        }
        if let Some(place) = self.place(span_id, record.run())
            && record.store_number < self.spans[place].number
        {
            self.extend(place, record);
        }
    }

    /// Hands over those that have ended. True if nobody takes any more.
    fn hand_over(&mut self, take: &mut impl FnMut(Vec<u8>) -> bool) -> bool {
        let mut request = Request::new(PART_BYTES);
        let (ended, open): (Vec<Collected>, Vec<Collected>) = std::mem::take(&mut self.spans)
            .into_iter()
            .partition(|span| span.ended);
        for span in &ended {
            while !request.push_with(&span.origin, |out| span.span.put(out)) {
                if !take(request.finish()) {
                    return true;
                }
            }
        }
        drop(ended);
        let places = open.iter().enumerate();
        self.places = places.map(|(place, span)| (span.key, place)).collect();
        let weights = open.iter().map(|span| SPAN + span.span.bytes());
        self.bytes = weights.sum();
        self.spans = open;
        !request.is_empty() && !take(request.finish())
    }
}
