//! How a task ended: the first that applies of what was said, a panic, a result, an error event.

use distlog_proto::wire::field::record;
use distlog_proto::wire::put;
use distlog_proto::{Outcome, Severity};

/// Why an outcome is believed, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OutcomePriority {
    /// Nothing was set: it went well.
    Silence,
    /// An ERROR event with an error.
    ErrorEvent,
    /// Its future was dropped before it was ready.
    Dropped,
    /// `Err` of what was run. `Ok` is a flag of the task: nearly all work goes well, and a flag costs nothing.
    Result,
    /// The task was left by a panic.
    Panic,
    /// `success`, `fail`, `otel.status_code`.
    Said,
}

/// What is known about the outcome so far.
pub(crate) struct OutcomeState {
    priority: OutcomePriority,
    outcome: Outcome,
    /// Field `error` of the record to come; empty: none.
    error: Vec<u8>,
    /// OpenTelemetry's status code, 0 where it was not set.
    status_code: u32,
    status_message: String,
}

impl Default for OutcomeState {
    fn default() -> OutcomeState {
        OutcomeState {
            priority: OutcomePriority::Silence,
            outcome: Outcome::Ok,
            error: Vec::new(),
            status_code: 0,
            status_message: String::new(),
        }
    }
}

impl OutcomeState {
    /// Takes an outcome, unless another has a higher priority. At equal priority the later one counts.
    pub(crate) fn give(&mut self, priority: OutcomePriority, outcome: Outcome, error: Vec<u8>) {
        if priority >= self.priority {
            (self.priority, self.outcome, self.error) = (priority, outcome, error);
        }
    }

    /// `otel.status_code` and `otel.status_description`.
    pub(crate) fn set_status(&mut self, ok: Option<bool>, description: Option<String>) {
        if let Some(ok) = ok {
            let outcome = if ok {
                Outcome::Success
            } else {
                Outcome::Failed
            };
            let error = std::mem::take(&mut self.error);
            self.give(OutcomePriority::Said, outcome, error);
            self.status_code = if ok { 1 } else { 2 };
        }
        if let Some(description) = description {
            self.status_message = description;
        }
    }

    /// What it is so far. `went_well`: the last result of its work was `Ok`.
    pub(crate) fn outcome(&self, went_well: bool) -> Outcome {
        match went_well && self.priority <= OutcomePriority::Result {
            true => Outcome::Ok,
            false => self.outcome,
        }
    }

    /// Writes it into the `end` record. `went_well`: as for [`OutcomeState::outcome`].
    pub(crate) fn put(&self, out: &mut Vec<u8>, went_well: bool) {
        let outcome = self.outcome(went_well);
        put::varint(out, record::OUTCOME, outcome.number());
        if outcome == Outcome::Failed {
            // So that who asks for errors gets the failed tasks, too.
            put::varint(out, record::SEVERITY, Severity::ERROR.number().into());
            out.extend_from_slice(&self.error);
        }
        put::varint(out, record::STATUS_CODE, self.status_code.into());
        put::bytes(out, record::STATUS_MESSAGE, self.status_message.as_bytes());
    }
}
