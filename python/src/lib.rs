//! Encodings `J` and `P`: a record as the dictionary of Python's `logging.LogRecord`, in JSON and in pickle.
//!
//! The Python package `distlog` speaks them; the file processor, the API and the live tail write `J`. No I/O, and
//! pickles are read without executing anything. Read it in this order: `log_record/` (the dictionary, which both
//! share), [`json`], [`pickle`].

pub mod json;
mod log_record;
pub mod pickle;
