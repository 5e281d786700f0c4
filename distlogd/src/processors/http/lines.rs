//! Records become bodies of requests.

use chrono::DateTime;
use distlog_proto::RecordRef;
use distlog_python::json;

use super::config::Format;
use super::index::Names;
use crate::processor::{Convert, Converted};
use crate::processors::http_client::Limits;

/// The answer of the bulk API has an item for each.
pub(super) const MAX_RECORDS: usize = 2000;
/// A proxy may take no larger body.
pub(super) const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    records: MAX_RECORDS,
};

/// Writes records.
pub(super) struct Lines {
    /// Names of the index; `None` for plain lines.
    index: Option<Names>,
    /// The last second that was written, as text.
    second: (i64, String),
}

impl Lines {
    pub(super) fn new(format: &Format) -> Lines {
        Lines {
            index: match format {
                Format::Ndjson => None,
                Format::Elasticsearch(index) => Some(index.names()),
            },
            second: (0, "1970-01-01T00:00:00".to_owned()),
        }
    }

    /// Appends a record.
    pub(super) fn write<'a>(
        &mut self,
        record: &RecordRef<'a>,
        json: &mut json::Encoder<'a>,
        body: &mut Vec<u8>,
    ) {
        if self.index.is_some() {
            self.action(record, body);
            self.timestamp(record.time, body);
            // The rest of an object that has begun: `asctime` is always there.
            let brace = body.len();
            json.encode(record, body);
            body[brace] = b',';
        } else {
            json.encode(record, body);
        }
        body.push(b'\n');
    }

    /// `{"create":{"_index":"distlog","_id":"0123456789abcdef0123456789abcdef-17"}}`
    fn action(&mut self, record: &RecordRef<'_>, body: &mut Vec<u8>) {
        let Some(names) = &mut self.index else { return };
        body.extend_from_slice(br#"{"create":{"_index":""#);
        body.extend_from_slice(names.at(seconds(record.time)).as_bytes());
        body.push(b'"');
        let producer = record.source.producer;
        if producer.is_known() {
            body.extend_from_slice(br#","_id":""#);
            hex(&producer.to_bytes(), body);
            body.push(b'-');
            decimal(record.offset, 1, body);
            body.push(b'"');
        }
        body.extend_from_slice(b"}}\n");
    }

    /// `{"@timestamp":"2025-11-23T04:11:38.123456000Z"`
    fn timestamp(&mut self, time: u64, body: &mut Vec<u8>) {
        let second = seconds(time);
        if second != self.second.0 {
            let date = DateTime::from_timestamp(second, 0).unwrap_or_default();
            self.second = (second, date.format("%Y-%m-%dT%H:%M:%S").to_string());
        }
        body.extend_from_slice(br#"{"@timestamp":""#);
        body.extend_from_slice(self.second.1.as_bytes());
        body.push(b'.');
        decimal(time % 1_000_000_000, 9, body);
        body.extend_from_slice(b"Z\"");
    }
}

impl Convert for Format {
    fn convert(&self, records: &[RecordRef<'_>], to: &mut Converted) {
        let (mut lines, mut json) = (Lines::new(self), json::Encoder::default());
        for record in records {
            to.add(record, |body| lines.write(record, &mut json, body));
        }
    }
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time / 1_000_000_000).unwrap_or_default()
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// A number with at least so many digits.
fn decimal(mut number: u64, digits: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut at = text.len();
    while number > 0 || text.len() - at < digits {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits() {
        let text = |number, digits| {
            let mut out = Vec::new();
            decimal(number, digits, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0, 1), "0");
        assert_eq!(text(0, 9), "000000000");
        assert_eq!(text(1_234, 9), "000001234");
        assert_eq!(text(u64::MAX, 1), u64::MAX.to_string());
    }
}
