//! A record as the dictionary of Python's `logging.LogRecord`: what the encodings `J` and `P` have in common.
//!
//! Read it in this order: `sink.rs` (what an encoding must be able to write), `ascii.rs` (short texts without
//! allocating), `marked.rs` (values that JSON has no form for), `fields.rs` (entries and values), `fragment.rs` (what
//! records have in common), `write.rs` (record to dictionary), `rest.rs` (parts of it for
//! columns of databases), `reader.rs` (dictionary to record), `restore.rs` (parts of it to record), and what these
//! need: `typed.rs` (lenient reading of values), `python.rs` (conventions of the Python package), `own.rs` (the key
//! `distlog`). The form itself is described in [`crate::json`].

mod ascii;
mod fields;
mod fragment;
mod marked;
mod own;
mod python;
mod reader;
mod rest;
mod restore;
mod sink;
mod typed;
mod write;

pub(crate) use ascii::uuid;
pub(crate) use fields::value as write_value;
pub(crate) use fragment::{Fragment, FragmentSink};
pub(crate) use marked::{float_word, map as marked_map, write_base64};
pub(crate) use reader::{Item, Reader};
pub(crate) use rest::{context, fields, rest};
pub(crate) use restore::{Parts, restore};
pub(crate) use sink::Sink;
pub(crate) use write::write;

/// Lists and maps may stand in each other this deep within one entry of the dictionary, as in encoding `B`; what is
/// deeper becomes text.
pub(crate) const MAX_DEPTH: usize = 64;
