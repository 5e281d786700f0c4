//! Writing fields within a limit: a `Field` is a name and a typed value (`proto/distlog/v1/record.proto`).

use std::fmt;

use distlog_proto::Value;
use distlog_proto::redaction::REDACTED;
use distlog_proto::wire::encode::{self, Key, Scalar};
use distlog_proto::wire::put;

use crate::record::encode::raw_text;
use crate::record::redact::{Policy, Redact};

/// What stands around a string in a field: tags and lengths, in bytes at most, without the name.
const AROUND: usize = 32;

/// Tags in a `Field`: number and wire type.
mod tag {
    pub(super) const KEY: u8 = 1 << 3;
    pub(super) const NAME: u8 = 2 << 3 | 2;
    pub(super) const INT: u8 = 4 << 3;
    pub(super) const DOUBLE: u8 = 6 << 3 | 1;
    pub(super) const STRING: u8 = 7 << 3 | 2;
}

/// Whether a `Field` with this name and a value of `length` bytes has less than 128.
fn is_short(name: &str, length: usize) -> bool {
    !name.is_empty() && name.len() + length < 120
}

/// Writes fields with the number `number` of the surrounding message.
///
/// What would make the buffer longer than the policy's limit is cut and marked. Who calls asks the policy whether a
/// field is hidden.
pub(crate) struct FieldWriter<'a, R> {
    pub(crate) out: &'a mut Vec<u8>,
    /// Below 16.
    pub(crate) number: u32,
    pub(crate) policy: Policy<R>,
}

impl<R: Redact> FieldWriter<'_, R> {
    /// A number, a boolean, null; a string or bytes of known length.
    #[inline]
    pub(crate) fn scalar(&mut self, key: Key<'_>, value: Scalar<'_>) {
        let value = match value {
            Scalar::U64(unsigned) => i64::try_from(unsigned).map_or(value, Scalar::I64),
            value => value,
        };
        // What most events and spans consist of is written at once.
        match (key, value) {
            (Key::Index(index @ ..127), Scalar::I64(value)) => {
                let (head, value) = (tag::INT, put::zigzag(value));
                let length = put::varint_len(value);
                let mut bytes = [0; 15];
                bytes[..5].copy_from_slice(&self.head(index, 1 + length, head));
                let mut rest = value;
                for byte in &mut bytes[5..4 + length] {
                    *byte = rest as u8 | 0x80;
                    rest >>= 7;
                }
                bytes[4 + length] = rest as u8;
                self.out.extend_from_slice(&bytes[..5 + length]);
            }
            (Key::Index(index @ ..127), Scalar::F64(value)) => {
                let mut bytes = [0; 13];
                bytes[..5].copy_from_slice(&self.head(index, 9, tag::DOUBLE));
                bytes[5..].copy_from_slice(&value.to_le_bytes());
                self.out.extend_from_slice(&bytes);
            }
            (Key::Index(index @ ..127), Scalar::Str(value)) if value.len() < 120 => {
                let [a, b, c, d, e] = self.head(index, 2 + value.len(), tag::STRING);
                self.out
                    .extend_from_slice(&[a, b, c, d, e, value.len() as u8]);
                self.out.extend_from_slice(value.as_bytes());
            }
            (Key::Name(name), Scalar::Str(value)) if is_short(name, value.len()) => {
                self.named(name, 2 + value.len(), tag::STRING);
                self.out.push(value.len() as u8);
                self.out.extend_from_slice(value.as_bytes());
            }
            (Key::Name(name), Scalar::I64(value)) if is_short(name, 8) => {
                let value = put::zigzag(value);
                self.named(name, 1 + put::varint_len(value), tag::INT);
                put::raw_varint(self.out, value);
            }
            (key, value) => encode::scalar(self.out, self.number, key, value),
        }
    }

    /// The same with a name instead of an index.
    #[inline]
    fn named(&mut self, name: &str, length: usize, tag: u8) {
        let (number, name_length) = ((self.number << 3 | 2) as u8, name.len());
        let length = (2 + name_length + length) as u8;
        self.out
            .extend_from_slice(&[number, length, tag::NAME, name_length as u8]);
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(tag);
    }

    /// The first bytes of a `Field` that has less than 128: tag and length, key, tag of a value of `length` bytes.
    #[inline]
    fn head(&self, index: u32, length: usize, tag: u8) -> [u8; 5] {
        [
            (self.number << 3 | 2) as u8,
            2 + length as u8,
            tag::KEY,
            index as u8 + 1,
            tag,
        ]
    }

    /// In place of a value that is hidden.
    pub(crate) fn hidden(&mut self, key: Key<'_>) {
        self.scalar(key, Scalar::Str(REDACTED));
    }

    #[inline]
    pub(crate) fn str(&mut self, key: Key<'_>, value: &str) {
        if self.policy.redaction.has_patterns() {
            return self.redacted_str(key, value);
        }
        self.whole_str(key, value);
    }

    fn redacted_str(&mut self, key: Key<'_>, value: &str) {
        match self.policy.redaction.replaced(value) {
            None => self.whole_str(key, value),
            Some(redacted) => self.whole_str(key, &redacted),
        }
    }

    #[inline]
    fn whole_str(&mut self, key: Key<'_>, value: &str) {
        if self.fits(value.len()) {
            self.scalar(key, Scalar::Str(value));
        } else {
            self.cut(key, format_args!("{value}"));
        }
    }

    /// A number, which a pattern may match as it is printed.
    #[inline]
    pub(crate) fn number(&mut self, key: Key<'_>, value: Scalar<'_>, printed: impl fmt::Display) {
        if self.policy.redaction.has_patterns() {
            return self.redacted_number(key, value, format_args!("{printed}"));
        }
        self.scalar(key, value);
    }

    fn redacted_number(&mut self, key: Key<'_>, value: Scalar<'_>, printed: fmt::Arguments<'_>) {
        // The buffer's end serves as the room to print it in.
        let start = self.out.len();
        raw_text(self.out, Policy::only(usize::MAX), printed);
        let printed = str::from_utf8(&self.out[start..]).unwrap_or_default();
        let redacted = self.policy.redaction.replaced(printed);
        self.out.truncate(start);
        match redacted {
            None => self.scalar(key, value),
            Some(redacted) => self.whole_str(key, &redacted),
        }
    }

    pub(crate) fn bytes(&mut self, key: Key<'_>, value: &[u8]) {
        if self.policy.redaction.has_patterns()
            && let Some(redacted) = self
                .policy
                .redaction
                .replaced(&String::from_utf8_lossy(value))
        {
            self.whole_str(key, &redacted);
        } else if self.fits(value.len()) {
            self.scalar(key, Scalar::Bytes(value));
        } else {
            self.cut(key, format_args!("[{} bytes cut]", value.len()));
        }
    }

    /// The readable form of a value.
    #[inline]
    pub(crate) fn text(&mut self, key: Key<'_>, value: fmt::Arguments<'_>) {
        let policy = self.policy;
        encode::text_with(self.out, self.number, key, |out| {
            raw_text(out, policy, value)
        });
    }

    /// A text that has nothing to redact, or no longer.
    fn cut(&mut self, key: Key<'_>, value: fmt::Arguments<'_>) {
        let policy = Policy::only(self.policy.limit);
        encode::text_with(self.out, self.number, key, |out| {
            raw_text(out, policy, value)
        });
    }

    pub(crate) fn i128(&mut self, key: Key<'_>, value: i128) {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.number(key, Scalar::I64(value), value),
            (_, Ok(value)) => self.number(key, Scalar::U64(value), value),
            _ => self.text(key, format_args!("{value}")),
        }
    }

    pub(crate) fn u128(&mut self, key: Key<'_>, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.number(key, Scalar::U64(value), value),
            Err(_) => self.text(key, format_args!("{value}")),
        }
    }

    /// A value of any type, of the field `name`.
    pub(crate) fn value(&mut self, key: Key<'_>, name: &str, mut value: Value) {
        self.policy.redaction.redact(name, &mut value);
        match value {
            Value::Str(v) => self.whole_str(key, &v),
            Value::Text(v) => self.cut(key, format_args!("{v}")),
            Value::Bytes(v) if !self.fits(v.len()) => {
                self.cut(key, format_args!("[{} bytes cut]", v.len()));
            }
            Value::List(_) | Value::Map(_) => {
                let start = self.out.len();
                encode::value(self.out, self.number, key, &value);
                // Cut as a whole: half a list would pass for one.
                if self.out.len() > self.policy.limit {
                    let length = self.out.len() - start;
                    self.out.truncate(start);
                    self.cut(key, format_args!("[{length} bytes cut]"));
                }
            }
            value => encode::value(self.out, self.number, key, &value),
        }
    }

    fn fits(&self, length: usize) -> bool {
        self.out.len() + length + AROUND <= self.policy.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way writes what the long one does.
    #[test]
    fn short_fields_are_written_as_all_others() {
        let long = "x".repeat(200);
        let integers = [0, 1, -1, 63, 64, -64, -65, 1 << 20, i64::MAX, i64::MIN].map(Scalar::I64);
        let floats = [0.0, -1.5, f64::NAN, f64::MAX].map(Scalar::F64);
        let strings = [
            0, 1, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 200,
        ];
        let strings = strings.map(|length| Scalar::Str(&long[..length]));
        let others = [
            Scalar::Null,
            Scalar::Bool(true),
            Scalar::U64(7),
            Scalar::U64(u64::MAX),
        ];
        for value in integers
            .into_iter()
            .chain(floats)
            .chain(strings)
            .chain(others)
        {
            for key in [
                Key::Index(0),
                Key::Index(126),
                Key::Index(127),
                Key::Index(300),
                Key::Name("n"),
                Key::Name(""),
                Key::Name(&long[..115]),
                Key::Name(&long),
                Key::None,
            ] {
                let (mut short, mut long) = (Vec::new(), Vec::new());
                FieldWriter {
                    out: &mut short,
                    number: 13,
                    policy: Policy::only(1000),
                }
                .scalar(key, value);
                encode::scalar(&mut long, 13, key, value);
                assert_eq!(short, long, "{key:?} {value:?}");
            }
        }
    }
}
