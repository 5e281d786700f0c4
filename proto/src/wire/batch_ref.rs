//! A batch, read in place.

use super::field::batch as field;
use super::record_ref::RecordRef;
use super::scan::{DecodeError, Field, Payload, Scan};
use super::value_ref::FieldsRef;
use crate::id::ProducerId;
use crate::record::{Callsite, Source, Stream, System};
use crate::severity::Severity;

/// A `RecordBatch`, borrowed from its bytes. What the records share is read once, here.
#[derive(Debug)]
pub struct BatchRef<'a> {
    source: SourceRef<'a>,
    /// In ascending order of their ids.
    callsites: Vec<CallsiteRef<'a>>,
    /// Field names of all callsites, one after the other.
    names: Vec<&'a str>,
    bytes: &'a [u8],
}

/// Who logged, borrowed. The owned twin is [`Source`].
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // The same fields as in Source.
pub struct SourceRef<'a> {
    pub producer: ProducerId,
    pub host: &'a str,
    pub process_id: u64,
    pub process_name: &'a str,
    pub service: &'a str,
    pub resource: FieldsRef<'a>,
    pub schema_url: &'a str,
    pub system: System,
    pub stream: Stream,
    pub dropped_attributes: u32,
}

/// A place in the code, borrowed. The owned twin is [`Callsite`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Callsite.
pub struct CallsiteRef<'a> {
    pub(super) id: u32,
    pub severity: Severity,
    pub target: &'a str,
    pub file: &'a str,
    pub line: u32,
    pub module: &'a str,
    pub function: &'a str,
    pub template: &'a str,
    /// Where its field names begin and end in the batch's.
    names: (usize, usize),
}

/// What a record without a callsite has.
pub(super) static NO_CALLSITE: CallsiteRef<'static> = CallsiteRef {
    id: 0,
    severity: Severity::UNSET,
    target: "",
    file: "",
    line: 0,
    module: "",
    function: "",
    template: "",
    names: (0, 0),
};

impl<'a> BatchRef<'a> {
    /// Reads source and callsites; the records are read by [`BatchRef::records`].
    ///
    /// # Errors
    /// If the bytes are no protobuf message, or source or a callsite are malformed. A malformed record is no error here.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchRef<'a>, DecodeError> {
        let mut batch = BatchRef {
            source: SourceRef::default(),
            callsites: Vec::new(),
            names: Vec::new(),
            bytes,
        };
        for item in Scan::new("RecordBatch", bytes) {
            let item = item?;
            match item.number {
                field::SOURCE => batch.source = SourceRef::parse(item.bytes()?)?,
                field::CALLSITES => {
                    let callsite = CallsiteRef::parse(item.bytes()?, &mut batch.names)?;
                    batch.callsites.push(callsite);
                }
                field::RECORDS => drop(item.bytes()?),
                _ => {}
            }
        }
        batch.callsites.sort_by_key(|callsite| callsite.id);
        Ok(batch)
    }

    /// Who logged.
    pub fn source(&self) -> &SourceRef<'a> {
        &self.source
    }

    /// The records in order. One that is malformed is an error of its own and spoils no other.
    pub fn records(&self) -> Records<'_> {
        Records {
            batch: self,
            scan: Scan::new("RecordBatch", self.bytes),
        }
    }

    pub(super) fn callsite(&self, id: u32) -> Result<&CallsiteRef<'_>, DecodeError> {
        if id == 0 {
            return Ok(&NO_CALLSITE);
        }
        match self
            .callsites
            .binary_search_by_key(&id, |callsite| callsite.id)
        {
            Ok(at) => Ok(&self.callsites[at]),
            Err(_) => Err(DecodeError::NoCallsite(id)),
        }
    }

    pub(super) fn names(&self, callsite: &CallsiteRef<'_>) -> &[&'a str] {
        self.names
            .get(callsite.names.0..callsite.names.1)
            .unwrap_or_default()
    }
}

/// The records of a batch: see [`BatchRef::records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    batch: &'a BatchRef<'a>,
    scan: Scan<'a>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.scan.next()? {
                Ok(item) if item.number == field::RECORDS => {
                    return Some(
                        item.bytes()
                            .and_then(|bytes| RecordRef::parse(self.batch, bytes)),
                    );
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<'a> SourceRef<'a> {
    fn parse(bytes: &'a [u8]) -> Result<SourceRef<'a>, DecodeError> {
        const NAME: &str = "Source";
        let mut source = SourceRef {
            resource: FieldsRef::new(bytes, 6, &[])?,
            ..SourceRef::default()
        };
        for item in Scan::new(NAME, bytes) {
            let item = item?;
            match item.number {
                1 => {
                    let id = item
                        .bytes()?
                        .try_into()
                        .map_err(|_| DecodeError::BadId(NAME, 1))?;
                    source.producer = ProducerId::from_bytes(id);
                }
                2 => source.host = item.str()?,
                3 => source.process_id = item.varint()?,
                4 => source.process_name = item.str()?,
                5 => source.service = item.str()?,
                7 => source.schema_url = item.str()?,
                8 => {
                    source.system = u8::try_from(item.varint()?)
                        .ok()
                        .and_then(System::from_letter)
                        .unwrap_or_default()
                }
                9 => {
                    source.stream = u8::try_from(item.varint()?)
                        .ok()
                        .and_then(Stream::from_letter)
                        .unwrap_or_default()
                }
                10 => source.dropped_attributes = item.u32()?,
                _ => {}
            }
        }
        Ok(source)
    }

    /// Copies it.
    pub fn to_source(&self) -> Source {
        Source {
            producer: self.producer,
            host: self.host.to_owned(),
            process_id: self.process_id,
            process_name: self.process_name.to_owned(),
            service: self.service.to_owned(),
            resource: self.resource.to_map(),
            schema_url: self.schema_url.to_owned(),
            system: self.system,
            stream: self.stream,
            dropped_attributes: self.dropped_attributes,
        }
    }
}

impl<'a> CallsiteRef<'a> {
    fn parse(bytes: &'a [u8], names: &mut Vec<&'a str>) -> Result<CallsiteRef<'a>, DecodeError> {
        let mut callsite = CallsiteRef {
            names: (names.len(), names.len()),
            ..NO_CALLSITE
        };
        for item in Scan::new("Callsite", bytes) {
            let item = item?;
            match item.number {
                1 => callsite.id = item.u32()?,
                2 => callsite.severity = Severity::new(item.u32()?),
                3 => callsite.target = item.str()?,
                4 => callsite.file = item.str()?,
                5 => callsite.line = item.u32()?,
                6 => callsite.module = item.str()?,
                7 => callsite.function = item.str()?,
                8 => callsite.template = item.str()?,
                9 => names.push(item.str()?),
                _ => {}
            }
        }
        callsite.names.1 = names.len();
        Ok(callsite)
    }

    /// Copies it.
    pub fn to_callsite(&self) -> Callsite {
        Callsite {
            severity: self.severity,
            target: self.target.to_owned(),
            file: self.file.to_owned(),
            line: self.line,
            module: self.module.to_owned(),
            function: self.function.to_owned(),
            template: self.template.to_owned(),
        }
    }
}

/// Calls `found` with the trace id of each record that has one, and reads nothing else. Bears any bytes: what is
/// malformed is passed over.
pub fn trace_ids(batch: &[u8], found: &mut dyn FnMut([u8; 16])) {
    for record in Scan::new("RecordBatch", batch).filter_map(|item| nested(item, field::RECORDS)) {
        let task =
            Scan::new("Record", record).find_map(|item| nested(item, super::field::record::TASK));
        let trace = task.and_then(|task| {
            Scan::new("Task", task).find_map(|item| nested(item, super::field::task::TRACE_ID))
        });
        if let Some(trace) = trace.and_then(|bytes| bytes.try_into().ok()) {
            found(trace);
        }
    }
}

/// The bytes of a field, if it is the wanted one.
fn nested(item: Result<Field<'_>, DecodeError>, number: u32) -> Option<&[u8]> {
    match item {
        Ok(Field {
            number: n,
            payload: Payload::Bytes(bytes),
            ..
        }) if n == number => Some(bytes),
        _ => None,
    }
}
