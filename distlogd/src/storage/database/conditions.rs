//! Conditions that are the same in the SQL of all databases. They have no text of a user.

use std::ops::Range;

use distlog_proto::{Outcome, TraceId};
use distlog_store::Rows;

/// Those of kind and outcome.
pub(super) fn kinds(rows: Rows<'_>) -> Option<String> {
    match rows {
        Rows::All | Rows::OfTraces(_) => None,
        Rows::TasksOf(_) => Some("kind IN ('begin', 'end')".to_owned()),
        Rows::Ended(outcomes) => {
            let begins = "kind = 'begin' AND parent_span_id IS NULL";
            let ends = ends(outcomes);
            Some(format!("({begins} OR kind = 'end' AND ({ends}))"))
        }
    }
}

fn ends(outcomes: &[Outcome]) -> String {
    let told = outcomes
        .iter()
        .filter(|outcome| **outcome != Outcome::Unset);
    let told: Vec<String> = told
        .map(|outcome| format!("'{}'", outcome.name()))
        .collect();
    let mut any = Vec::new();
    if !told.is_empty() {
        any.push(format!("outcome IN ({})", told.join(", ")));
    }
    if outcomes.contains(&Outcome::Unset) {
        any.push("outcome IS NULL".to_owned());
    }
    match any.is_empty() {
        true => "1 = 0".to_owned(),
        false => any.join(" OR "),
    }
}

/// The traces that are wanted; `None`: all.
pub(super) fn traces(rows: Rows<'_>) -> Option<&[TraceId]> {
    match rows {
        Rows::All | Rows::Ended(_) => None,
        Rows::OfTraces(traces) | Rows::TasksOf(traces) => Some(traces),
    }
}

/// The least time, and the time that all are before; `None`: no bound is needed. The column holds at most `i64::MAX`.
pub(super) fn bounds(times: &Range<u64>) -> (Option<i64>, Option<i64>) {
    let from = i64::try_from(times.start).unwrap_or(i64::MAX);
    let to = i64::try_from(times.end).ok().filter(|to| *to < i64::MAX);
    ((from > 0).then_some(from), to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_outcomes_are_told_by_name() {
        assert_eq!(kinds(Rows::All), None);
        assert_eq!(
            kinds(Rows::Ended(&[Outcome::Unset, Outcome::Failed])).unwrap(),
            "(kind = 'begin' AND parent_span_id IS NULL OR kind = 'end' AND (outcome IN ('failed') OR outcome IS NULL))"
        );
        assert!(kinds(Rows::Ended(&[])).unwrap().contains("1 = 0"));
    }

    #[test]
    fn times_beyond_the_column_lie_at_its_end() {
        assert_eq!(bounds(&(0..u64::MAX)), (None, None));
        assert_eq!(bounds(&(5..7)), (Some(5), Some(7)));
        assert_eq!(bounds(&(u64::MAX - 1..u64::MAX)), (Some(i64::MAX), None));
        assert_eq!(bounds(&(0..i64::MAX as u64)), (None, None));
    }
}
