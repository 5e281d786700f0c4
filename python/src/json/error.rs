//! Errors of a text that should be JSON.

/// Bytes that are no record in JSON: the fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no LogRecord in JSON: {kind} at byte {at}")]
pub struct Error {
    /// The fault.
    pub kind: ErrorKind,
    /// Where, in bytes from the beginning, counted from 0.
    pub at: usize,
}

/// A fault of a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// The text ends within a value.
    #[error("unexpected end")]
    End,
    /// Something else was expected.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A control character within a string.
    #[error("a control character within a string must be escaped")]
    Control,
    /// An unknown escape.
    #[error("unknown escape in a string")]
    Escape,
    /// Something follows the object.
    #[error("more text behind the object")]
    Trailing,
}
