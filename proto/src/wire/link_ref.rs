//! A link of a record, read in place.

use super::scan::{DecodeError, Scan};
use super::value_ref::FieldsRef;
use crate::id::{SpanId, TraceId};
use crate::record::Link;

/// A link, borrowed. The owned form is [`Link`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in Link.
pub struct LinkRef<'a> {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub path: &'a str,
    pub flags: u32,
    pub trace_state: &'a str,
    pub attributes: FieldsRef<'a>,
    pub dropped_attributes: u32,
}

impl<'a> LinkRef<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<LinkRef<'a>, DecodeError> {
        const NAME: &str = "Link";
        let (mut trace_id, mut span_id) = (None, None);
        let (mut path, mut flags, mut trace_state, mut dropped_attributes) = ("", 0, "", 0);
        for item in Scan::new(NAME, bytes) {
            let item = item?;
            match item.number {
                1 => trace_id = item.bytes()?.try_into().ok().and_then(TraceId::from_bytes),
                2 => span_id = SpanId::new(item.fixed64()?),
                3 => path = item.str()?,
                4 => flags = item.u32()?,
                5 => trace_state = item.str()?,
                7 => dropped_attributes = item.u32()?,
                _ => {}
            }
        }
        Ok(LinkRef {
            trace_id: trace_id.ok_or(DecodeError::BadId(NAME, 1))?,
            span_id: span_id.ok_or(DecodeError::BadId(NAME, 2))?,
            path,
            flags,
            trace_state,
            attributes: FieldsRef::new(bytes, 6, &[])?,
            dropped_attributes,
        })
    }

    /// Copies it.
    pub fn to_link(&self) -> Link {
        Link {
            trace_id: self.trace_id,
            span_id: self.span_id,
            path: self.path.to_owned(),
            flags: self.flags,
            trace_state: self.trace_state.to_owned(),
            attributes: self.attributes.to_map(),
            dropped_attributes: self.dropped_attributes,
        }
    }
}
