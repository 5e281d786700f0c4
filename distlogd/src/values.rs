//! Sizes and durations as people write them, for `#[serde(deserialize_with = "…")]`.
//!
//! `humantime` also reads `1h1h`, `12h1d` and years, which are likely mistakes in a configuration. `bytesize` takes
//! what is over 64 bits for the largest size, and does not read `1_000`.

use std::fmt;
use std::time::Duration;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serializer;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Units of durations, in nanoseconds.
const DURATIONS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// The longest duration that is read.
pub const MAX_DURATION: Duration = Duration::from_nanos(u64::MAX);

/// Reads `10GiB`, `1.5 MB` or a plain number of bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim());
    let factor = match unit.trim() {
        "" => 1,
        unit => factor(unit, &SIZES)?,
    };
    scaled(number, factor)
}

/// Reads `5ms`, `1.5h`, `7d`, `1d12h` (each unit once, the largest first), or 0.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.parse() == Ok(0.0) {
        return Some(Duration::ZERO);
    }
    let (mut sum, mut last) = (0_u64, u64::MAX);
    loop {
        let (number, after) = split_number(rest);
        let (unit, next) = after.split_at(after.find(in_number).unwrap_or(after.len()));
        let factor = factor(unit.trim(), &DURATIONS).filter(|factor| *factor < last)?;
        sum = sum.checked_add(scaled(number, factor)?)?;
        if next.is_empty() {
            return Some(Duration::from_nanos(sum));
        }
        (rest, last) = (next, factor);
    }
}

fn in_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '.' | '_')
}

/// The number that the text begins with, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !in_number(c)).unwrap_or(text.len()))
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut units = units.iter();
    let (_, factor) = units.find(|(known, _)| known.eq_ignore_ascii_case(unit))?;
    Some(*factor)
}

fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let product = number.parse::<f64>().ok()? * factor as f64;
    (product < u64::MAX as f64).then_some(product.round() as u64)
}

/// Writes a size as [`parse_size`] reads it.
pub fn show_size(bytes: u64) -> String {
    let (unit, factor) = SIZES[..5]
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(&SIZES[0]);
    format!("{}{unit}", bytes / factor)
}

/// Writes a duration as [`parse_duration`] reads it.
pub fn show_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let (unit, factor) = DURATIONS[..7]
        .iter()
        .rev()
        .find(|(_, factor)| nanos >= *factor && nanos.is_multiple_of(*factor))
        .unwrap_or(&DURATIONS[3]);
    format!("{}{unit}", nanos / factor)
}

/// Parses the text of a scalar.
struct Scalar<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.read(text, Unexpected::Str(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.read(&number.to_string(), Unexpected::Unsigned(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.read(&number.to_string(), Unexpected::Float(number))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        // Some readers of YAML take `off` for a boolean.
        let text = if value { "true" } else { "off" };
        self.read(text, Unexpected::Bool(value))
    }
}

impl<T> Scalar<T> {
    fn read<E: Error>(&self, text: &str, found: Unexpected<'_>) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(found, &self.expected))
    }
}

/// Reads a scalar with `parse`; `expected` describes the values it takes.
pub fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Scalar { expected, parse })
}

/// A size in bytes.
///
/// # Errors
/// If the text is no size.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    scalar(deserializer, "a size like 100MiB", parse_size)
}

/// A size in bytes or `off`.
///
/// # Errors
/// If the text is neither.
pub fn size_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    scalar(deserializer, "a size like 100MiB, or off", |text| {
        or_off(text, parse_size)
    })
}

/// A duration.
///
/// # Errors
/// If the text is no duration.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let expected = "a duration like 5ms, 10s or 1d12h";
    scalar(deserializer, expected, parse_duration)
}

/// A duration or `off`.
///
/// # Errors
/// If the text is neither.
pub fn duration_or_off<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let expected = "a duration like 5ms, 10s or 1d12h, or off";
    scalar(deserializer, expected, |text| or_off(text, parse_duration))
}

/// `None` for `off`.
pub fn or_off<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text == "off" {
        Some(None)
    } else {
        parse(text).map(Some)
    }
}

/// Writes a size, for the defaults in the schema.
///
/// # Errors
/// Those of the serializer.
pub fn put_size<S: Serializer>(
    size: &(impl Copy + Into<Option<u64>>),
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&(*size).into().map_or("off".to_owned(), show_size))
}

/// Writes a duration, for the defaults in the schema.
///
/// # Errors
/// Those of the serializer.
pub fn put_duration<S: Serializer>(
    duration: &(impl Copy + Into<Option<Duration>>),
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&(*duration).into().map_or("off".to_owned(), show_duration))
}

/// The schema of values that are written with a unit, or as a number.
pub fn text_or_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number"] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("10GiB", 10 << 30),
            ("100 MiB", 100 << 20),
            ("1.5kB", 1500),
            ("5mb", 5_000_000),
            ("1_000", 1000),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
        }
        for text in [
            "",
            "GiB",
            "10 GiX",
            "-1",
            "1e3",
            "99999999999999999999",
            "20000000TiB",
            "1.5.5kB",
        ] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, nanos) in [
            ("5ms", 5_000_000),
            ("7d", 604_800_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0", 0),
            ("90 m", 5_400_000_000_000),
            ("1d12h", 129_600_000_000_000),
            ("1h 30m", 5_400_000_000_000),
            ("1w2d3h4m5s6ms7us8ns", 788_645_006_007_008),
            ("1m0.5s", 60_500_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_nanos(nanos)),
                "{text}"
            );
            assert_eq!(
                parse_duration(&show_duration(Duration::from_nanos(nanos))),
                Some(Duration::from_nanos(nanos))
            );
        }
        for text in [
            "5",
            "ms",
            "5 years",
            "-5s",
            "always",
            "1d12",
            "12h1d",
            "1h1h",
            "1d-12h",
            "1dh",
            "1d, 12h",
            "",
            "600000w1d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
