//! Where the begin of a task comes from that is not in memory: the store.

use distlog_proto::{RecordRef, SpanId, TraceId};

/// What the store could not do.
pub type FindError = Box<dyn std::error::Error + Send + Sync>;

/// Looks up tasks in the store.
pub trait FindTask: Send {
    /// Hands over the records of one task that the store has, in the order in which they were stored, with their
    /// numbers ([`RecordRef::store_number`]): begin, bind and end in any case, of the events those that the rules route
    /// to this processor.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn find(
        &mut self,
        trace: TraceId,
        span: SpanId,
        take: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), FindError>;
}

impl<F> FindTask for F
where
    F: FnMut(TraceId, SpanId, &mut dyn FnMut(&RecordRef<'_>)) -> Result<(), FindError> + Send,
{
    fn find(
        &mut self,
        trace: TraceId,
        span: SpanId,
        take: &mut dyn FnMut(&RecordRef<'_>),
    ) -> Result<(), FindError> {
        self(trace, span, take)
    }
}
