//! A task of a tree, and what is known of it.

use distlog_proto::{Kind, Outcome, RecordRef, Severity, SpanId, SpanKind};

use super::source::Place;

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// A task. Its texts are read from its records when it is shown.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its span id.
    pub span_id: SpanId,
    /// The task above; it may be missing in the tree.
    pub parent_span_id: Option<SpanId>,
    /// The record that tells most about it: its begin, or else its end, or else any.
    pub head: Option<Place>,
    /// What the head is.
    pub head_kind: Kind,
    /// Its end.
    pub end: Option<Place>,
    /// Whether another task took the same reserved id, so that the salt must be shown.
    pub shared: bool,
    /// Records and tasks below it, however deep.
    pub below: u64,
    /// Of them the tasks.
    pub tasks: u64,
    /// When it began, in ns since the epoch; 0 if nobody knows.
    pub begun: u64,
    /// The highest severity of its records, and of those below it.
    pub severity: Severity,
    /// Time of its last record; 0 if none has a time.
    pub last: u64,
    /// For the order among others where its begin is not known.
    pub(super) order: u64,
    /// What its end says, if there is one.
    pub(super) outcome: Option<Outcome>,
    took: Option<u64>,
    end_time: u64,
    pub(super) span_kind: SpanKind,
    python: bool,
    by_otlp: bool,
    /// Who sent it, as a number of the builder.
    pub(super) producer: u32,
    /// Of a span that came by OTLP: offset at its producer of its begin. All records of one span stand behind each
    /// other, so it tells two spans that share an id.
    pub(super) base: Option<u64>,
    /// Fingerprints of begin and end: a span that was sent again is the same.
    pub(super) prints: (Option<u64>, Option<u64>),
    /// The next node with the same span id.
    pub(super) next: u32,
    /// Of a span that was sent again: the node that stands for it.
    pub(super) same_as: u32,
    /// Whether the id that was asked for means it.
    pub(super) named: bool,
    /// Of the path without its salt; 0 where there is none.
    pub(super) taken: u64,
    /// Where its items begin and end.
    pub(super) items: (u32, u32),
}

/// What is known about a task's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its end was not seen yet.
    Running,
    /// It ended, but nobody said how: a Python task without an end.
    Ended,
    /// It ended.
    Done(Outcome),
    /// Nothing is known but its id: another system's span, or one whose records are gone.
    Unknown,
}

impl State {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Ended => "ended",
            State::Unknown => "unknown",
            State::Done(outcome) => outcome.name(),
        }
    }
}

impl Node {
    pub(super) fn new(span_id: SpanId) -> Node {
        Node {
            span_id,
            parent_span_id: None,
            head: None,
            head_kind: Kind::Event,
            end: None,
            shared: false,
            below: 0,
            tasks: 0,
            begun: 0,
            severity: Severity::UNSET,
            last: 0,
            order: 0,
            outcome: None,
            took: None,
            end_time: 0,
            span_kind: SpanKind::Unset,
            python: false,
            by_otlp: false,
            producer: NONE,
            base: None,
            prints: (None, None),
            next: NONE,
            same_as: NONE,
            named: false,
            taken: 0,
            items: (0, 0),
        }
    }

    /// Takes a record of it. `time` is the record's, or when it came where that is not known.
    pub(super) fn take(&mut self, record: &RecordRef<'_>, place: Place, time: u64) {
        let begin_seen = self.head_kind == Kind::Begin && self.head.is_some();
        self.order = match self.order {
            0 => time,
            known => known.min(time),
        };
        self.last = self.last.max(record.time);
        if !begin_seen && record.time > 0 && (self.begun == 0 || record.time < self.begun) {
            self.begun = record.time;
        }
        match record.kind {
            Kind::Begin if !begin_seen => {
                self.head = Some(place);
                self.head_kind = Kind::Begin;
                self.span_kind = record.span_kind;
                self.begun = record.time;
                self.python = is_python(record);
                self.by_otlp = record.is_by_otlp();
                if self.by_otlp {
                    self.prints.0 = Some(record.fingerprint());
                }
            }
            Kind::Begin => {}
            Kind::End => {
                // A real end replaces one that the daemon wrote for a lost task, or for a Python task that was silent.
                let replaces = self
                    .outcome
                    .is_none_or(|known| matches!(known, Outcome::Lost | Outcome::Unset));
                if !replaces {
                    return;
                }
                self.end = Some(place);
                self.outcome = Some(record.outcome);
                self.took = record.took();
                self.end_time = record.time;
                if record.is_by_otlp() {
                    self.prints.1 = Some(record.fingerprint());
                }
                if !begin_seen && self.head_kind != Kind::End {
                    self.head = Some(place);
                    self.head_kind = Kind::End;
                    self.span_kind = record.span_kind;
                    self.python = is_python(record);
                    self.by_otlp = record.is_by_otlp();
                }
            }
            Kind::Event | Kind::Bind => {
                self.severity = self.severity.max(record.severity);
                if self.head.is_none() {
                    self.head = Some(place);
                    self.head_kind = record.kind;
                    self.python = is_python(record);
                }
            }
        }
    }

    /// Whether its begin or its end is here: they say what it is.
    pub fn is_told(&self) -> bool {
        self.head.is_some() && matches!(self.head_kind, Kind::Begin | Kind::End)
    }

    /// What is known about its end.
    pub fn state(&self) -> State {
        match self.outcome {
            Some(Outcome::Unset) => State::Ended,
            Some(outcome) => State::Done(outcome),
            None if self.head.is_none() => State::Unknown,
            None if self.python => State::Ended,
            None => State::Running,
        }
    }

    /// Its end, where it did not go well.
    pub(super) fn bad_end(&self) -> Option<Place> {
        let is_bad = matches!(self.state(), State::Done(outcome) if !outcome.is_ok());
        self.end.filter(|_| is_bad)
    }

    /// How long it took, in ns; to the last record where no end tells. `None` while it runs, and where begin or end is
    /// not known.
    pub fn duration(&self) -> Option<u64> {
        let begin_seen = self.head_kind == Kind::Begin && self.head.is_some();
        if begin_seen && self.begun == 0 {
            return None;
        }
        match self.state() {
            State::Running | State::Unknown | State::Done(Outcome::Lost) => None,
            _ if self.took.is_some() => self.took,
            // Both times count, and only they.
            State::Done(_) if self.by_otlp => {
                (begin_seen && self.begun == self.end_time).then_some(0)
            }
            // Python measures nothing: the time from its first to its last record.
            _ if self.begun > 0 => Some(self.last.saturating_sub(self.begun)),
            _ => None,
        }
    }

    /// For the order of siblings: its begin, or else the first time that is known of it.
    pub(super) fn order(&self) -> u64 {
        match (self.begun, self.end_time) {
            (0, 0) => self.order,
            (0, end) => end,
            (begun, _) => begun,
        }
    }

    /// Whether a span that came by OTLP is another one sent again.
    pub(super) fn is_again(&self, other: &Node) -> bool {
        let (begin, end) = (self.prints.0, self.prints.1);
        let open = end.is_none() || other.prints.1.is_none();
        self.base.is_some()
            && other.base.is_some()
            && begin == other.prints.0
            && (end == other.prints.1 || (open && begin.is_some()))
    }
}

/// Whether a program of the Python package wrote it, whose tasks often have no end. Spans from Python, which come by
/// OTLP, have one.
pub(crate) fn is_python(record: &RecordRef<'_>) -> bool {
    !record.is_by_otlp()
        && matches!(
            record.source.resource.get("telemetry.sdk.language"),
            Some(distlog_proto::ValueRef::Str("python"))
        )
}
