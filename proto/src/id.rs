//! The fixed-size ids: trace, span, producer.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

/// The longest id that is read or written, in characters.
pub(crate) const MAX_LEN: usize = 1024;

/// A text that is no id, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// Longer than 1024 characters.
    #[error("an id has at most {MAX_LEN} characters, this text has {0}")]
    TooLong(usize),
    /// It does not begin with a UUID.
    #[error("`{0}` is no trace id: expected a UUID like e252a11f-d33d-483d-ba08-bc8f642b2f10")]
    NoTraceId(String),
    /// The UUID with only zeros.
    #[error("the trace id is all zero, which means none")]
    NilTraceId,
    /// A step of the path is malformed.
    #[error(
        "`{0}` is no step of a task's path: expected a number from 1, a number with a salt (3.9f2c01ab), or first an anchor (~00f067aa0ba902b7)"
    )]
    BadStep(String),
    /// Not 16 hex digits, or all zero.
    #[error("`{0}` is no span id: expected 16 hexadecimal digits, not all zero")]
    BadSpanId(String),
}

/// Identifies a trace: 16 bytes, not all zero. Printed like a UUID, but without a UUID's version bits, since ratio
/// samplers of OpenTelemetry read them as random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// From its bytes in network order; `None` for all zero.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<TraceId> {
        NonZeroU128::new(u128::from_be_bytes(bytes)).map(TraceId)
    }

    /// Its bytes in network order.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// A new one from the operating system's random numbers.
    pub fn random() -> TraceId {
        let value = u128::from(random_u64()) << 64 | u128::from(random_u64().max(1));
        TraceId(NonZeroU128::new(value).unwrap_or(NonZeroU128::MIN))
    }

    /// The two big-endian halves.
    pub(crate) fn halves(self) -> (u64, u64) {
        ((self.0.get() >> 64) as u64, self.0.get() as u64)
    }

    /// As W3C trace context writes it: 32 lowercase hex digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// From 32 hex digits or the hyphenated form of a UUID, any case.
    pub(crate) fn parse(text: &str) -> Result<TraceId, ParseIdError> {
        let bytes = text.as_bytes();
        let hyphen = |i: usize| matches!(i, 8 | 13 | 18 | 23);
        let mut value: u128 = 0;
        for (i, &b) in bytes.iter().enumerate() {
            if bytes.len() == 36 && hyphen(i) {
                if b != b'-' {
                    return Err(ParseIdError::NoTraceId(text.to_owned()));
                }
                continue;
            }
            match (b as char).to_digit(16) {
                Some(digit) => value = value << 4 | u128::from(digit),
                None => return Err(ParseIdError::NoTraceId(text.to_owned())),
            }
        }
        if !matches!(bytes.len(), 32 | 36) {
            return Err(ParseIdError::NoTraceId(text.to_owned()));
        }
        NonZeroU128::new(value)
            .map(TraceId)
            .ok_or(ParseIdError::NilTraceId)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0.get();
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            (v >> 96) as u32,
            (v >> 80) as u16,
            (v >> 64) as u16,
            (v >> 48) as u16,
            v as u64 & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<TraceId, ParseIdError> {
        TraceId::parse(text)
    }
}

/// Identifies a task within its trace: 8 bytes, not all zero. A pure function of the task's id ([`crate::TaskId`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// From its value in network order; `None` for zero.
    pub fn new(value: u64) -> Option<SpanId> {
        NonZeroU64::new(value).map(SpanId)
    }

    /// Its value in network order.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Its bytes in network order.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// Appends it as [`Display`](fmt::Display) writes it: 16 lowercase hex digits.
    pub fn push_hex(self, text: &mut String) {
        text.extend((0..16).rev().map(|digit| {
            let digit = (self.get() >> (4 * digit) & 15) as usize;
            char::from(b"0123456789abcdef"[digit])
        }));
    }

    /// `mix(a, n)`: the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
    /// OOPSLA 2014; constants of variant 13 by Stafford) of `a ^ (n * 0x9E3779B97F4A7C15)`, 0 replaced by 1.
    pub(crate) fn mix(a: u64, n: u64) -> SpanId {
        let mut z = a ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        SpanId(NonZeroU64::new(z ^ (z >> 31)).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpanId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<SpanId, ParseIdError> {
        let bad = || ParseIdError::BadSpanId(text.to_owned());
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        u64::from_str_radix(text, 16)
            .ok()
            .and_then(SpanId::new)
            .ok_or_else(bad)
    }
}

/// Identifies one run of one process (`service.instance.id`); all zero means unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ProducerId([u8; 16]);

impl ProducerId {
    /// The producer that nobody named.
    pub const UNKNOWN: ProducerId = ProducerId([0; 16]);

    /// A new one from the operating system's random numbers.
    pub fn random() -> ProducerId {
        ProducerId(TraceId::random().to_bytes())
    }

    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> ProducerId {
        ProducerId(bytes)
    }

    /// Its 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Whether somebody named it.
    pub fn is_known(self) -> bool {
        self != ProducerId::UNKNOWN
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TraceId::from_bytes(self.0) {
            Some(id) => fmt::Display::fmt(&id, f),
            None => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A random number of the operating system, asked anew each time: a `fork` then cannot repeat one.
///
/// Where the system has none to give (a seccomp filter), the randomly keyed hash of the standard library stands in.
pub fn random_u64() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(0);
    getrandom::u64().unwrap_or_else(|_| {
        RandomState::new().hash_one((
            COUNT.fetch_add(1, Ordering::Relaxed),
            std::process::id(),
            std::time::Instant::now(),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::SpanId;

    #[test]
    fn digits_are_those_that_are_displayed() {
        for value in [1, 0xf, 0x0123_4567_89ab_cdef, u64::MAX] {
            let span_id = SpanId::new(value).unwrap();
            let mut text = String::from("~");
            span_id.push_hex(&mut text);
            assert_eq!(text, format!("~{span_id}"));
        }
    }
}
