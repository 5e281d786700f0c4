//! What programs and the daemon redact alike: the mark, and regular expressions (`patterns.rs`, feature
//! `redact-patterns`).

#[cfg(feature = "redact-patterns")]
mod patterns;

#[cfg(feature = "redact-patterns")]
pub use patterns::{PatternError, Patterns};

/// Stands where something was redacted.
pub const REDACTED: &str = "[redacted]";
