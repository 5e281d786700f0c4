//! How a test ended.

use serde::Serialize;

use super::why::Why;

/// How a test ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TestResult {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
    /// The file of the configuration.
    pub(super) config: String,
    /// None if it passed.
    pub(super) failures: Vec<Failure>,
}

impl TestResult {
    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// What is not as it is expected.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    /// Of the expectation.
    pub(super) line: usize,
    /// The record in words.
    pub(super) record: String,
    /// `to`, `errors: fields.card`.
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) why: Vec<Why>,
}
