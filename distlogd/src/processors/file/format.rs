//! Records as lines, in the form that the configuration says.

use distlog_proto::RecordRef;
use distlog_python::json;

use super::config::Format;
use super::text;
use crate::processor::{Convert, Converted};

/// Writes lines of records that are all there at the same time.
pub(super) struct Writer<'a> {
    format: Format,
    json: json::Encoder<'a>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(format: Format) -> Writer<'a> {
        Writer {
            format,
            json: json::Encoder::default(),
        }
    }

    /// Appends a record, with line feed.
    pub(super) fn write(&mut self, record: &RecordRef<'a>, out: &mut Vec<u8>) {
        match self.format {
            Format::Json => {
                self.json.encode(record, out);
                out.push(b'\n');
            }
            Format::Text => text::write(record, out),
        }
    }
}

impl Convert for Format {
    fn convert(&self, records: &[RecordRef<'_>], to: &mut Converted) {
        let mut writer = Writer::new(*self);
        for record in records {
            to.add(record, |out| writer.write(record, out));
        }
    }
}
