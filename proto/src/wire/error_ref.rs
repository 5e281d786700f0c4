//! The error of a record, read in place.

use super::scan::{DecodeError, Scan};
use crate::record::ErrorInfo;

/// An error, borrowed. The owned form is [`ErrorInfo`].
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)] // The same fields as in ErrorInfo.
pub struct ErrorRef<'a> {
    pub kind: &'a str,
    pub message: &'a str,
    pub traceback: &'a str,
    bytes: &'a [u8],
}

impl<'a> ErrorRef<'a> {
    pub(super) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        Scan::new("Error", bytes).try_for_each(|item| {
            let item = item?;
            if (1..=4).contains(&item.number) {
                item.str().map(drop)
            } else {
                Ok(())
            }
        })
    }

    pub(super) fn new(bytes: &'a [u8]) -> ErrorRef<'a> {
        let mut error = ErrorRef {
            kind: "",
            message: "",
            traceback: "",
            bytes,
        };
        for item in Scan::new("Error", bytes).map_while(Result::ok) {
            match item.number {
                1 => error.kind = item.str().unwrap_or_default(),
                2 => error.message = item.str().unwrap_or_default(),
                4 => error.traceback = item.str().unwrap_or_default(),
                _ => {}
            }
        }
        error
    }

    /// Its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        Scan::new("Error", self.bytes)
            .map_while(Result::ok)
            .filter(|item| item.number == 3)
            .filter_map(|item| item.str().ok())
    }

    /// Copies it.
    pub fn to_error(&self) -> ErrorInfo {
        ErrorInfo {
            kind: self.kind.to_owned(),
            message: self.message.to_owned(),
            chain: self.chain().map(str::to_owned).collect(),
            traceback: self.traceback.to_owned(),
        }
    }
}
