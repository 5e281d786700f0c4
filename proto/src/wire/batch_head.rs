//! What the records of a batch share, read in place: who logged, and the places in the code.

use super::field::batch as field;
use super::scan::{DecodeError, Scan};
use super::value_ref::FieldsRef;
use crate::id::ProducerId;
use crate::record::{Callsite, Channel, Environment, Source};
use crate::severity::Severity;

/// A program has some thousands; a batch names those that its records need.
const MAX_CALLSITES: usize = 1 << 16;
/// Field names of all callsites of a batch. One callsite can exceed it by what fits into a message.
const MAX_NAMES: usize = 1 << 18;

/// Source and callsites of a batch.
#[derive(Debug)]
pub(super) struct BatchHead<'a> {
    pub(super) source: SourceRef<'a>,
    /// In ascending order of their ids.
    callsites: Vec<CallsiteRef<'a>>,
    /// Field names of all callsites, one after the other.
    names: Vec<&'a str>,
}

/// Who logged, borrowed. The owned form is [`Source`].
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
    pub environment: Environment,
    pub channel: Channel,
    pub dropped_attributes: u32,
}

/// A place in the code, borrowed. The owned form is [`Callsite`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Callsite.
pub struct CallsiteRef<'a> {
    /// Its number in the batch's table.
    pub id: u32,
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

impl<'a> BatchHead<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<BatchHead<'a>, DecodeError> {
        let mut head = BatchHead {
            source: SourceRef::default(),
            callsites: Vec::new(),
            names: Vec::new(),
        };
        let mut begun = false;
        for item in Scan::new("RecordBatch", bytes) {
            let item = match item {
                Ok(item) => item,
                // What was cut off spoils nothing before it; whoever reads the records meets the same error.
                Err(_) if begun => break,
                Err(error) => return Err(error),
            };
            begun = true;
            match item.number {
                field::SOURCE => head.source = SourceRef::parse(item.bytes()?)?,
                // The records of one that is malformed have none: each is an error of its own.
                field::CALLSITES => _ = head.add_callsite(item.bytes()?),
                field::RECORDS => drop(item.bytes()?),
                _ => {}
            }
        }
        head.callsites.sort_by_key(|callsite| callsite.id);
        Ok(head)
    }

    fn add_callsite(&mut self, bytes: &'a [u8]) -> Result<(), DecodeError> {
        let known = self.names.len();
        if self.callsites.len() >= MAX_CALLSITES || known >= MAX_NAMES {
            return Err(DecodeError::TooManyCallsites);
        }
        match CallsiteRef::parse(bytes, &mut self.names) {
            Ok(callsite) => self.callsites.push(callsite),
            Err(error) => {
                self.names.truncate(known);
                return Err(error);
            }
        }
        Ok(())
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

    /// The highest number of a callsite; 0: there is none.
    pub(super) fn last_callsite(&self) -> u32 {
        self.callsites.last().map_or(0, |callsite| callsite.id)
    }

    pub(super) fn names(&self, callsite: &CallsiteRef<'_>) -> &[&'a str] {
        self.names
            .get(callsite.names.0..callsite.names.1)
            .unwrap_or_default()
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
                    source.environment = u8::try_from(item.varint()?)
                        .ok()
                        .and_then(Environment::from_letter)
                        .unwrap_or_default()
                }
                9 => {
                    source.channel = u8::try_from(item.varint()?)
                        .ok()
                        .and_then(Channel::from_letter)
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
            environment: self.environment,
            channel: self.channel,
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
