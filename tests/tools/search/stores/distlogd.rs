//! Our daemon.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use distlog_testkit::Daemon;
use distlog_tests::bench::results::program;
use serde_json::Value;

use super::Store;
use crate::expected::NEWEST;
use crate::generator::{COMMON_WORD, RARE_WORD};
use crate::query::{Answer, FAILED, Query, Request, json_lines};
use crate::traffic::Target;

/// More than any question finds that has no limit of its own.
const ALL: usize = 1000;

/// A running `distlogd`, whose store keeps everything.
pub struct Distlogd {
    daemon: Daemon,
    segments: PathBuf,
    with_spans: bool,
}

impl Distlogd {
    /// Starts a program in `folder`: the one that stands beside this one if none is given.
    ///
    /// # Errors
    /// If there is none.
    pub fn start(
        program: Option<&Path>,
        folder: &Path,
        with_spans: bool,
    ) -> Result<Distlogd, String> {
        let program = program.map_or_else(beside, Path::to_owned);
        if !program.is_file() {
            return Err(format!(
                "no program {}; `cargo build --release --bin distlogd` makes it, or --daemon names another",
                program.display()
            ));
        }
        let program = std::path::absolute(&program).map_err(|error| error.to_string())?;
        let program = program.to_str().ok_or("the program's path is not text")?;
        let config = "store: { path: data, keep: { size: off, age: off } }";
        Ok(Distlogd {
            daemon: Daemon::start(program, &[], folder, config),
            segments: folder.join("data/segments"),
            with_spans,
        })
    }

    /// Parameters of a count of log records.
    fn counts(&self, by: &str, filter: Option<&str>) -> Vec<(&'static str, String)> {
        // Spans have records of their own.
        let logs = self.with_spans.then_some("kind == 'event'");
        let filter: Vec<&str> = filter.into_iter().chain(logs).collect();
        let mut parameters = vec![("by", by.to_owned())];
        if !filter.is_empty() {
            parameters.push(("filter", filter.join(" && ")));
        }
        parameters
    }

    /// Files of its segments, by how their names end.
    fn segments(&self, ending: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.segments)
            .into_iter()
            .flatten()
            .flatten();
        let files = entries.map(|entry| entry.path());
        files
            .filter(|path| path.extension().is_some_and(|this| this == ending))
            .collect()
    }
}

fn beside() -> PathBuf {
    program().with_file_name("distlogd")
}

impl Store for Distlogd {
    fn process(&mut self) -> u32 {
        self.daemon.process().id()
    }

    fn target(&self) -> Target {
        let address = self.daemon.otlp_http();
        Target {
            logs: format!("http://{address}/v1/logs"),
            spans: self
                .with_spans
                .then(|| format!("http://{address}/v1/traces")),
        }
    }

    fn is_settled(&self, records: u64) -> bool {
        self.daemon.metric("distlogd_store_records") >= records as f64
            && self.daemon.metric("distlogd_store_unsealed_segments") == 0.0
    }

    /// That of sealed segments: the open one is allocated ahead.
    fn bytes_per_record(&self, _: u64) -> Option<f64> {
        let open = self.segments("log").pop()?;
        // Behind magic and id of its header stands the number of its first record; the first one of all is 1.
        let mut first = [0; 8];
        File::open(open).ok()?.read_exact_at(&mut first, 16).ok()?;
        let records = u64::from_le_bytes(first)
            .checked_sub(1)
            .filter(|records| *records > 0)?;
        let sealed = self.segments("seal");
        let bytes: u64 = sealed
            .iter()
            .filter_map(|path| Some(path.metadata().ok()?.len()))
            .sum();
        Some(bytes as f64 / records as f64)
    }

    fn request(&self, query: Query, trace: &str) -> Option<Request> {
        let (path, parameters) = match query {
            Query::RareWord => (
                "records".into(),
                vec![("q", RARE_WORD.into()), ("limit", ALL.to_string())],
            ),
            Query::CountByService => ("stats".into(), self.counts("service", None)),
            Query::ErrorsByRoute => (
                "stats".into(),
                self.counts("fields.route", Some("severity >= ERROR")),
            ),
            Query::Trace => (format!("tasks/{trace}"), vec![("format", "records".into())]),
            Query::Newest => (
                "records".into(),
                vec![("q", COMMON_WORD.into()), ("limit", NEWEST.to_string())],
            ),
            Query::FailedTasks if self.with_spans => (
                "tasks".into(),
                vec![
                    ("failed", "true".into()),
                    ("from", "1h".into()),
                    ("limit", FAILED.to_string()),
                ],
            ),
            Query::FailedTasks => return None,
        };
        Some(Request {
            url: format!("{}/api/v1/{path}", self.daemon.http()),
            parameters,
        })
    }

    fn answer(&self, query: Query, body: &str) -> Result<Answer, String> {
        if query == Query::Trace {
            let records = json_lines(body)?;
            let events = records
                .iter()
                .filter(|record| record["distlog"]["kind"] == "event");
            return Answer::messages(events, "message");
        }
        let body: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let items = body["items"]
            .as_array()
            .ok_or_else(|| format!("no items in {body:.200}"))?;
        match query {
            Query::CountByService => Answer::counts(items, "service", "count"),
            Query::ErrorsByRoute => Answer::counts(items, "fields.route", "count"),
            Query::FailedTasks => {
                let traces = items.iter().map(|item| item["id"].as_str().map(trace_of));
                let traces = traces.collect::<Option<BTreeSet<String>>>();
                traces
                    .map(Answer::Traces)
                    .ok_or_else(|| "a task without an id".to_owned())
            }
            _ => Answer::messages(items, "message"),
        }
    }
}

/// The 32 digits of the trace that stand first in a task's id.
fn trace_of(id: &str) -> String {
    id.chars()
        .filter(char::is_ascii_hexdigit)
        .take(32)
        .collect()
}
