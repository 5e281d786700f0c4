//! Short texts of fixed length: ids and the date, written without allocating.

use distlog_proto::{SpanId, TraceId};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// ASCII characters.
pub(crate) struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// The text.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[inline]
fn hex(out: &mut [u8], bytes: &[u8]) {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
}

/// 32 hex digits.
pub(crate) fn trace_hex(id: TraceId) -> Ascii<32> {
    let mut text = [0; 32];
    hex(&mut text, &id.to_bytes());
    Ascii(text)
}

/// The form of a UUID.
pub(crate) fn uuid(bytes: [u8; 16]) -> Ascii<36> {
    let mut text = [b'-'; 36];
    for (at, range) in [(0, 0..4), (9, 4..6), (14, 6..8), (19, 8..10), (24, 10..16)] {
        hex(&mut text[at..at + 2 * range.len()], &bytes[range]);
    }
    Ascii(text)
}

/// 16 hex digits.
pub(crate) fn span_hex(id: SpanId) -> Ascii<16> {
    let mut text = [0; 16];
    hex(&mut text, &id.to_bytes());
    Ascii(text)
}

/// Date and time in UTC, of seconds since the epoch, as Python's `logging` writes it: `2026-11-23 04:11:38`.
pub(crate) fn date(seconds: u64) -> Ascii<19> {
    let (year, month, dom) = civil(seconds / 86_400);
    let mut text = *b"0000-00-00 00:00:00";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], dom);
    digits(&mut text[11..13], seconds / 3600 % 24);
    digits(&mut text[14..16], seconds / 60 % 60);
    digits(&mut text[17..19], seconds % 60);
    Ascii(text)
}

/// Milliseconds within a second, as Python's `logging` writes them behind the date: `,123`.
#[inline]
pub(crate) fn comma_millis(millis: u64) -> Ascii<4> {
    let mut text = *b",000";
    digits(&mut text[1..], millis);
    Ascii(text)
}

#[inline]
fn digits(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day: u64) -> (u64, u64, u64) {
    let z = day + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + u64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_763_871_098, "2025-11-23 04:11:38"),
            (4_102_444_799, "2099-12-31 23:59:59"),
            (u64::MAX / 1_000_000_000, "2554-07-21 23:34:33"),
        ] {
            assert_eq!(date(seconds).as_str(), text);
        }
        for (millis, text) in [(0, ",000"), (7, ",007"), (45, ",045"), (999, ",999")] {
            assert_eq!(comma_millis(millis).as_str(), text);
        }
    }

    #[test]
    fn ids() {
        let id: TraceId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
        assert_eq!(uuid(id.to_bytes()).as_str(), id.to_string());
        assert_eq!(trace_hex(id).as_str(), id.to_hex());
        assert_eq!(
            span_hex(SpanId::new(0xf067).unwrap()).as_str(),
            "000000000000f067"
        );
    }
}
