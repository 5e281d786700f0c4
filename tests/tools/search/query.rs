//! What is asked, and whether the answer is right.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::expected::Expected;

/// So many failed tasks are asked for at most.
pub const FAILED: usize = 100;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    RareWord,
    CountByService,
    ErrorsByRoute,
    Trace,
    Newest,
    FailedTasks,
}

/// All questions.
pub const QUERIES: [Query; 6] = [
    Query::RareWord,
    Query::CountByService,
    Query::ErrorsByRoute,
    Query::Trace,
    Query::Newest,
    Query::FailedTasks,
];

impl Query {
    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Query::RareWord => "a rare word",
            Query::CountByService => "count by service",
            Query::ErrorsByRoute => "count of errors by route",
            Query::Trace => "records of a trace",
            Query::Newest => "newest 50 with a common word",
            Query::FailedTasks => "failed tasks of the last hour",
        }
    }

    /// Name of the plot that shows how it grows.
    pub fn plot(self) -> &'static str {
        match self {
            Query::RareWord => "search-rare-word",
            Query::CountByService => "search-count",
            Query::ErrorsByRoute => "search-errors",
            Query::Trace => "search-trace",
            Query::Newest => "search-newest",
            Query::FailedTasks => "search-failed",
        }
    }

    /// Title of that plot.
    pub fn title(self) -> &'static str {
        match self {
            Query::RareWord => "Time to find a rare word",
            Query::CountByService => "Time to count records by service",
            Query::ErrorsByRoute => "Time to count errors by route",
            Query::Trace => "Time to get the records of a trace",
            Query::Newest => "Time to find the newest 50 records with a common word",
            Query::FailedTasks => "Time to list 100 failed tasks of the last hour",
        }
    }
}

/// How a store is asked: a URL with parameters.
#[derive(Debug)]
pub struct Request {
    pub url: String,
    pub parameters: Vec<(&'static str, String)>,
}

/// What a store answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Messages of records, sorted.
    Messages(Vec<String>),
    /// Numbers of records by the value of a field.
    Counts(BTreeMap<String, u64>),
    /// Ids of traces.
    Traces(BTreeSet<String>),
}

impl Answer {
    /// The texts that records have in a field.
    ///
    /// # Errors
    /// If one has none.
    pub fn messages<'a>(
        records: impl IntoIterator<Item = &'a Value>,
        field: &str,
    ) -> Result<Answer, String> {
        let message = |record: &Value| text(record, field);
        let mut messages = records
            .into_iter()
            .map(message)
            .collect::<Result<Vec<_>, _>>()?;
        messages.sort_unstable();
        Ok(Answer::Messages(messages))
    }

    /// The number that each row has for the value of a field.
    ///
    /// # Errors
    /// If a row lacks one of them.
    pub fn counts<'a>(
        rows: impl IntoIterator<Item = &'a Value>,
        field: &str,
        count: &str,
    ) -> Result<Answer, String> {
        let row = |row: &Value| {
            let number = match &row[count] {
                Value::String(digits) => digits.parse().ok(),
                number => number.as_u64(),
            };
            let number = number.ok_or_else(|| format!("no number {count} in {row}"))?;
            Ok((text(row, field)?, number))
        };
        Ok(Answer::Counts(
            rows.into_iter().map(row).collect::<Result<_, String>>()?,
        ))
    }

    /// Whether it is right.
    ///
    /// # Errors
    /// What it should have been.
    pub fn check(&self, query: Query, expected: &Expected) -> Result<(), String> {
        let sorted = |mut messages: Vec<String>| {
            messages.sort_unstable();
            Answer::Messages(messages)
        };
        let right = match query {
            Query::RareWord => sorted(expected.rare.iter().cloned().collect()),
            Query::CountByService => Answer::Counts(expected.by_service.clone()),
            Query::ErrorsByRoute => Answer::Counts(expected.errors_by_route.clone()),
            Query::Trace => sorted(expected.trace.clone()),
            Query::Newest => sorted(
                expected
                    .newest
                    .iter()
                    .map(|(_, message)| message.clone())
                    .collect(),
            ),
            Query::FailedTasks => return self.check_failed(expected),
        };
        if *self == right {
            return Ok(());
        }
        Err(format!("wrong answer: {self:.400?}, not {right:.400?}"))
    }

    /// Roots that began and ended at nearly the same time may be listed in either order.
    fn check_failed(&self, expected: &Expected) -> Result<(), String> {
        let Answer::Traces(found) = self else {
            return Err(format!("no traces: {self:?}"));
        };
        let count = expected.failed.len().min(FAILED);
        if found.len() != count {
            return Err(format!(
                "wrong answer: {} failed tasks, not {count}",
                found.len()
            ));
        }
        let newest = expected.failed.iter().rev().take(count + count / 10);
        let newest: BTreeSet<&String> = newest.map(|(_, trace)| trace).collect();
        match found.iter().find(|trace| !newest.contains(trace)) {
            Some(trace) => Err(format!(
                "wrong answer: {trace} is none of the newest that failed"
            )),
            None => Ok(()),
        }
    }
}

/// A text that must be there.
fn text(record: &Value, field: &str) -> Result<String, String> {
    let text = record[field].as_str();
    text.map(str::to_owned)
        .ok_or_else(|| format!("no text {field} in {record}"))
}

/// Lines of JSON.
///
/// # Errors
/// If one is none.
pub fn json_lines(body: &str) -> Result<Vec<Value>, String> {
    let parse =
        |line: &str| serde_json::from_str(line).map_err(|error| format!("{error}: {line:.200}"));
    body.lines()
        .filter(|line| !line.is_empty())
        .map(parse)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_answers_are_found() {
        let mut expected = Expected::default();
        expected.add_record("orders", "/orders", 17, 1, "an order for a xylophone");
        expected.add_record("orders", "/orders", 9, 2, "the cache is warm");
        for number in 0..3 {
            expected.failed.insert((number, format!("{number:032x}")));
        }

        let check = |query, answer: Result<Answer, String>| {
            answer.and_then(|answer| answer.check(query, &expected))
        };
        let rows = json_lines("{\"service\":\"orders\",\"count\":2}\n").unwrap();
        check(
            Query::CountByService,
            Answer::counts(&rows, "service", "count"),
        )
        .unwrap();
        check(
            Query::CountByService,
            Answer::counts(&rows, "service", "records"),
        )
        .unwrap_err();
        let digits = [json!({ "route": "/orders", "n": "1" })];
        check(Query::ErrorsByRoute, Answer::counts(&digits, "route", "n")).unwrap();
        check(Query::CountByService, Answer::counts(&digits, "route", "n")).unwrap_err();

        let records = [json!({ "message": "an order for a xylophone" })];
        check(Query::RareWord, Answer::messages(&records, "message")).unwrap();
        check(Query::Newest, Answer::messages(&records, "message")).unwrap_err();
        check(Query::RareWord, Answer::messages([], "message")).unwrap_err();

        let failed = |numbers: &[u64]| {
            let ids = numbers.iter().map(|number| format!("{number:032x}"));
            check(Query::FailedTasks, Ok(Answer::Traces(ids.collect())))
        };
        failed(&[2, 0, 1]).unwrap();
        failed(&[0, 1]).unwrap_err();
        failed(&[0, 1, 3]).unwrap_err();
    }
}
