//! Encoding `P`: a record as a pickled dictionary, with the same names as in [`crate::json`].
//!
//! [`encode`] writes protocol 3, as the Python package does; `pickle.loads` reads it and
//! `logging.makeLogRecord` makes a record of it. [`decode`] reads protocols 0 to 5 **without running anything**: what
//! would import a class or call a function becomes an inert value. Those that a log record may well hold keep their
//! meaning or a readable form:
//!
//! | Python | becomes |
//! |---|---|
//! | `datetime`, `date`, `time`, `timedelta` | text: `2026-11-23T04:11:38.123456+01:00`, `2 days, 0:00:01` |
//! | `UUID`, `Decimal`, paths, `ipaddress`, integers over 64 bits | text |
//! | tuple, set, frozenset, deque | list |
//! | `OrderedDict`, `defaultdict`, `Counter` | map; names that are no strings are written as Python writes them |
//! | an exception or any other object | text: `ValueError('bad')`, `shop.Order(7)` |
//! | a string with lone surrogates | string with `\ud800` |
//!
//! Bounded are the depth (64, deeper is text), the memory (less than 128 bytes for each byte of the body, which the
//! caller bounds) and what shared or cyclic structures unfold to (about the body's size; the rest becomes `...`).
//!
//! Read it in this order: `error.rs`, `body.rs` (numbers, lines), `node.rs` (what a pickle builds), `text.rs`,
//! `machine.rs` (the instructions), `value.rs` (nodes to values), `object.rs` (readable forms), `write.rs`.

mod body;
mod error;
mod machine;
mod node;
mod object;
mod text;
mod value;
mod write;

pub use error::{Error, ErrorKind};

use crate::log_record::{self, Reader};
use distlog_proto::Record;
use distlog_proto::Topic;
use distlog_proto::wire::RecordRef;

/// Reads the body of a message: one record. Environment and channel are those of the topic, unless the record names
/// them.
///
/// # Errors
/// If the body is no pickle of protocol 0 to 5, or no dictionary.
pub fn decode(body: &[u8], topic: Topic) -> Result<Record, Error> {
    Decoder::default().decode(body, topic).map(std::mem::take)
}

/// Reads many records as [`decode`] does, and faster: what one was made of is the memory for the next.
#[derive(Debug, Default)]
pub struct Decoder(Reader);

impl Decoder {
    /// Reads the body of a message. The record may be taken out, or changed.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(&mut self, body: &[u8], topic: Topic) -> Result<&mut Record, Error> {
        self.0.begin(topic, body.len());
        let (nodes, root) = machine::run(body)?;
        let is_dict = value::Unfold::new(&nodes, body.len())
            .entries_of(root, |name, item| self.0.entry(name, item));
        if is_dict {
            Ok(self.0.finish())
        } else {
            Err(Error {
                kind: ErrorKind::Expected("a dict"),
                at: body.len(),
            })
        }
    }
}

/// Appends a record as a pickle.
pub fn encode(record: &RecordRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x80, 3]);
    log_record::write(&mut write::Writer::new(out), record);
    out.push(b'.');
}
