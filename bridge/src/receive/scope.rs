//! An instrumentation scope, as each record carries it.

use distlog_proto::wire::encode::{self, OtlpRest, ScopeHead};
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;
use distlog_proto::wire::scan::Scan;

use super::any::attributes;
use super::{Fault, frame};

/// A scope may have so much, in bytes: each record has it.
const MAX_LEN: usize = 16 << 10;

/// An instrumentation scope.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Its name: the target of its records.
    pub(super) name: &'a str,
    /// The first fields of an `Otlp`.
    encoded: Vec<u8>,
}

impl<'a> Scope<'a> {
    /// Of a `ScopeSpans` or `ScopeLogs`.
    pub(super) fn read(message: &'static str, scopes: &'a [u8]) -> Result<Scope<'a>, Fault> {
        let (mut scope, mut head): (&[u8], _) = (&[], ScopeHead::default());
        for field in Scan::new(message, scopes) {
            let field = field?;
            match field.number {
                frame::SCOPE => scope = field.bytes()?,
                frame::SCHEMA_URL => head.schema_url = field.str()?,
                _ => {}
            }
        }
        const NAME: &str = "InstrumentationScope";
        for field in Scan::new(NAME, scope) {
            let field = field?;
            match field.number {
                1 => head.name = field.str()?,
                2 => head.version = field.str()?,
                4 => head.dropped_attributes = field.u32()?,
                _ => {}
            }
        }
        let mut encoded = Vec::new();
        encode::scope_with(&mut encoded, &head, |out| {
            attributes((NAME, scope, 3), out, encode::SCOPE_ATTRIBUTES, |_, _| {})
        })?;
        if encoded.len() > MAX_LEN {
            return Err(Fault::LargeOrigin("scope", MAX_LEN));
        }
        Ok(Scope {
            name: head.name,
            encoded,
        })
    }

    /// Appends what only OTLP has; `body` appends the body, if there is one.
    pub(super) fn put_with<R>(
        &self,
        out: &mut Vec<u8>,
        rest: &OtlpRest<'_>,
        body: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        put::nested(out, record::OTLP, |out| {
            out.extend_from_slice(&self.encoded);
            rest.put_with(out, body)
        })
    }

    /// Appends what only OTLP has.
    pub(super) fn put(&self, out: &mut Vec<u8>, rest: &OtlpRest<'_>) {
        self.put_with(out, rest, |_| ());
    }
}
