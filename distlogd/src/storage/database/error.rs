//! What is wrong with a database, in words that say what to do.

/// Why a database cannot be read. No text has a user or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// The text names no database.
    #[error("{0}")]
    Url(String),
    /// This program cannot read it.
    #[error(
        "this distlogd was built without {engine}: build it with `--features {feature}`, or take the package, which has \
         all"
    )]
    NotBuilt {
        /// Which.
        engine: &'static str,
        /// Of the crate.
        feature: &'static str,
    },
    /// It is not there, refuses to answer or takes too long; later it may answer.
    #[error("cannot read {database}: {reason}")]
    Unavailable {
        /// Which.
        database: String,
        /// What is wrong.
        reason: String,
    },
    /// It has no tables of ours, or those of another version.
    #[error("cannot read {database}: {reason}")]
    Schema {
        /// Which.
        database: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}
