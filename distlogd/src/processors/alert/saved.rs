//! What outlives the daemon: the state of all alerts and the notifications that are not delivered, as JSON in the
//! processor's token. So it is stored with the cursor, at once, and after a kill both go on from the same record.

use serde::{Deserialize, Serialize};

use super::groups::Group;
use super::notification::Notification;
use crate::processor::Token;

/// The state at one time.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// What is counted: with another the windows begin anew.
    pub(super) condition: String,
    /// What the windows' clock said.
    pub(super) at: u64,
    /// What the system's clock said.
    pub(super) system: u64,
    pub(super) blind_until: u64,
    /// The values of `by`, each with its alert.
    pub(super) groups: Vec<(Box<str>, Group)>,
    /// What was told of those that fire.
    pub(super) firing: Vec<(Box<str>, Notification)>,
    /// What is not delivered, by destination.
    pub(super) waiting: Vec<(String, Vec<Notification>)>,
}

impl Saved {
    pub(super) fn token(&self) -> Token {
        // Writing it into memory does not fail.
        Token(serde_json::to_vec(self).unwrap_or_default())
    }

    /// # Errors
    /// If it is none.
    pub(super) fn read(token: &Token) -> Result<Saved, serde_json::Error> {
        serde_json::from_slice(&token.0)
    }
}
