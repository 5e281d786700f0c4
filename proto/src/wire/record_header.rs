//! The little by which tasks and trees are followed, read without the rest of a record.

use super::batch_head::{BatchHead, SourceRef};
use super::batch_ref::BatchRef;
use super::field::{batch, record, task};
use super::put::unzigzag;
use super::record_ref::{RecordRef, run, severity};
use super::scan::{DecodeError, Scan};
use super::task_ref::LastTask;
use crate::id::{SpanId, TraceId};
use crate::record::{Kind, Outcome};
use crate::severity::Severity;

/// What a record is about. It costs a fraction of the whole [`RecordRef`], which [`RecordHeader::read`] gives.
#[derive(Debug, Clone, Copy)]
pub struct RecordHeader<'a> {
    /// What the record tells of its task.
    pub kind: Kind,
    /// In nanoseconds since the Unix epoch; 0: not known.
    pub time: u64,
    /// Its task, if it has one.
    pub task: Option<(TraceId, SpanId)>,
    /// Whether its task has one above it.
    pub has_parent: bool,
    /// How the task ended.
    pub outcome: Outcome,
    duration: Option<u64>,
    own_severity: Severity,
    severity_text: &'a str,
    level: i64,
    callsite: u32,
    offset: u64,
    number: u64,
    by_otlp: bool,
    head: &'a BatchHead<'a>,
    bytes: &'a [u8],
}

impl<'a> RecordHeader<'a> {
    fn parse(head: &'a BatchHead<'a>, bytes: &'a [u8]) -> Result<RecordHeader<'a>, DecodeError> {
        let mut header = RecordHeader {
            kind: Kind::Event,
            time: 0,
            task: None,
            has_parent: false,
            outcome: Outcome::Unset,
            duration: None,
            own_severity: Severity::UNSET,
            severity_text: "",
            level: 0,
            callsite: 0,
            offset: 0,
            number: 0,
            by_otlp: false,
            head,
            bytes,
        };
        for item in Scan::new("Record", bytes) {
            let item = item?;
            match item.number {
                record::KIND => header.kind = Kind::from_number(item.varint()?),
                record::CALLSITE => header.callsite = item.u32()?,
                record::TIME => header.time = item.fixed64()?,
                record::SEVERITY => header.own_severity = Severity::new(item.u32()?),
                record::SEVERITY_TEXT => header.severity_text = item.str()?,
                record::LEVEL => header.level = unzigzag(item.varint()?),
                record::TASK => (header.task, header.has_parent) = ids(item.bytes()?)?,
                record::OUTCOME => header.outcome = Outcome::from_number(item.varint()?),
                record::DURATION => header.duration = Some(item.varint()?),
                record::OFFSET => header.offset = item.varint()?,
                record::NUMBER => header.number = item.varint()?,
                record::OTLP => header.by_otlp = true,
                record::REMOVED => return Err(DecodeError::Removed),
                _ => {}
            }
        }
        Ok(header)
    }

    /// Who logged it.
    pub fn source(&self) -> &'a SourceRef<'a> {
        &self.head.source
    }

    /// See [`RecordRef::time_or`].
    pub fn time_or(&self, received: u64) -> u64 {
        match self.time {
            0 => received,
            time => time,
        }
    }

    /// See [`RecordRef::took`].
    pub fn took(&self) -> Option<u64> {
        self.duration.filter(|_| self.kind == Kind::End)
    }

    /// See [`RecordRef::severity`].
    pub fn severity(&self) -> Severity {
        let callsite = self.head.callsite(self.callsite);
        let of_callsite = callsite.map_or(Severity::UNSET, |callsite| callsite.severity);
        severity(
            self.own_severity,
            of_callsite,
            self.level,
            self.severity_text,
        )
    }

    /// See [`RecordRef::run`].
    pub fn run(&self) -> u64 {
        let event = matches!(self.kind, Kind::Event | Kind::Bind);
        if self.by_otlp && (!event || self.number > 0) {
            run(self.head.source.producer, self.offset, self.number)
        } else {
            0
        }
    }

    /// The whole record.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(&self) -> Result<RecordRef<'a>, DecodeError> {
        RecordRef::parse(self.head, self.bytes, &mut LastTask::default())
    }
}

/// The ids of a task, and whether it has one above it.
fn ids(bytes: &[u8]) -> Result<(Option<(TraceId, SpanId)>, bool), DecodeError> {
    let (mut trace_id, mut span_id, mut parent) = (None, None, None);
    for item in Scan::new("Task", bytes) {
        let item = item?;
        match item.number {
            task::TRACE_ID => {
                trace_id = item.bytes()?.try_into().ok().and_then(TraceId::from_bytes);
            }
            task::SPAN_ID => span_id = SpanId::new(item.fixed64()?),
            task::PARENT_SPAN_ID => parent = SpanId::new(item.fixed64()?),
            // The ids stand first as a rule; behind them there may be much.
            _ if trace_id.is_some() && span_id.is_some() && parent.is_some() => break,
            _ => {}
        }
    }
    Ok((trace_id.zip(span_id), parent.is_some()))
}

impl<'a> RecordRef<'a> {
    /// What it is about.
    pub fn header(&self) -> RecordHeader<'a> {
        let told = self.has_duration || self.duration > 0;
        RecordHeader {
            kind: self.kind,
            time: self.time,
            task: self.task.map(|task| (task.trace_id, task.span_id)),
            has_parent: self.task.is_some_and(|task| task.parent_span_id.is_some()),
            outcome: self.outcome,
            duration: told.then_some(self.duration),
            own_severity: self.own_severity,
            severity_text: self.severity_text,
            level: self.level,
            callsite: self.callsite.id,
            offset: self.offset,
            number: self.number,
            by_otlp: self.is_by_otlp(),
            head: self.head,
            bytes: self.encoded(),
        }
    }
}

impl<'a> BatchRef<'a> {
    /// The headers of the records, one for each that [`BatchRef::records`] gives.
    pub fn headers(&'a self) -> impl Iterator<Item = Result<RecordHeader<'a>, DecodeError>> {
        self.fields().filter_map(move |item| match item {
            Ok(item) if item.number == batch::RECORDS => Some(
                item.bytes()
                    .and_then(|bytes| RecordHeader::parse(&self.head, bytes)),
            ),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}
