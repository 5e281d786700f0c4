//! What comes in: trees and records as they are written in short.
//!
//! Every record is a millisecond after the one before, unless `at` or `duration` says otherwise. Each task at the top
//! begins a trace of its own. What a sampler compares of a trace is `random`, 0 unless it is given: below any share.

use distlog_proto::{
    Environment, ErrorInfo, Kind, Map, Outcome, ProducerId, Record, Severity, Source, SpanKind,
    Task, TaskId, TraceId,
};
use std::num::NonZeroU64;

use super::json_records;
use super::reader::Reader;
use crate::yaml::{Key, Node, Tree};

/// The first record of a test is of this time: 2026-01-01 00:00:00 UTC, in ns since the epoch.
const START: u64 = 1_767_225_600_000_000_000;
/// Between two records, in ns.
const STEP: u64 = 1_000_000;
/// Tasks in each other: a file that nests deeper is wrong.
const MAX_DEPTH: usize = 64;

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
const SEVERITY: &str =
    "a severity: trace, debug, info, warn, error, fatal, or a number from 1 to 24";
const TASK: &str =
    "a task like { outcome: failed, events: [ … ], tasks: { … } }, or how it ended: failed";
const EVENT: &str =
    "a message, or a record like { error: payment refused, fields: { card: 4711 } }";

/// Who writes a record, and where.
const ORIGIN: [&str; 9] = [
    "service",
    "host",
    "process",
    "process_id",
    "system",
    "resource",
    "target",
    "severity",
    "thread",
];
const OF_TASK: [&str; 10] = [
    "fields", "outcome", "error", "duration", "at", "random", "trace_id", "kind", "events", "tasks",
];
const OF_EVENT: [&str; 4] = ["message", "fields", "at", "exception"];

/// A record of a test.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) record: Record,
    /// The names of the task at hand and of those above it.
    pub(super) task: Vec<String>,
}

/// What all records of a part of the file have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    source: Source,
    target: String,
    thread: String,
    severity: Option<Severity>,
}

impl Origin {
    /// `defaults:` of a file.
    pub(super) fn defaults(reader: &mut Reader, node: &Node) -> Origin {
        let expected = "what all records have in common, like { service: shop }";
        let entries = reader.map(node, &ORIGIN, expected);
        Origin::default().with(reader, entries)
    }

    /// With what a task or a record says of itself.
    fn with(&self, reader: &mut Reader, entries: &[(Key, Node)]) -> Origin {
        let mut origin = self.clone();
        let source = &mut origin.source;
        for (key, node) in entries {
            let name = |reader: &mut Reader| {
                let text = reader.text(node, &format!("the name of the {}", key.text));
                text.unwrap_or_default()
            };
            match key.text.as_str() {
                "service" => source.service = name(reader),
                "host" => source.host = name(reader),
                "process" => source.process_name = name(reader),
                "process_id" => {
                    let id = reader.word(node, "a number", |text| text.parse().ok());
                    source.process_id = id.unwrap_or_default();
                }
                "target" => origin.target = name(reader),
                "thread" => origin.thread = name(reader),
                "system" => {
                    let expected = "test, staging or production";
                    let system = reader.word(node, expected, Environment::from_name);
                    source.environment = system.unwrap_or_default();
                }
                "resource" => source.resource = reader.fields(node),
                "severity" => origin.severity = severity(reader, node),
                _ => {}
            }
        }
        origin
    }
}

fn severity(reader: &mut Reader, node: &Node) -> Option<Severity> {
    reader.word(node, SEVERITY, |text| match text.parse::<u32>() {
        Ok(number) => (1..=24).contains(&number).then(|| Severity::new(number)),
        Err(_) => level(text),
    })
}

fn level(text: &str) -> Option<Severity> {
    let text = text.to_ascii_lowercase();
    LEVELS
        .contains(&text.as_str())
        .then(|| Severity::from_text(&text))?
}

/// The records of one test.
pub(super) struct Givens<'r> {
    reader: &'r mut Reader,
    /// Of the test, so that each has its own ids.
    test: u64,
    now: u64,
    traces: u64,
    pub(super) records: Vec<Given>,
}

/// A task whose records are being written.
struct Open {
    id: TaskId,
    context: Map,
    children: u64,
    records: u64,
    names: Vec<String>,
}

impl<'r> Givens<'r> {
    pub(super) fn new(reader: &'r mut Reader, test: usize) -> Givens<'r> {
        Givens {
            reader,
            test: test as u64 + 1,
            now: START,
            traces: 0,
            records: Vec::new(),
        }
    }

    /// `tree:`, tasks by their names.
    pub(super) fn tree(&mut self, node: &Node, origin: &Origin) {
        let expected = "tasks by their names, like POST /orders: { outcome: failed }";
        let tasks = self.reader.any_map(node, expected);
        if tasks.is_empty() {
            self.reader
                .fault(node, format!("there is no task: expected {expected}"));
        }
        for (name, task) in tasks {
            self.task(name, task, origin, None);
        }
    }

    /// `records:`, a list of records outside of tasks, of records in JSON, or the name of a file with those.
    pub(super) fn records(&mut self, node: &Node, origin: &Origin, folder: &std::path::Path) {
        if let Tree::Text(path) = &node.tree {
            match json_records::read_file(&folder.join(path)) {
                Ok(records) => self.copied(records),
                Err(why) => self.reader.fault(node, why),
            }
            return;
        }
        let expected = "a list of records, or the name of a file with records in JSON";
        for item in self.reader.list(node, expected) {
            if !json_records::is_json(item) {
                self.event(item, origin, None);
                continue;
            }
            match json_records::read(item) {
                Ok(records) => self.copied(records),
                Err(why) => self.reader.fault(item, why),
            }
        }
    }

    /// Records that were copied keep their times.
    fn copied(&mut self, records: Vec<Record>) {
        for record in records {
            self.now = self.now.max(record.time);
            let task = match record.task {
                Some(_) => vec![record.task_name().to_owned()],
                None => Vec::new(),
            };
            self.records.push(Given { record, task });
        }
    }

    /// The time of the next record: `at` counts from the start of the test.
    fn time(&mut self, entries: &[(Key, Node)]) -> u64 {
        let at = entries.iter().find(|(key, _)| key.text == "at");
        let at = at.and_then(|(_, node)| self.reader.nanos(node));
        if let Some(at) = at {
            self.now = START.saturating_add(at);
        }
        let now = self.now;
        self.now = now.saturating_add(STEP);
        now
    }

    fn task(&mut self, name: &Key, node: &Node, origin: &Origin, above: Option<&mut Open>) {
        if above
            .as_ref()
            .is_some_and(|above| above.names.len() >= MAX_DEPTH)
        {
            let message =
                format!("tasks are nested too deeply: expected at most {MAX_DEPTH} in each other");
            self.reader.faults.push(name.place.fault(message));
            return;
        }
        let known: Vec<&str> = ORIGIN.iter().chain(&OF_TASK).copied().collect();
        let ended = match &node.tree {
            Tree::Text(_) => self.outcome(node),
            _ => None,
        };
        let entries = match &node.tree {
            Tree::Text(_) => &[][..],
            _ => self.reader.map(node, &known, TASK),
        };
        let get = |key: &str| entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v);
        let is_root = above.is_none();
        for key in ["random", "trace_id"].iter().filter(|_| !is_root) {
            if let Some(node) = get(key) {
                let message = format!("`{key}` is of a whole trace: only tasks at the top have it");
                self.reader.fault(node, message);
            }
        }
        let origin = origin.with(self.reader, entries);
        let mut open = self.open(name, above, get("trace_id"), get("random"));
        open.context = get("fields").map_or(Map::new(), |node| self.reader.fields(node));
        let span_kind = get("kind").and_then(|node| {
            let expected = "internal, server, client, producer or consumer";
            self.reader.word(node, expected, SpanKind::from_name)
        });
        let outcome = get("outcome").and_then(|node| self.outcome(node));
        let error = get("error").and_then(|node| self.reader.text(node, "the text of an error"));
        let outcome = ended.or(outcome).unwrap_or(match error {
            Some(_) => Outcome::Failed,
            None => Outcome::Ok,
        });
        let begun = self.time(entries);
        let mut begin = record(&origin, &mut open, &name.text);
        begin.kind = Kind::Begin;
        begin.time = begun;
        begin.span_kind = span_kind.unwrap_or_default();
        begin.callsite.template.clone_from(&name.text);
        let mut end = begin.clone();
        self.push(begin, &open);
        let expected = "a list of records, like [ { error: payment refused } ]";
        for event in get("events").map_or(&[][..], |node| self.reader.list(node, expected)) {
            self.event(event, &origin, Some(&mut open));
        }
        let expected = "tasks by their names";
        for (name, task) in get("tasks").map_or(&[][..], |node| self.reader.any_map(node, expected))
        {
            self.task(name, task, &origin, Some(&mut open));
        }
        let took = get("duration").and_then(|node| self.reader.nanos(node));
        end.time = begun.saturating_add(took.unwrap_or(self.now.saturating_sub(begun)));
        self.now = self.now.max(end.time).saturating_add(STEP);
        end.kind = Kind::End;
        end.outcome = outcome;
        end.number = open.records;
        if outcome != Outcome::Lost {
            end.duration = end.time - begun;
        }
        end.error = error.map(|message| ErrorInfo {
            message,
            ..ErrorInfo::default()
        });
        self.push(end, &open);
    }

    fn outcome(&mut self, node: &Node) -> Option<Outcome> {
        let expected = "how the task ended: ok, success, failed, lost or cancelled";
        let read =
            |text: &str| Outcome::from_name(text).filter(|outcome| *outcome != Outcome::Unset);
        self.reader.word(node, expected, read)
    }

    /// Gives a task its id.
    fn open(
        &mut self,
        name: &Key,
        above: Option<&mut Open>,
        trace: Option<&Node>,
        random: Option<&Node>,
    ) -> Open {
        let (id, mut names) = match above {
            Some(above) => {
                above.children += 1;
                let number = NonZeroU64::new(above.children).unwrap_or(NonZeroU64::MIN);
                (above.id.child(number), above.names.clone())
            }
            None => {
                self.traces += 1;
                (TaskId::top(self.trace(trace, random)), Vec::new())
            }
        };
        names.push(name.text.clone());
        Open {
            id,
            context: Map::new(),
            children: 0,
            records: 0,
            names,
        }
    }

    /// The id of a trace: its last 56 bits are what samplers compare.
    fn trace(&mut self, trace: Option<&Node>, random: Option<&Node>) -> TraceId {
        let expected = "a trace id: 32 hex digits, or with dashes as distlogd shows it";
        let read = |text: &str| text.parse::<TraceId>().ok();
        if let Some(trace) = trace.and_then(|node| self.reader.word(node, expected, read)) {
            return trace;
        }
        let expected =
            "a number from 0 to 1, which `sample` and `else` compare: 0.995 is in a share of 0.01";
        let read = |text: &str| {
            let number: f64 = text.parse().ok()?;
            (0.0..=1.0).contains(&number).then_some(number)
        };
        let random = random.and_then(|node| self.reader.word(node, expected, read));
        let bits = (random.unwrap_or(0.0) * (1_u64 << 56) as f64) as u64;
        let bits = bits.min((1 << 56) - 1);
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&(self.test as u32).to_be_bytes());
        bytes[4..8].copy_from_slice(&(self.traces as u32).to_be_bytes());
        bytes[8..].copy_from_slice(&bits.to_be_bytes());
        // The first byte of the second half is no part of what is compared.
        bytes[8] = 1;
        TraceId::from_bytes(bytes).unwrap_or_else(TraceId::random)
    }

    /// A record of a task, or of none.
    fn event(&mut self, node: &Node, origin: &Origin, task: Option<&mut Open>) {
        let known: Vec<&str> = ORIGIN
            .iter()
            .chain(&OF_EVENT)
            .chain(&LEVELS)
            .copied()
            .collect();
        let is_text = matches!(node.tree, Tree::Text(_) | Tree::Int(_) | Tree::Float(_));
        let entries = match is_text {
            true => &[][..],
            false => self.reader.map(node, &known, EVENT),
        };
        let mut origin = origin.with(self.reader, entries);
        let mut message = is_text.then(|| self.reader.text(node, EVENT)).flatten();
        let mut said = Vec::new();
        for (key, value) in entries {
            let severity = level(&key.text);
            if severity.is_some() || key.text == "message" {
                message = self.reader.text(value, "the message of the record");
                said.push(key);
            }
            origin.severity = severity.or(origin.severity);
        }
        if let [first, second, ..] = said.as_slice() {
            let message = format!("the record has a message already, by `{}`", first.text);
            self.reader.faults.push(second.place.fault(message));
        }
        let are_known = entries
            .iter()
            .all(|(key, _)| known.contains(&key.text.as_str()));
        if message.is_none() && !entries.is_empty() && said.is_empty() && are_known {
            self.reader
                .fault(node, format!("the record has no message: expected {EVENT}"));
        }
        let time = self.time(entries);
        let message = message.unwrap_or_default();
        let mut open = task;
        let mut record = match &mut open {
            Some(open) => record(&origin, open, &message),
            None => bare_record(&origin, &message),
        };
        record.time = time;
        for (key, value) in entries {
            match key.text.as_str() {
                "fields" => record.fields = self.reader.fields(value),
                "exception" => record.error = self.exception(value),
                _ => {}
            }
        }
        match open {
            Some(open) => self.push(record, open),
            None => self.records.push(Given {
                record: self.numbered(record),
                task: Vec::new(),
            }),
        }
    }

    /// `{ kind: IoError, message: … }`, or the text alone.
    fn exception(&mut self, node: &Node) -> Option<ErrorInfo> {
        const EXPECTED: &str = "an error like { kind: IoError, message: no space left }";
        let mut error = ErrorInfo::default();
        if let Tree::Text(text) = &node.tree {
            error.message.clone_from(text);
            return Some(error);
        }
        for (key, value) in self.reader.map(node, &["kind", "message"], EXPECTED) {
            let text = self.reader.text(value, "a text").unwrap_or_default();
            match key.text.as_str() {
                "kind" => error.kind = text,
                _ => error.message = text,
            }
        }
        Some(error)
    }

    fn push(&mut self, record: Record, open: &Open) {
        let record = self.numbered(record);
        let task = open.names.clone();
        self.records.push(Given { record, task });
    }

    /// With the place in the stream of its producer.
    fn numbered(&self, mut record: Record) -> Record {
        record.offset = self.records.len() as u64;
        record
    }
}

/// A record of a task.
fn record(origin: &Origin, open: &mut Open, message: &str) -> Record {
    let mut record = bare_record(origin, message);
    record.number = open.records;
    open.records += 1;
    record.task = Some(Task {
        context: open.context.clone(),
        ..Task::from(&open.id)
    });
    record
}

fn bare_record(origin: &Origin, message: &str) -> Record {
    let mut record = Record {
        source: origin.source.clone(),
        message: message.to_owned(),
        severity: origin.severity.unwrap_or(Severity::INFO),
        thread_name: origin.thread.clone(),
        ..Record::default()
    };
    record.source.producer = producer(&origin.source);
    record.callsite.target.clone_from(&origin.target);
    record
}

/// Each service on each host has a producer of its own.
fn producer(source: &Source) -> ProducerId {
    let name = format!(
        "{}\0{}\0{}",
        source.service, source.host, source.process_name
    );
    let [low, high] = [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15].map(|seed| {
        // FNV-1a: the same in every run.
        name.bytes().fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    });
    let mut id = [0; 16];
    id[..8].copy_from_slice(&low.to_be_bytes());
    id[8..].copy_from_slice(&high.to_be_bytes());
    ProducerId::from_bytes(id)
}
