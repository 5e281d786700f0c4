//! VictoriaLogs.

use std::path::{Path, PathBuf};
use std::process::Command;

use distlog_tests::bench::peer::{self, Running, find};

use super::{Store, bytes};
use crate::expected::NEWEST;
use crate::generator::{COMMON_WORD, RARE_WORD};
use crate::query::{Answer, Query, Request, json_lines};
use crate::traffic::{Target, agent};

/// How to get it.
pub const GET: &str = "no victoria-logs; `go mod download -json github.com/VictoriaMetrics/VictoriaLogs@latest` says \
                       where its source is, `go build ./app/victoria-logs` in a copy of that makes it; its path in \
                       DISTLOG_BENCH_VICTORIALOGS";

/// A running `victoria-logs`, which keeps everything.
pub struct VictoriaLogs {
    process: Running,
    url: String,
    data: PathBuf,
}

impl VictoriaLogs {
    /// Starts it in `folder`.
    ///
    /// # Errors
    /// How to get it, if it is not installed.
    pub fn start(folder: &Path) -> Result<VictoriaLogs, String> {
        let program = find("DISTLOG_BENCH_VICTORIALOGS", "victoria-logs").ok_or(GET)?;
        let port = peer::free_port();
        let data = folder.join("data");
        let mut command = Command::new(program);
        command.arg(format!("-storageDataPath={}", data.display()));
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command.arg("-retentionPeriod=100y");
        Ok(VictoriaLogs {
            process: Running::start(command, folder, port),
            url: format!("http://127.0.0.1:{port}"),
            data,
        })
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut answer = agent().get(format!("{}{path}", self.url)).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }
}

impl Store for VictoriaLogs {
    fn process(&mut self) -> u32 {
        self.process.process()
    }

    fn target(&self) -> Target {
        Target {
            logs: format!("{}/insert/opentelemetry/v1/logs", self.url),
            spans: None,
        }
    }

    /// It writes parts from memory to disk after some seconds, and merges them.
    fn is_settled(&self, records: u64) -> bool {
        let Some(metrics) = self.get("/metrics") else {
            return false;
        };
        let sum = |start: &str| -> f64 {
            let values = metrics.lines().filter(|line| line.starts_with(start));
            values
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .sum()
        };
        sum("vl_storage_rows") >= records as f64
            && sum("vl_storage_rows{type=\"storage/inmemory\"}") == 0.0
            && sum("vl_pending_rows") == 0.0
            && sum("vl_active_merges") == 0.0
    }

    fn bytes_per_record(&self, records: u64) -> Option<f64> {
        Some(bytes(&self.data) as f64 / records as f64)
    }

    fn request(&self, query: Query, trace: &str) -> Option<Request> {
        let query = match query {
            Query::RareWord => RARE_WORD.to_owned(),
            Query::CountByService => {
                "* | stats by (\"service.name\") count() as records".to_owned()
            }
            Query::ErrorsByRoute => {
                "severity_text:=ERROR | stats by (route) count() as records".to_owned()
            }
            Query::Trace => format!("trace_id:={trace}"),
            Query::Newest => format!("{COMMON_WORD} | sort by (_time) desc limit {NEWEST}"),
            Query::FailedTasks => return None,
        };
        Some(Request {
            url: format!("{}/select/logsql/query", self.url),
            parameters: vec![("query", query)],
        })
    }

    fn answer(&self, query: Query, body: &str) -> Result<Answer, String> {
        let rows = json_lines(body)?;
        match query {
            Query::CountByService => Answer::counts(&rows, "service.name", "records"),
            Query::ErrorsByRoute => Answer::counts(&rows, "route", "records"),
            _ => Answer::messages(&rows, "_msg"),
        }
    }
}
