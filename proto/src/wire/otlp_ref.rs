//! What only OTLP has, read in place.

use super::field::OTLP_TRACE_ID;
use super::scan::{DecodeError, Scan};
use super::value_ref::{FieldsRef, ValueRef, field_value};
use crate::id::TraceId;
use crate::record::Otlp;

/// What only OTLP has, borrowed. The owned form is [`Otlp`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Otlp.
pub struct OtlpRef<'a> {
    pub scope_name: &'a str,
    pub scope_version: &'a str,
    pub scope_attributes: FieldsRef<'a>,
    pub scope_dropped_attributes: u32,
    pub scope_schema_url: &'a str,
    pub dropped_attributes: u32,
    pub dropped_events: u32,
    pub dropped_links: u32,
    pub event_name: &'a str,
    pub body: Option<ValueRef<'a>>,
    pub span_event: bool,
    pub no_time: bool,
    pub trace_id: Option<TraceId>,
    pub flags: u32,
}

impl<'a> OtlpRef<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<OtlpRef<'a>, DecodeError> {
        let mut otlp = OtlpRef {
            scope_name: "",
            scope_version: "",
            scope_attributes: FieldsRef::new(bytes, 3, &[])?,
            scope_dropped_attributes: 0,
            scope_schema_url: "",
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
            event_name: "",
            body: None,
            span_event: false,
            no_time: false,
            trace_id: None,
            flags: 0,
        };
        for item in Scan::new("Otlp", bytes) {
            let item = item?;
            match item.number {
                1 => otlp.scope_name = item.str()?,
                2 => otlp.scope_version = item.str()?,
                4 => otlp.scope_dropped_attributes = item.u32()?,
                5 => otlp.scope_schema_url = item.str()?,
                6 => otlp.dropped_attributes = item.u32()?,
                7 => otlp.dropped_events = item.u32()?,
                8 => otlp.dropped_links = item.u32()?,
                9 => otlp.event_name = item.str()?,
                10 => otlp.body = Some(field_value(item.bytes()?)?),
                11 => otlp.span_event = item.varint()? != 0,
                12 => otlp.no_time = item.varint()? != 0,
                OTLP_TRACE_ID => {
                    otlp.trace_id = item.bytes()?.try_into().ok().and_then(TraceId::from_bytes);
                }
                14 => otlp.flags = item.u32()?,
                _ => {}
            }
        }
        Ok(otlp)
    }

    /// Copies it.
    pub fn to_otlp(&self) -> Otlp {
        Otlp {
            scope_name: self.scope_name.to_owned(),
            scope_version: self.scope_version.to_owned(),
            scope_attributes: self.scope_attributes.to_map(),
            scope_dropped_attributes: self.scope_dropped_attributes,
            scope_schema_url: self.scope_schema_url.to_owned(),
            dropped_attributes: self.dropped_attributes,
            dropped_events: self.dropped_events,
            dropped_links: self.dropped_links,
            event_name: self.event_name.to_owned(),
            body: self.body.map(ValueRef::to_value),
            span_event: self.span_event,
            no_time: self.no_time,
            trace_id: self.trace_id,
            flags: self.flags,
        }
    }
}
