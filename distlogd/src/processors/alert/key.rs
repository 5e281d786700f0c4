//! The value of `by` that a record has, as a JSON list: `["shop","/pay"]`.

use distlog_proto::RecordRef;
use distlog_python::json::{write_str, write_value};
use distlog_rules::Named;

use super::config::Name;

/// Longer values are cut, in bytes.
const MAX_VALUE: usize = 256;

/// Writes keys, one after the other into the same memory.
#[derive(Debug, Default)]
pub(super) struct Key {
    bytes: Vec<u8>,
}

impl Key {
    /// The key of a record; `null` stands for what it does not have.
    pub(super) fn of(&mut self, by: &[Name], record: &RecordRef<'_>) -> &str {
        self.bytes.clear();
        self.bytes.push(b'[');
        for (n, name) in by.iter().enumerate() {
            if n > 0 {
                self.bytes.push(b',');
            }
            let begin = self.bytes.len();
            match name.0.value(record) {
                None => self.bytes.extend_from_slice(b"null"),
                Some(Named::Value(value)) => write_value(&mut self.bytes, value),
                Some(Named::Id(id)) => write_str(&mut self.bytes, &id.to_string()),
                Some(Named::Duration(nanos)) => {
                    self.bytes.extend_from_slice(nanos.to_string().as_bytes());
                }
            }
            self.cut(begin);
        }
        self.bytes.push(b']');
        // What writes it writes UTF-8.
        std::str::from_utf8(&self.bytes).unwrap_or("[]")
    }

    /// A long value becomes the begin of its text.
    fn cut(&mut self, begin: usize) {
        if self.bytes.len() - begin <= MAX_VALUE {
            return;
        }
        let text = String::from_utf8_lossy(&self.bytes[begin..]).into_owned();
        let text = serde_json::from_str::<String>(&text).unwrap_or(text);
        self.bytes.truncate(begin);
        let end = (0..=MAX_VALUE).rev().find(|at| text.is_char_boundary(*at));
        let end = end.unwrap_or(0);
        write_str(&mut self.bytes, &text[..end]);
    }
}
