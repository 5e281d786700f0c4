//! OTLP export requests become batches of records, straight from their bytes: no message is built in between.
//!
//! Read it in this order: `any.rs` (values and attributes), `known.rs` (those that
//! distlog has fields for), `ids.rs`, `source.rs` and `scope.rs` (who logged), `batches.rs` (what is
//! handed over), `span.rs` and `log.rs`.
//!
//! A span becomes the begin of a task, an event for each of its events, and the end. Its attributes are the task's
//! context; each of its records has them, events only while they are short. A task's path is `~` and the span id,
//! unless the attribute `distlog.task` names an id that the span id follows from. A log record becomes an event in the
//! task of its span. What they say stays as it is, so that [`crate::OpenSpan`] and [`crate::log_record`] make the same
//! of it again. What distlog needs is set beside: service, host and process of the source, file and line of the
//! callsite, thread, error.
//!
//! An item that cannot be taken is refused alone, and counted; of a request whose frame is broken nothing is taken.

mod any;
mod batches;
mod ids;
mod known;
mod log;
mod scope;
mod source;
mod span;

use distlog_proto::ProducerId;
use distlog_proto::wire::DecodeError;
use distlog_proto::wire::scan::Scan;

use batches::Batches;
use scope::Scope;
use source::Source;

/// Where the records of a request go.
pub trait Take {
    /// The producer that a resource (the bytes of its message) stands for, and the first of `count` offsets of it that
    /// nobody else uses. Not all of them need to become records.
    fn offsets(&mut self, resource: &[u8], count: u64) -> (ProducerId, u64);

    /// Takes a batch.
    fn batch(&mut self, batch: Batch);
}

/// Records of one producer in encoding B, of 128 KiB and more until there are no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Who sent them.
    pub producer: ProducerId,
    /// Offset of the first one.
    pub from: u64,
    /// The offset after the last one.
    pub to: u64,
    /// How many there are.
    pub count: u32,
    /// A `distlog.v1.RecordBatch`.
    pub bytes: Vec<u8>,
}

/// What became of the items of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSuccess {
    /// Spans or log records that were taken.
    pub accepted: u64,
    /// Spans or log records that cannot be taken.
    pub refused: u64,
    /// Why the first of them cannot.
    pub reason: Option<Fault>,
}

/// Why an item cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is malformed.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// An id that must be there is not, or not what an id is.
    #[error("the {what} has {found} bytes or is zero; it must have {expected} and not be zero")]
    BadId {
        /// Which id.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The length it must have, in bytes.
        expected: usize,
    },
    /// One of its records is too large for a batch.
    #[error("one of its records would have more than {0} bytes, written out")]
    TooLarge(usize),
    /// The resource or scope that it came with is too large.
    #[error("its {0} has more than {1} bytes")]
    LargeOrigin(&'static str, usize),
}

/// Takes an `ExportTraceServiceRequest`. Its spans that are good are taken, the others are counted.
///
/// # Errors
/// If the request cannot be divided into spans; nothing is taken then.
pub fn traces(request: &[u8], take: &mut dyn Take) -> Result<PartialSuccess, DecodeError> {
    receive(request, &TRACES, take)
}

/// Takes an `ExportLogsServiceRequest`, likewise. `received` is when it came, in ns since the Unix epoch.
///
/// # Errors
/// If the request cannot be divided into log records; nothing is taken then.
pub fn logs(
    request: &[u8],
    received: u64,
    take: &mut dyn Take,
) -> Result<PartialSuccess, DecodeError> {
    receive(request, &Logs { received }, take)
}

/// The source that the items of a `ResourceSpans` or `ResourceLogs` get, as a `distlog.v1.RecordBatch` without records.
///
/// # Errors
/// If the resource is malformed or too large.
#[cfg(feature = "sdk")]
pub(crate) fn source(group: &[u8], producer: ProducerId) -> Result<Vec<u8>, Fault> {
    let mut batch = Vec::new();
    Source::read("ResourceSpans", group)?.put(producer, &mut batch);
    Ok(batch)
}

/// How the items of a signal are read. Requests of all signals have the same frame.
trait Signal {
    /// The names of the request, of what it has for each resource, and of what that has for each scope.
    const FRAME: [&'static str; 3];

    /// Takes one item.
    fn item(&self, item: &[u8], scope: &Scope, into: &mut Batches<'_>) -> Result<(), Fault>;
}

struct Traces;
const TRACES: Traces = Traces;

impl Signal for Traces {
    const FRAME: [&'static str; 3] = ["ExportTraceServiceRequest", "ResourceSpans", "ScopeSpans"];

    fn item(&self, item: &[u8], scope: &Scope, into: &mut Batches<'_>) -> Result<(), Fault> {
        span::take(item, scope, into)
    }
}

struct Logs {
    received: u64,
}

impl Signal for Logs {
    const FRAME: [&'static str; 3] = ["ExportLogsServiceRequest", "ResourceLogs", "ScopeLogs"];

    fn item(&self, item: &[u8], scope: &Scope, into: &mut Batches<'_>) -> Result<(), Fault> {
        log::take(item, self.received, scope, into)
    }
}

/// Numbers of the fields of the frame, the same in both signals.
mod frame {
    pub const RESOURCES: u32 = 1;
    pub const RESOURCE: u32 = 1;
    pub const SCOPES: u32 = 2;
    pub const SCOPE: u32 = 1;
    pub const ITEMS: u32 = 2;
    pub const SCHEMA_URL: u32 = 3;
}

fn receive<S: Signal>(
    request: &[u8],
    signal: &S,
    take: &mut dyn Take,
) -> Result<PartialSuccess, DecodeError> {
    let [request_name, group_name, scopes_name] = S::FRAME;
    // All of the frame is looked at before anything is taken.
    for group in parts(request_name, request, frame::RESOURCES) {
        for scopes in parts(group_name, group?, frame::SCOPES) {
            for item in parts(scopes_name, scopes?, frame::ITEMS) {
                item?;
            }
        }
    }
    let mut partial_success = PartialSuccess::default();
    for group in parts(request_name, request, frame::RESOURCES).flatten() {
        let source = Source::read(group_name, group);
        let mut batches = source
            .as_ref()
            .ok()
            .map(|source| Batches::new(source, group.len(), take));
        for scopes in parts(group_name, group, frame::SCOPES).flatten() {
            let scope = Scope::read(scopes_name, scopes);
            for item in parts(scopes_name, scopes, frame::ITEMS).flatten() {
                let taken = match (&source, &scope, &mut batches) {
                    (Err(fault), _, _) | (_, Err(fault), _) => Err(*fault),
                    (_, Ok(scope), Some(batches)) => {
                        batches.item(item.len(), |into| signal.item(item, scope, into))
                    }
                    // There are batches where there is a source.
                    (Ok(_), Ok(_), None) => Ok(()),
                };
                partial_success.note(taken);
            }
        }
        if let Some(batches) = batches {
            batches.finish();
        }
    }
    Ok(partial_success)
}

impl PartialSuccess {
    fn note(&mut self, taken: Result<(), Fault>) {
        match taken {
            Ok(()) => self.accepted += 1,
            Err(fault) => {
                self.refused += 1;
                self.reason.get_or_insert(fault);
            }
        }
    }
}

/// The messages that stand in a field of a message.
fn parts<'a>(
    message: &'static str,
    bytes: &'a [u8],
    number: u32,
) -> impl Iterator<Item = Result<&'a [u8], DecodeError>> {
    Scan::new(message, bytes).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(field.bytes()),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}
