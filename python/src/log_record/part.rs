//! What records have in common with those before them.

use super::Sink;
use distlog_proto::Kind;
use distlog_proto::Severity;
use distlog_proto::SpanId;
use distlog_proto::wire::{CallsiteRef, SourceRef};

/// A part of the dictionary, by all that it says: what is equal is written in the same bytes.
///
/// Callsites and sources are told apart by their place in memory, which is quick. As they are borrowed, nothing else
/// can have come to stand there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// From the beginning to the second of the time.
    Second(u64),
    /// Level and name.
    Level(Severity, &'a CallsiteRef<'a>),
    /// Template and number of the level.
    Template(Severity, &'a CallsiteRef<'a>),
    /// The place in the code.
    Place(&'a CallsiteRef<'a>),
    /// From the thread to the kind of the record: id, name.
    Thread(&'a SourceRef<'a>, Kind, u64, &'a str),
    /// What follows the record's number in the context: the task in the bytes that the record has it in.
    Context(SpanId, &'a [u8]),
    /// Ids of the task, likewise.
    Ids(SpanId, &'a [u8]),
    /// Which of the task's fields are text, likewise.
    ContextText(SpanId, &'a [u8]),
    /// The service.
    Service(&'a SourceRef<'a>),
    /// What is said about the source where OpenTelemetry's names are.
    Source(&'a SourceRef<'a>),
}

/// A sink that is told where such a part is.
pub(crate) trait Parts<'a>: Sink {
    /// A part: `write` writes it.
    fn part(&mut self, part: Part<'a>, write: impl FnOnce(&mut Self));
}

impl Part<'_> {
    /// How many kinds there are.
    pub(crate) const KINDS: usize = 10;

    /// Which kind it is, and something that mostly tells it from others of its kind.
    #[inline(always)] // Where it is asked the kind is known.
    pub(crate) fn hash(&self) -> (usize, usize) {
        let place = |callsite: &CallsiteRef<'_>| callsite.id as usize;
        match self {
            Part::Second(_) => (0, 0),
            Part::Level(_, callsite) => (1, place(callsite)),
            Part::Template(_, callsite) => (2, place(callsite)),
            Part::Place(callsite) => (3, place(callsite)),
            Part::Thread(_, kind, id, _) => (4, *id as usize ^ *kind as usize),
            Part::Context(span, _) => (5, span.get() as usize),
            Part::Ids(span, _) => (6, span.get() as usize),
            Part::ContextText(span, _) => (7, span.get() as usize),
            Part::Service(_) => (8, 0),
            Part::Source(_) => (9, 0),
        }
    }
}

impl PartialEq for Part<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Part::Second(a), Part::Second(b)) => a == b,
            (Part::Level(s, a), Part::Level(t, b))
            | (Part::Template(s, a), Part::Template(t, b)) => s == t && std::ptr::eq(*a, *b),
            (Part::Place(a), Part::Place(b)) => std::ptr::eq(*a, *b),
            (Part::Thread(a, kind, id, name), Part::Thread(b, other, of, called)) => {
                std::ptr::eq(*a, *b) && kind == other && id == of && name == called
            }
            (Part::Context(_, a), Part::Context(_, b))
            | (Part::Ids(_, a), Part::Ids(_, b))
            | (Part::ContextText(_, a), Part::ContextText(_, b)) => std::ptr::eq(*a, *b) || a == b,
            (Part::Service(a), Part::Service(b)) | (Part::Source(a), Part::Source(b)) => {
                std::ptr::eq(*a, *b)
            }
            _ => false,
        }
    }
}
