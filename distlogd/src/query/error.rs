//! Why a query is not answered.

use std::fmt;

use crate::storage::StorageError;

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A parameter is wrong.
    #[error("`{parameter}` is wrong: found {found}, expected {expected}")]
    Parameter {
        /// Its name in the API.
        parameter: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// A parameter has a name that is not known, or stands there twice; the condition has a fault.
    #[error("{0}")]
    Request(String),
    /// A few records took longer than it may take in all.
    #[error(
        "the condition, or the database, takes too long for a few records: write a simpler one"
    )]
    Slow,
    /// Too many others ask.
    #[error("{0} queries are waiting already: ask again in a few seconds")]
    Busy(usize),
    /// The records cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A thread could not be started.
    #[error("cannot start a thread for queries: {0}")]
    Thread(std::io::Error),
    /// It broke off: a fault of ours.
    #[error("the query has failed; the daemon's log has the reason")]
    Failed,
}

impl QueryError {
    /// A parameter is wrong.
    pub fn parameter(
        parameter: &'static str,
        found: impl fmt::Display,
        expected: impl Into<String>,
    ) -> QueryError {
        QueryError::Parameter {
            parameter,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}
