//! The little by which tasks are followed, read without the rest of a record.

use super::batch_ref::BatchRef;
use super::field::{batch, record, task};
use super::record_ref::{RecordRef, run};
use super::scan::{DecodeError, Scan};
use crate::id::{SpanId, TraceId};
use crate::record::{Kind, Outcome};

/// What a record is about. It costs a fraction of the whole [`RecordRef`], which [`RecordHeader::read`] gives.
#[derive(Debug, Clone, Copy)]
pub struct RecordHeader<'a> {
    /// What the record tells of its task.
    pub kind: Kind,
    /// In nanoseconds since the Unix epoch.
    pub time: u64,
    /// Its task, if it has one.
    pub task: Option<(TraceId, SpanId)>,
    /// Whether its task may be the topmost one that is known: it names none above it, or only one of another system
    /// (`~x/n`).
    pub may_be_top: bool,
    /// How the task ended.
    pub outcome: Outcome,
    /// How long the task took, in nanoseconds; `None` where that is not told.
    pub duration: Option<u64>,
    offset: u64,
    number: u64,
    by_otlp: bool,
    batch: &'a BatchRef<'a>,
    bytes: &'a [u8],
}

impl<'a> RecordHeader<'a> {
    fn parse(batch: &'a BatchRef<'a>, bytes: &'a [u8]) -> Result<RecordHeader<'a>, DecodeError> {
        let mut outline = RecordHeader {
            kind: Kind::Event,
            time: 0,
            task: None,
            may_be_top: false,
            outcome: Outcome::Unset,
            duration: None,
            offset: 0,
            number: 0,
            by_otlp: false,
            batch,
            bytes,
        };
        for item in Scan::new("Record", bytes) {
            let item = item?;
            match item.number {
                record::KIND => outline.kind = Kind::from_number(item.varint()?),
                record::TIME => outline.time = item.fixed64()?,
                record::TASK => {
                    (outline.task, outline.may_be_top) = ids(item.bytes()?)?;
                }
                record::OUTCOME => outline.outcome = Outcome::from_number(item.varint()?),
                record::DURATION => outline.duration = Some(item.varint()?),
                record::OFFSET => outline.offset = item.varint()?,
                record::NUMBER => outline.number = item.varint()?,
                record::OTLP => outline.by_otlp = true,
                record::REMOVED => return Err(DecodeError::Removed),
                _ => {}
            }
        }
        Ok(outline)
    }

    /// See [`RecordRef::run`].
    pub fn run(&self) -> u64 {
        let event = matches!(self.kind, Kind::Event | Kind::Bind);
        if self.by_otlp && (!event || self.number > 0) {
            run(self.batch.source().producer, self.offset, self.number)
        } else {
            0
        }
    }

    /// The whole record.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(&self) -> Result<RecordRef<'a>, DecodeError> {
        self.batch.record(self.bytes)
    }
}

/// The ids of a task, and whether it may be the topmost one.
fn ids(bytes: &[u8]) -> Result<(Option<(TraceId, SpanId)>, bool), DecodeError> {
    let (mut trace_id, mut span_id) = (None, None);
    let (mut has_parent, mut imported) = (false, false);
    for item in Scan::new("Task", bytes) {
        let item = item?;
        match item.number {
            task::TRACE_ID => {
                trace_id = item.bytes()?.try_into().ok().and_then(TraceId::from_bytes);
            }
            task::SPAN_ID => span_id = SpanId::new(item.fixed64()?),
            task::PARENT_SPAN_ID => has_parent = item.fixed64()? != 0,
            task::PATH => {
                let path = item.bytes()?;
                imported = path.starts_with(b"~") && path.contains(&b'/');
            }
            // The ids stand first as a rule; behind them there may be much.
            _ if trace_id.is_some() && span_id.is_some() => break,
            _ => {}
        }
    }
    Ok((trace_id.zip(span_id), imported || !has_parent))
}

impl<'a> BatchRef<'a> {
    /// The headers of the records, one for each that [`BatchRef::records`] gives.
    pub fn headers(&'a self) -> impl Iterator<Item = Result<RecordHeader<'a>, DecodeError>> {
        self.fields().filter_map(move |item| match item {
            Ok(item) if item.number == batch::RECORDS => Some(
                item.bytes()
                    .and_then(|bytes| RecordHeader::parse(self, bytes)),
            ),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}
