//! A record, read in place.

use std::fmt;

use super::batch_head::{BatchHead, CallsiteRef, NO_CALLSITE, SourceRef};
use super::error_ref::ErrorRef;
use super::field::record as field;
use super::link_ref::LinkRef;
use super::otlp_ref::OtlpRef;
use super::put::unzigzag;
use super::scan::{DecodeError, Scan};
use super::task_ref::{LastTask, TaskRef};
use super::value_ref::FieldsRef;
use crate::id::{ProducerId, SpanId, TraceId};
use crate::record::{Kind, Outcome, Record, Source, SpanKind};
use crate::severity::Severity;
use crate::task_name::task_name;

/// A record, borrowed from its batch. Reading one allocates nothing. The owned form is [`Record`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Record.
pub struct RecordRef<'a> {
    /// Number in the store that it is read from, counted from 1; 0 elsewhere.
    pub store_number: u64,
    pub source: &'a SourceRef<'a>,
    pub callsite: &'a CallsiteRef<'a>,
    pub offset: u64,
    pub kind: Kind,
    pub time: u64,
    pub observed_time: u64,
    /// The record's own, or else the callsite's, or else what its text stands for.
    pub severity: Severity,
    pub severity_text: &'a str,
    pub message: &'a str,
    pub task: Option<TaskRef<'a>>,
    pub number: u64,
    pub thread_id: u64,
    pub thread_name: &'a str,
    pub fields: FieldsRef<'a>,
    pub outcome: Outcome,
    pub duration: u64,
    pub stack: &'a str,
    pub span_kind: SpanKind,
    pub status_code: u32,
    pub status_message: &'a str,
    pub name: &'a str,
    pub level: i64,
    /// Whether the record says a duration, which may be 0.
    pub(super) has_duration: bool,
    pub(super) own_severity: Severity,
    error: Option<&'a [u8]>,
    otlp: Option<&'a [u8]>,
    /// Whether `whole` holds links.
    linked: bool,
    whole: &'a [u8],
    pub(super) head: &'a BatchHead<'a>,
}

impl<'a> RecordRef<'a> {
    pub(super) fn parse(
        head: &'a BatchHead<'a>,
        bytes: &'a [u8],
        last: &mut LastTask<'a>,
    ) -> Result<RecordRef<'a>, DecodeError> {
        let mut record = RecordRef {
            store_number: 0,
            source: &head.source,
            callsite: &NO_CALLSITE,
            offset: 0,
            kind: Kind::Event,
            time: 0,
            observed_time: 0,
            severity: Severity::UNSET,
            severity_text: "",
            message: "",
            task: None,
            number: 0,
            thread_id: 0,
            thread_name: "",
            fields: FieldsRef::default(),
            outcome: Outcome::Unset,
            duration: 0,
            stack: "",
            span_kind: SpanKind::Unset,
            status_code: 0,
            status_message: "",
            name: "",
            level: 0,
            has_duration: false,
            own_severity: Severity::UNSET,
            error: None,
            otlp: None,
            linked: false,
            whole: bytes,
            head,
        };
        let mut callsite = 0;
        let mut fields: Option<&'a [u8]> = None;
        let mut scan = Scan::new("Record", bytes);
        loop {
            let here = scan.rest;
            let Some(item) = scan.next() else { break };
            let item = item?;
            match item.number {
                field::OFFSET => record.offset = item.varint()?,
                field::KIND => record.kind = Kind::from_number(item.varint()?),
                field::CALLSITE => callsite = item.u32()?,
                field::TIME => record.time = item.fixed64()?,
                field::OBSERVED_TIME => record.observed_time = item.fixed64()?,
                field::SEVERITY => record.own_severity = Severity::new(item.u32()?),
                field::SEVERITY_TEXT => record.severity_text = item.str()?,
                field::MESSAGE => record.message = item.str()?,
                // Said twice it could be one task to who reads the first and another to who reads the last.
                field::TASK if record.task.is_some() => {
                    return Err(DecodeError::Repeated("Record", field::TASK));
                }
                field::TASK => record.task = Some(last.read(item.bytes()?)?),
                field::NUMBER => record.number = item.varint()?,
                field::THREAD_ID => record.thread_id = item.varint()?,
                field::THREAD_NAME => record.thread_name = item.str()?,
                field::FIELDS => _ = fields.get_or_insert(here),
                field::OUTCOME => record.outcome = Outcome::from_number(item.varint()?),
                field::DURATION => {
                    (record.duration, record.has_duration) = (item.varint()?, true);
                }
                field::ERROR => {
                    ErrorRef::check(item.bytes()?)?;
                    record.error = Some(item.bytes()?);
                }
                field::STACK => record.stack = item.str()?,
                field::LINKS => {
                    LinkRef::parse(item.bytes()?)?;
                    record.linked = true;
                }
                field::SPAN_KIND => record.span_kind = SpanKind::from_number(item.varint()?),
                field::STATUS_CODE => record.status_code = item.u32()?,
                field::STATUS_MESSAGE => record.status_message = item.str()?,
                field::NAME => record.name = item.str()?,
                field::OTLP => {
                    OtlpRef::parse(item.bytes()?)?;
                    record.otlp = Some(item.bytes()?);
                }
                field::LEVEL => record.level = unzigzag(item.varint()?),
                field::REMOVED => return Err(DecodeError::Removed),
                _ => {}
            }
        }
        record.callsite = head.callsite(callsite)?;
        record.severity = severity(
            record.own_severity,
            record.callsite.severity,
            record.level,
            record.severity_text,
        );
        if let Some(bytes) = fields {
            record.fields = FieldsRef::new(bytes, field::FIELDS, head.names(record.callsite))?;
        }
        Ok(record)
    }

    /// Its time or, where it says none, when it was `received`; in ns since the epoch.
    pub fn time_or(&self, received: u64) -> u64 {
        match self.time {
            0 => received,
            time => time,
        }
    }

    /// The record, encoded.
    pub(super) fn encoded(&self) -> &'a [u8] {
        self.whole
    }

    /// The field names of its callsite.
    pub(super) fn names(&self) -> &'a [&'a str] {
        self.head.names(self.callsite)
    }

    /// The highest number of a callsite in its batch.
    pub(super) fn last_callsite(&self) -> u32 {
        self.head.last_callsite()
    }

    /// Whether another one stands in the same batch.
    pub fn is_beside(&self, other: &RecordRef<'_>) -> bool {
        std::ptr::addr_eq(self.head, other.head)
    }

    /// Bytes of the record.
    pub(super) fn encoded_len(&self) -> usize {
        self.whole.len()
    }

    /// The error that was logged, or that the task failed with.
    pub fn error(&self) -> Option<ErrorRef<'a>> {
        self.error.map(ErrorRef::new)
    }

    /// Other tasks that this one has to do with.
    pub fn links(&self) -> impl Iterator<Item = LinkRef<'a>> + use<'a> {
        let bytes = if self.linked { self.whole } else { &[] };
        Scan::new("Record", bytes)
            .map_while(Result::ok)
            .filter(|item| item.number == field::LINKS)
            .filter_map(|item| LinkRef::parse(item.bytes().ok()?).ok())
    }

    /// The severity that it came with, which may be none where the text tells one.
    pub fn stated_severity(&self) -> Severity {
        match self.own_severity {
            Severity::UNSET => self.callsite.severity,
            own => own,
        }
    }

    /// The level number of Python's `logging`: that of the program, or what follows from the severity.
    pub fn levelno(&self) -> i64 {
        if self.level != 0 && !self.is_by_otlp() {
            self.level
        } else {
            self.severity.levelno()
        }
    }

    /// The severity for people: its name or, where the origin has a number that is beyond all names, that number.
    pub fn level_name(&self) -> LevelName {
        let usual = if self.is_by_otlp() { 1..25 } else { 1..60 };
        LevelName {
            severity: self.severity,
            number: (self.level != 0 && !usual.contains(&self.level)).then_some(self.level),
        }
    }

    /// How long the task took that ends here, in nanoseconds; `None` where it is not known: no end, or one of which
    /// only one time or none was told.
    pub fn took(&self) -> Option<u64> {
        let known = self.kind == Kind::End && (self.duration > 0 || self.has_duration);
        known.then_some(self.duration)
    }

    /// Tells spans that came by OTLP and share an id: the same for begin, events and end of one, whose records stand
    /// behind each other at their producer. 0 for a record that is no part of such a span, as a log record.
    pub fn run(&self) -> u64 {
        let of_span = match self.kind {
            Kind::Begin | Kind::End => self.is_by_otlp(),
            // Only events of spans have numbers.
            Kind::Event | Kind::Bind => self.is_by_otlp() && self.number > 0,
        };
        if of_span {
            run(self.source.producer, self.offset, self.number)
        } else {
            0
        }
    }

    /// The same for two records that say the same, wherever they came in: over all of it but its offset and the number
    /// of its callsite, with the service.
    pub fn fingerprint(&self) -> u64 {
        use std::hash::Hasher;
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(self.source.service.as_bytes());
        let mut scan = Scan::new("Record", self.whole);
        loop {
            let here = scan.rest;
            let Some(Ok(item)) = scan.next() else { break };
            if !matches!(item.number, field::OFFSET | field::CALLSITE) {
                hasher.write(&here[..here.len() - scan.rest.len()]);
            }
        }
        hasher.finish()
    }

    /// Whether it came by OTLP: it has what only OTLP has.
    pub fn is_by_otlp(&self) -> bool {
        self.otlp.is_some()
    }

    /// The trace that it is of: by its task or, without one, by what OTLP says.
    pub fn trace_id(&self) -> Option<TraceId> {
        match &self.task {
            Some(task) => Some(task.trace_id),
            None => self.otlp()?.trace_id,
        }
    }

    /// Whether it is of a trace.
    pub fn is_of_trace(&self, id: TraceId) -> bool {
        self.trace_id() == Some(id)
    }

    /// What only OTLP has. It is read anew each time.
    pub fn otlp(&self) -> Option<OtlpRef<'a>> {
        OtlpRef::parse(self.otlp?).ok()
    }

    /// The name of the event, where it has one beside its message.
    pub fn event_name(&self) -> &'a str {
        match self.otlp() {
            Some(otlp) => otlp.event_name,
            None if self.kind == Kind::Event => self.name,
            None => "",
        }
    }

    /// The name of the task that begins or ends here, which is the same for all that do the same: `otel.name`, else the
    /// template unless nothing but placeholders is in it, then the function or the target. What came without any of
    /// these is named by its message.
    pub fn task_name(&self) -> &'a str {
        let callsite = self.callsite;
        task_name(
            self.name,
            callsite.template,
            callsite.function,
            callsite.target,
            self.message,
        )
    }

    /// Copies it.
    pub fn to_record(&self) -> Record {
        self.to_record_of(self.source.to_source())
    }

    /// Copies it, except for the source.
    pub fn to_record_of(&self, source: Source) -> Record {
        Record {
            source,
            callsite: self.callsite.to_callsite(),
            offset: self.offset,
            kind: self.kind,
            time: self.time,
            observed_time: self.observed_time,
            severity: self.own_severity,
            severity_text: self.severity_text.to_owned(),
            message: self.message.to_owned(),
            task: self.task.map(|task| task.to_task()),
            number: self.number,
            thread_id: self.thread_id,
            thread_name: self.thread_name.to_owned(),
            fields: self.fields.to_map(),
            outcome: self.outcome,
            duration: self.duration,
            error: self.error().map(|error| error.to_error()),
            stack: self.stack.to_owned(),
            links: self.links().map(|link| link.to_link()).collect(),
            span_kind: self.span_kind,
            status_code: self.status_code,
            status_message: self.status_message.to_owned(),
            name: self.name.to_owned(),
            otlp: self.otlp().map(|otlp| Box::new(otlp.to_otlp())),
            level: self.level,
        }
    }
}

/// Whether a record is known to be less severe without being read.
pub(super) fn is_less_severe(head: &BatchHead<'_>, bytes: &[u8], least: Severity) -> bool {
    let (mut own, mut callsite) = (0, 0);
    for item in Scan::new("Record", bytes) {
        let number = match item {
            Ok(item) => match item.number {
                field::SEVERITY => item.u32().map(|number| own = number),
                field::CALLSITE => item.u32().map(|id| callsite = id),
                _ => Ok(()),
            },
            Err(error) => Err(error),
        };
        // Who reads it meets the error, too.
        if number.is_err() {
            return false;
        }
    }
    let known = match (own, head.callsite(callsite)) {
        (0, Ok(callsite)) => callsite.severity,
        (own, _) => Severity::new(own),
    };
    known != Severity::UNSET && known < least
}

/// Shows how severe a record is: see [`RecordRef::level_name`].
#[derive(Debug, Clone, Copy)]
pub struct LevelName {
    severity: Severity,
    number: Option<i64>,
}

impl fmt::Display for LevelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => f.pad(&number.to_string()),
            None => self.severity.fmt(f),
        }
    }
}

/// See [`RecordRef::severity`].
#[inline]
pub(super) fn severity(own: Severity, of_callsite: Severity, level: i64, text: &str) -> Severity {
    let stated = if own == Severity::UNSET {
        of_callsite
    } else {
        own
    };
    if stated == Severity::UNSET && level == 0 && !text.is_empty() {
        return Severity::from_text(text).unwrap_or_default();
    }
    stated
}

/// See [`RecordRef::run`].
pub(super) fn run(producer: ProducerId, offset: u64, number: u64) -> u64 {
    let begin = offset.wrapping_sub(number);
    let bytes = u128::from_be_bytes(producer.to_bytes());
    let (hi, lo) = ((bytes >> 64) as u64, bytes as u64);
    SpanId::mix(SpanId::mix(hi, lo).get(), begin).get()
}
