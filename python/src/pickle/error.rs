//! Errors of bytes that should be a pickle.

/// Bytes that are no pickled record: the fault and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no pickled LogRecord: {kind} at byte {at}")]
pub struct Error {
    /// The fault.
    pub kind: ErrorKind,
    /// Where the instruction begins, in bytes from the beginning, counted from 0.
    pub at: usize,
}

/// A fault of a pickle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It ends within an instruction, or before the last one.
    #[error("unexpected end")]
    End,
    /// A byte that is no instruction of protocols 0 to 5.
    #[error("unknown instruction 0x{0:02x}")]
    Unknown(u8),
    /// An unknown protocol.
    #[error("protocol {0}, expected 0 to 5")]
    Protocol(u8),
    /// An instruction needs more than is on the stack.
    #[error("the stack is empty")]
    Stack,
    /// An instruction needs another operand than there is.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number in text form that is none.
    #[error("malformed number")]
    Number,
    /// A reference to what was never stored, or a place far beyond what the body can fill.
    #[error("no such place in the memo: {0}")]
    Memo(u64),
    /// Longer than 4 GiB.
    #[error("the body is too long")]
    TooLong,
}
