//! Processor `levels`: has programs record more of the request, or of the service, that a record belongs to.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::levels::{Directives, DirectivesError, Level};
use distlog_proto::{RecordRef, TaskId};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::start::Start;
use crate::intake::now;
use crate::levels::{LevelTable, Raised, Scope, Wanted};
use crate::processor::{Error, Processor, Token};
use crate::self_telemetry::RateLimited;
use crate::values;

/// How often it is reported that no more can be raised.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// How long levels may be raised for.
const TIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600);

/// `levels: { task: debug, for: 1m }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "levels")]
pub struct Config {
    what: What,
    lasts: Duration,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Task(Level),
    Service(Directives),
}

/// As it stands in the file: exactly one of `task` and `service`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map like { task: debug, for: 1m }")]
struct Written {
    /// A level, `debug` or `trace`: all of the record's trace is recorded up to it from now on, in every process.
    #[serde(default, deserialize_with = "some_level")]
    #[schemars(with = "Option<String>")]
    task: Option<Level>,
    /// Levels like `orders=debug`: what all processes of the record's service record from now on.
    #[serde(default, deserialize_with = "some_directives")]
    #[schemars(with = "Option<String>")]
    service: Option<Directives>,
    /// For how long. A record that is older than that raises nothing.
    #[serde(
        rename = "for",
        default = "one_minute",
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    lasts: Duration,
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

fn some_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Level>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

fn some_directives<'de, D>(deserializer: D) -> Result<Option<Directives>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse().map(Some);
    parsed.map_err(|DirectivesError { message, .. }| D::Error::custom(message))
}

impl TryFrom<Written> for Config {
    type Error = String;

    fn try_from(written: Written) -> Result<Config, String> {
        let what = match (written.task, written.service) {
            (Some(level), None) => What::Task(level),
            (None, Some(directives)) => What::Service(directives),
            _ => return Err("expected one of `task` and `service`".to_owned()),
        };
        let lasts = written.lasts;
        if !TIMES.contains(&lasts) {
            return Err("`for` is from 1s to 30d".to_owned());
        }
        Ok(Config { what, lasts })
    }
}

/// Makes the processor.
///
/// # Errors
/// None at present.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    Ok(Box::new(Raise {
        config: config.clone(),
        name: start.name.to_owned(),
        table: Arc::clone(start.levels),
        full: RateLimited::new(1, REPORT_INTERVAL),
    }))
}

struct Raise {
    config: Config,
    name: String,
    table: Arc<LevelTable>,
    full: RateLimited,
}

impl Raise {
    /// What a record raises.
    fn wanted(&self, record: &RecordRef<'_>) -> Option<Wanted> {
        match &self.config.what {
            What::Task(level) => {
                let task = record.task.as_ref()?;
                Some(Wanted::Task(TaskId::top(task.trace_id), *level))
            }
            What::Service(directives) => {
                let service = record.source.service;
                let scope = Scope::Service(service.to_owned());
                (!service.is_empty()).then(|| Wanted::Directives(scope, directives.clone()))
            }
        }
    }
}

impl Processor for Raise {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        let lasts = u64::try_from(self.config.lasts.as_nanos()).unwrap_or(u64::MAX);
        let oldest = now().saturating_sub(lasts);
        let mut before = None;
        for record in records.iter().filter(|record| record.time >= oldest) {
            // Records that follow each other mostly belong together.
            let of = (record.task.map(|task| task.trace_id), record.source.service);
            if before.replace(of) == Some(of) {
                continue;
            }
            let Some(wanted) = self.wanted(record) else {
                continue;
            };
            let raised = self.table.raise(&self.name, wanted, self.config.lasts);
            if raised == Raised::Full
                && let Some(before) = self.full.report(1)
            {
                let (processor, count) = (&self.name, 1 + before);
                tracing::warn!(
                    processor,
                    "{count} tasks or services are not raised: rules have raised as many as may be, until those end"
                );
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        Ok(Token::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn it_raises_a_task_or_a_service() {
        let task = read("task: debug").unwrap();
        assert_eq!(task.what, What::Task(Level::Debug));
        assert_eq!(task.lasts, Duration::from_secs(60));
        let service = read("{ service: 'orders=trace,hyper=off', for: 10m }").unwrap();
        assert!(
            matches!(&service.what, What::Service(set) if set.to_string() == "orders=trace,hyper=off")
        );
        assert_eq!(service.lasts, Duration::from_secs(600));
        for (wrong, fault) in [
            ("for: 1m", "expected one of `task` and `service`"),
            (
                "{ task: debug, service: debug }",
                "expected one of `task` and `service`",
            ),
            ("task: loud", "`loud` is no level"),
            ("service: 'orders=loud'", "`loud` is no level"),
            ("{ task: debug, for: 10ms }", "`for` is from 1s to 30d"),
            ("{ task: debug, of: x }", "unknown field `of`"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(fault), "{wrong}: {said}");
        }
    }
}
