//! The fragments of a dictionary that records have in common with earlier ones.

use super::Sink;
use distlog_proto::Kind;
use distlog_proto::Severity;
use distlog_proto::SpanId;
use distlog_proto::wire::{CallsiteRef, SourceRef};

/// A fragment of the dictionary, with all that its bytes depend on: equal fragments have equal bytes.
///
/// Callsites and sources are compared by address, which is fast. They are borrowed, so the address of one cannot become
/// that of another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fragment<'a> {
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
    /// The attributes of the source, under OpenTelemetry's names.
    Source(&'a SourceRef<'a>),
}

/// A sink that knows where fragments begin and end.
pub(crate) trait FragmentSink<'a>: Sink {
    /// Writes a fragment by `write`, or as it was written before.
    fn fragment(&mut self, fragment: Fragment<'a>, write: impl FnOnce(&mut Self));
}

impl Fragment<'_> {
    /// Number of kinds.
    pub(crate) const KINDS: usize = 10;

    /// Its kind, and a hash among those of its kind.
    #[inline(always)] // The kind is known where it is called.
    pub(crate) fn hash(&self) -> (usize, usize) {
        let id = |callsite: &CallsiteRef<'_>| callsite.id as usize;
        match self {
            Fragment::Second(_) => (0, 0),
            Fragment::Level(_, callsite) => (1, id(callsite)),
            Fragment::Template(_, callsite) => (2, id(callsite)),
            Fragment::Place(callsite) => (3, id(callsite)),
            Fragment::Thread(_, kind, id, _) => (4, *id as usize ^ *kind as usize),
            Fragment::Context(span, _) => (5, span.get() as usize),
            Fragment::Ids(span, _) => (6, span.get() as usize),
            Fragment::ContextText(span, _) => (7, span.get() as usize),
            Fragment::Service(_) => (8, 0),
            Fragment::Source(_) => (9, 0),
        }
    }
}

impl PartialEq for Fragment<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Fragment::Second(a), Fragment::Second(b)) => a == b,
            (Fragment::Level(s, a), Fragment::Level(t, b))
            | (Fragment::Template(s, a), Fragment::Template(t, b)) => {
                s == t && std::ptr::eq(*a, *b)
            }
            (Fragment::Place(a), Fragment::Place(b)) => std::ptr::eq(*a, *b),
            (Fragment::Thread(a, kind, id, name), Fragment::Thread(b, other, of, called)) => {
                std::ptr::eq(*a, *b) && kind == other && id == of && name == called
            }
            (Fragment::Context(_, a), Fragment::Context(_, b))
            | (Fragment::Ids(_, a), Fragment::Ids(_, b))
            | (Fragment::ContextText(_, a), Fragment::ContextText(_, b)) => {
                std::ptr::eq(*a, *b) || a == b
            }
            (Fragment::Service(a), Fragment::Service(b))
            | (Fragment::Source(a), Fragment::Source(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }
}
