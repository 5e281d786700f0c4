//! Requests with records, how they are built, and what becomes of them.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::NEEDS_A_PERSON;

/// What is posted at once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Bytes,
    /// The records' numbers in the store, in order.
    pub(crate) numbers: Vec<u64>,
}

impl Request {
    /// What the same bytes always have and others do not: the beginning of their SHA-256, in hex.
    pub(crate) fn digest(&self) -> String {
        let mut text = String::with_capacity(32);
        for byte in Sha256::digest(&self.body).iter().take(16) {
            // A String takes everything.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Records that will never be taken; all others of a request were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Their numbers in the store, in order.
    pub(crate) numbers: Vec<u64>,
    /// What is wrong with the first.
    pub(crate) reason: String,
}

/// The receiver did not take a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Later it may.
    Retry {
        reason: String,
        after: Option<Duration>,
    },
    /// It takes none of so many bytes.
    TooLarge { reason: String, bytes: usize },
    /// It never will.
    Refused { reason: String },
}

impl Failure {
    /// Later it may.
    pub(crate) fn retry(reason: impl ToString) -> Failure {
        Failure::Retry {
            reason: reason.to_string(),
            after: None,
        }
    }

    /// Nothing is wrong with the records, and a person has to do something.
    pub(crate) fn needs_a_person(reason: impl ToString) -> Failure {
        Failure::Retry {
            reason: reason.to_string(),
            after: Some(NEEDS_A_PERSON),
        }
    }
}

/// What one request has at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of the body, or one record.
    pub(crate) bytes: usize,
    /// Records.
    pub(crate) records: usize,
}

/// Builds requests.
#[derive(Debug)]
pub(super) struct Builder {
    limits: Limits,
    body: Vec<u8>,
    numbers: Vec<u64>,
}

impl Builder {
    pub(super) fn new(limits: Limits) -> Builder {
        Builder {
            limits,
            body: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Makes requests smaller. Whether they were larger.
    pub(super) fn shrink(&mut self, bytes: usize) -> bool {
        let was = self.limits.bytes;
        self.limits.bytes = bytes.min(was);
        bytes < was
    }

    /// Adds the record with this number, as it is written, and gives the request that is full before or with it.
    pub(super) fn take(
        &mut self,
        number: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Request> {
        let start = self.body.len();
        write(&mut self.body);
        let mut full = None;
        if self.body.len() > self.limits.bytes && start > 0 {
            let next = self.body.split_off(start);
            full = self.finish();
            self.body = next;
        }
        self.numbers.push(number);
        if full.is_none() && self.numbers.len() == self.limits.records {
            full = self.finish();
        }
        full
    }

    /// What is there.
    pub(super) fn finish(&mut self) -> Option<Request> {
        if self.numbers.is_empty() {
            return None;
        }
        Some(Request {
            body: std::mem::take(&mut self.body).into(),
            numbers: std::mem::take(&mut self.numbers),
        })
    }

    /// Forgets what is there.
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.numbers.clear();
    }
}
