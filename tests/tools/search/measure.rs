//! What taking cost, and how long answers take.

use std::time::{Duration, Instant};

use distlog_tests::bench::results::{TIMEOUT, until};
use distlog_tests::bench::system;
use serde::Serialize;
use ureq::Agent;

use crate::expected::Expected;
use crate::generator::Generator;
use crate::query::{QUERIES, Query, Request};
use crate::stores::Store;
use crate::traffic;

/// A process is idle that uses a hundredth of a core at most for so long.
const IDLE: Duration = Duration::from_secs(2);
const IDLE_SHARE: u32 = 100;
/// Between two looks at a store.
const LOOK: Duration = Duration::from_millis(200);
/// So much of an answer is read at most.
const MAX_ANSWER: u64 = 256 << 20;

/// What was measured of a store with so many records.
#[derive(Debug, Serialize)]
pub struct Row {
    pub store: &'static str,
    pub records: u64,
    pub taken: Taken,
    pub asked: Vec<Asked>,
}

/// What it cost to take the records.
#[derive(Debug, Serialize)]
pub struct Taken {
    /// Bytes of a record as it was sent.
    pub sent_bytes: f64,
    /// Records a second until the last request was answered.
    pub per_second: f64,
    /// CPU microseconds of the store for a record, until it had settled.
    pub cpu_micros: f64,
    /// Seconds from the last answer until it had settled.
    pub settled_seconds: f64,
    /// Bytes of a record on disk; none if nothing is in its final form yet.
    pub stored_bytes: Option<f64>,
    /// The most memory that it had until then.
    pub peak_mib: u64,
}

/// How long an answer took.
#[derive(Debug, Serialize)]
pub struct Asked {
    pub query: Query,
    /// What is wrong, if anything is.
    pub failure: Option<String>,
    /// The first time.
    pub first_ms: f64,
    /// The times after that; the first, if there were no others.
    pub min_ms: f64,
    pub median_ms: f64,
    /// CPU time of the store for an answer, on average.
    pub cpu_ms: f64,
    /// The most memory that the store had until then.
    pub peak_mib: u64,
}

impl Row {
    /// What is wrong.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.asked.iter().filter_map(|asked| {
            let failure = asked.failure.as_ref()?;
            Some(format!(
                "{}, {} records, {}: {failure}",
                self.store,
                self.records,
                asked.query.name()
            ))
        })
    }
}

/// Sends everything, and waits until the store has settled.
pub fn take(store: &mut dyn Store, generator: &Generator, connections: usize) -> (Taken, Expected) {
    let process = store.process();
    let used = system::cpu(process);
    let begun = Instant::now();
    let sent = traffic::send(generator, connections, &store.target());
    let took = begun.elapsed();
    let records = generator.records();
    let waiting = Instant::now();
    until("a store that has settled", || {
        std::thread::sleep(LOOK);
        store.is_settled(records)
    });
    wait_until_idle(process);
    let of_each = |whole: f64| whole / records as f64;
    let taken = Taken {
        sent_bytes: of_each(sent.bytes as f64),
        per_second: records as f64 / took.as_secs_f64(),
        cpu_micros: of_each((system::cpu(process) - used).as_secs_f64() * 1e6),
        settled_seconds: waiting.elapsed().as_secs_f64(),
        stored_bytes: store.bytes_per_record(records),
        peak_mib: system::peak(process),
    };
    (taken, sent.expected)
}

fn wait_until_idle(process: u32) {
    until("a store that is idle", || {
        let used = system::cpu(process);
        std::thread::sleep(IDLE);
        system::cpu(process) - used <= IDLE / IDLE_SHARE
    });
}

/// Asks everything that the store knows, each question so often.
pub fn ask(store: &mut dyn Store, trace: &str, expected: &Expected, runs: u32) -> Vec<Asked> {
    let process = store.process();
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        .build()
        .into();
    let mut all = Vec::new();
    for query in QUERIES {
        let Some(request) = store.request(query, trace) else {
            continue;
        };
        let used = system::cpu(process);
        let mut times = Vec::new();
        let mut failure = None;
        for _ in 0..runs {
            let begun = Instant::now();
            let body = get(&agent, &request);
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            let answer = body.and_then(|body| store.answer(query, &body));
            failure = answer
                .and_then(|answer| answer.check(query, expected))
                .err();
            if failure.is_some() {
                break;
            }
        }
        let cpu = (system::cpu(process) - used).as_secs_f64() * 1e3 / times.len() as f64;
        let first = times[0];
        if times.len() > 1 {
            times.remove(0);
        }
        times.sort_unstable_by(f64::total_cmp);
        all.push(Asked {
            query,
            failure,
            first_ms: first,
            min_ms: times[0],
            median_ms: times[times.len() / 2],
            cpu_ms: cpu,
            peak_mib: system::peak(process),
        });
    }
    all
}

/// An answer, to its end.
fn get(agent: &Agent, Request { url, parameters }: &Request) -> Result<String, String> {
    let request = agent
        .get(url)
        .query_pairs(parameters.iter().map(|(key, value)| (*key, value)));
    let mut answer = request.call().map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER)
        .read_to_string();
    let body = body.map_err(|error| error.to_string())?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!(
            "GET {url} with {parameters:?} is answered with {status}: {body:.200}"
        ))
    }
}
