//! Blocks in columns: the records of a block, taken apart, so that what is alike stands together.
//!
//! A block of rows is whole frames, as they came. A columnar block holds the same frames, to the last byte: for each
//! record its *shape* (`shape.rs`: which fields it has, in which order), and for each field a column with its values
//! (`numbers.rs`, `decimals.rs`, `texts.rs` with `text_list.rs`). What follows from something else is not stored:
//! offsets that count up, ids of tasks that follow from their paths (`distlog_proto::TaskId`), lengths and checksums.
//! `encode.rs` writes, with `heads.rs` for what batches share.
//!
//! `block.rs` reads what all records share and the columns (`body.rs`), `assemble.rs` puts records together, as
//! `operations.rs` says for each shape; `decode.rs` makes the frames again, `select.rs` (with `rows.rs` and, for words,
//! `find.rs`) only the records and the parts of them that a query wants, `count.rs` counts them by a field. `stream.rs`
//! has the bytes of both sides. `index.rs` gathers what is known of a block without reading it.
//!
//! A batch that would not be put together as it was (protobuf that is not canonical, from a foreign encoder) is stored
//! as it is, within the block; a block with too many of them, or with too many different fields, is stored in rows.

mod assemble;
mod block;
mod body;
mod canonical;
mod count;
mod decimals;
mod decode;
mod encode;
mod find;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod heads;
mod index;
mod numbers;
mod operations;
mod pattern;
mod rows;
mod select;
mod shape;
mod stream;
mod task_ids;
mod text_list;
mod texts;

#[cfg(test)]
mod select_tests;
#[cfg(test)]
mod tests;

pub(super) use body::{Body, HEAD};
pub(super) use count::count_texts;
pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use index::{BlockIndex, OUTCOMES, SEVERITIES};
pub use rows::Rows;
pub use select::Selection;
pub(super) use select::{SomeRecords, select};
pub(super) use stream::{Pack, Reader, Unpack, Writer};

use shape::ColumnKey;

/// Whether bytes have a checksum; to the fuzzer, which finds none, all have it.
fn is_sound(bytes: &[u8], crc: u32) -> bool {
    cfg!(feature = "fuzzing") || crc32c::crc32c(bytes) == crc
}

/// Of a `Field`: a value that is a fraction, with its wire type.
const FRACTION: u32 = 6 << 3 | 1;

/// Whether the values of a column are the bits of fractions.
fn is_fraction(key: &ColumnKey) -> bool {
    key.message.is_named() && key.tag == FRACTION
}

/// 16 hexadecimal digits, as in the path of a task that only OpenTelemetry knows.
fn hex(id: u64) -> [u8; 16] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[(id >> (60 - 4 * at) & 15) as usize])
}
