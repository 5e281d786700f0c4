//! The records of a test that ran, and what became of them.

use std::collections::HashMap;

use distlog_proto::TraceId;

use super::given::Given;
use crate::evaluate::{Evaluated, Evaluator, with_record};
use crate::trees::Judged;

/// A record of a test, and what became of it.
pub(super) struct Case {
    pub(super) given: Given,
    /// As it came.
    pub(super) batch: Vec<u8>,
    pub(super) evaluated: Evaluated,
    /// The processors that got it, by their numbers.
    pub(super) to: Vec<usize>,
}

impl Case {
    /// The trace of the record as it is stored.
    pub(super) fn evaluated_task(&self) -> Option<TraceId> {
        with_record(&self.evaluated.stored, |record| {
            record.task.map(|task| task.trace_id)
        })?
    }
}

/// A test that ran.
pub(super) struct Ran<'t> {
    pub(super) evaluator: &'t Evaluator,
    pub(super) cases: Vec<Case>,
    /// By processor and trace.
    pub(super) judged: HashMap<(usize, TraceId), Judged>,
}
