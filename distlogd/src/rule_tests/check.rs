//! Compares what became of records with what is expected of them.

use distlog_proto::{Kind, Record, Severity, Value};
use distlog_rules::{Action, nearest};

use super::case::{Case, Ran};
use super::expect::{Content, DroppedBy, Expect, Which};
use super::file::Test;
use super::result::Failure;
use super::why::{self, Why};
use crate::config::Config;
use crate::evaluate::{Fate, with_record};

/// What is not as it is expected; nothing if all is.
pub(super) fn check(test: &Test, ran: &Ran<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for expect in &test.expect {
        let mut meant = ran
            .cases
            .iter()
            .filter(|case| is_meant(&expect.which, case))
            .peekable();
        if meant.peek().is_none() {
            failures.push(not_there(expect, ran));
        }
        for case in meant {
            Checking {
                ran,
                case,
                expect,
                failures: &mut failures,
            }
            .all();
        }
    }
    failures
}

fn is_meant(which: &Which, case: &Case) -> bool {
    let record = &case.given.record;
    let named = |name: &String| {
        *name == record.message || is_begin_or_end(record) && name == record.task_name()
    };
    which.record.as_ref().is_none_or(named)
        && which.kind.is_none_or(|kind| kind == record.kind)
        && which
            .service
            .as_ref()
            .is_none_or(|name| *name == record.source.service)
        && which
            .task
            .as_ref()
            .is_none_or(|name| case.given.task.contains(name))
}

fn is_begin_or_end(record: &Record) -> bool {
    matches!(record.kind, Kind::Begin | Kind::End)
}

/// No record is meant by an expectation.
fn not_there(expect: &Expect, ran: &Ran<'_>) -> Failure {
    let names = ran
        .cases
        .iter()
        .map(|case| case.given.record.message.as_str());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    let wanted = expect.which.record.as_deref().unwrap_or_default();
    let found = match nearest(wanted, names.iter().copied()) {
        Some(meant) => format!("none: did you mean {meant:?}?"),
        None => {
            let mut known: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            known.dedup();
            format!("none; there are {}", known.join(", "))
        }
    };
    Failure {
        line: expect.place.line,
        record: which_in_words(&expect.which),
        what: "records".to_owned(),
        expected: "at least one".to_owned(),
        found,
        why: Vec::new(),
    }
}

fn which_in_words(which: &Which) -> String {
    let mut words = match &which.record {
        Some(name) => format!("record {name:?}"),
        None => "every record".to_owned(),
    };
    if let Some(kind) = which.kind {
        words.push_str(&format!(" of kind {}", kind.name()));
    }
    if let Some(service) = &which.service {
        words.push_str(&format!(" of service {service}"));
    }
    if let Some(task) = &which.task {
        words.push_str(&format!(" in task {task:?}"));
    }
    words
}

/// A record in words.
fn in_words(case: &Case) -> String {
    let record = &case.given.record;
    let mut words = format!("record {:?} ({}", record.message, record.kind.name());
    if let Some(task) = case.given.task.last().filter(|_| !is_begin_or_end(record)) {
        words.push_str(&format!(" in {task}"));
    }
    words.push_str(&format!(", {}", severity_name(record.severity)));
    if !record.source.service.is_empty() {
        words.push_str(&format!(", service {}", record.source.service));
    }
    words + ")"
}

fn severity_name(severity: Severity) -> String {
    match severity.name() {
        "" => severity.number().to_string(),
        name => name.to_owned(),
    }
}

/// One record, and one expectation of it.
struct Checking<'c> {
    ran: &'c Ran<'c>,
    case: &'c Case,
    expect: &'c Expect,
    failures: &'c mut Vec<Failure>,
}

impl Checking<'_> {
    fn fail(&mut self, what: &str, expected: String, found: String, why: Vec<Why>) {
        self.failures.push(Failure {
            line: self.expect.place.line,
            record: in_words(self.case),
            what: what.to_owned(),
            expected,
            found,
            why,
        });
    }

    fn all(&mut self) {
        let (ran, case, expect) = (self.ran, self.case, self.expect);
        if let Some(by) = &expect.dropped {
            self.dropped(by);
        }
        self.routes();
        if !expect.stored.is_empty() {
            let stored = with_record(&case.evaluated.stored, |record| record.to_record());
            match stored {
                Some(record) => self.content("stored", &expect.stored, &record, || {
                    why::intake_changes(ran, case)
                }),
                None => self.fail(
                    "stored",
                    "it is stored".to_owned(),
                    "it is not".to_owned(),
                    vec![why::dropped(ran, case)],
                ),
            }
        }
        let everywhere = case.to.iter().filter(|_| !expect.content.is_empty());
        if !expect.content.is_empty() && case.to.is_empty() {
            let found = "no processor gets it".to_owned();
            self.fail(
                "content",
                "a processor gets it".to_owned(),
                found,
                Vec::new(),
            );
        }
        for at in everywhere {
            self.outgoing(*at, &expect.content);
        }
        for (name, content) in &expect.at {
            match self.number(name) {
                Some(at) if case.to.contains(&at) => self.outgoing(at, content),
                at => {
                    let why = at.map(|at| why::processor(ran, case, at));
                    let expected = format!("{name} gets it");
                    self.fail(
                        "at",
                        expected,
                        "it does not".to_owned(),
                        why.into_iter().collect(),
                    );
                }
            }
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        let mut destinations = self.ran.evaluator.destinations().iter();
        destinations.position(|destination| destination.name == name)
    }

    fn name(&self, at: usize) -> &str {
        &self.ran.evaluator.destinations()[at].name
    }

    /// The processors that get it.
    fn routes(&mut self) {
        let (ran, case, expect) = (self.ran, self.case, self.expect);
        let found = |at: &usize| self.name(*at).to_owned();
        let mut found: Vec<String> = case.to.iter().map(found).collect();
        found.sort_unstable();
        if let Some(to) = &expect.to
            && *to != found
        {
            let differs = to.iter().filter(|name| !found.contains(name));
            let differs = differs.chain(found.iter().filter(|name| !to.contains(name)));
            let numbers = differs.filter_map(|name| self.number(name));
            let mut why: Vec<Why> = Vec::new();
            for at in numbers {
                let one = why::processor(ran, case, at);
                // What the intake drops is dropped for all.
                if why.iter().all(|known| known.sentence != one.sentence) {
                    why.push(one);
                }
            }
            self.fail("to", list(to), list(&found), why);
        }
        let unwanted: Vec<&String> = expect
            .not_to
            .iter()
            .filter(|name| found.contains(name))
            .collect();
        if !unwanted.is_empty() {
            let numbers = unwanted.iter().filter_map(|name| self.number(name));
            let why = numbers.map(|at| why::processor(ran, case, at)).collect();
            self.fail(
                "not_to",
                format!("not {}", expect.not_to.join(", ")),
                list(&found),
                why,
            );
        }
    }

    fn dropped(&mut self, by: &DroppedBy) {
        let (ran, case) = (self.ran, self.case);
        let config = ran.evaluator.config();
        let fate = case.evaluated.fate;
        let name = |rule: usize| {
            let rule = config.intake.get(rule);
            rule.map_or(String::new(), |rule| rule.name.clone())
        };
        let found = match fate {
            Fate::Stored => "stored".to_owned(),
            Fate::Dropped(rule) => format!("dropped by intake rule {}", name(rule)),
            Fate::LeftOut => "left out: too large".to_owned(),
        };
        match by {
            DroppedBy::Intake if matches!(fate, Fate::Dropped(_)) => {}
            DroppedBy::Intake => {
                let rules = config.intake.iter().enumerate();
                let drops = rules.filter(|(_, rule)| match &rule.action {
                    Action::Drop => true,
                    Action::Keep { sample, .. } => sample.is_some(),
                });
                let drops: Vec<usize> = drops.map(|(at, _)| at).collect();
                let why = vec![why::not_dropped(ran, case, &drops)];
                self.fail("dropped", "dropped by the intake".to_owned(), found, why);
            }
            DroppedBy::Rule(wanted) => {
                let Some(rule) = rule_number(config, wanted) else {
                    return;
                };
                if fate == Fate::Dropped(rule) {
                    return;
                }
                let why = match fate {
                    Fate::Stored => why::not_dropped(ran, case, &[rule]),
                    _ => why::dropped(ran, case),
                };
                let expected = format!("dropped by intake rule {}", name(rule));
                self.fail("dropped", expected, found, vec![why]);
            }
        }
    }

    /// What is in the record as a processor gets it.
    fn outgoing(&mut self, at: usize, content: &Content) {
        let (ran, case) = (self.ran, self.case);
        let destination = &ran.evaluator.destinations()[at];
        if let Some(record) = destination.outgoing(&case.evaluated.stored) {
            self.content(&destination.name, content, &record, || {
                why::changes(ran, case, at)
            });
        }
    }

    fn content(&mut self, whose: &str, content: &Content, record: &Record, why: impl Fn() -> Why) {
        for (name, expected) in &content.fields {
            let found = field(record, name);
            if !same(expected, found) {
                let found = found.map_or("no such field".to_owned(), shown);
                let expected = match expected {
                    Value::Null => "no such field".to_owned(),
                    expected => shown(expected),
                };
                self.fail(
                    &format!("{whose}: fields.{name}"),
                    expected,
                    found,
                    vec![why()],
                );
            }
        }
        if let Some(message) = content
            .message
            .as_ref()
            .filter(|message| **message != record.message)
        {
            let (expected, found) = (format!("{message:?}"), format!("{:?}", record.message));
            self.fail(&format!("{whose}: message"), expected, found, vec![why()]);
        }
        if let Some(severity) = content
            .severity
            .filter(|severity| *severity != record.severity)
        {
            let (expected, found) = (severity_name(severity), severity_name(record.severity));
            self.fail(&format!("{whose}: severity"), expected, found, vec![why()]);
        }
    }
}

/// The number, from 0, of the rule of the intake with a name or number, from 1.
pub(super) fn rule_number(config: &Config, name: &str) -> Option<usize> {
    let named = config.intake.iter().position(|rule| rule.name == name);
    named.or_else(|| {
        let number: usize = name.parse().ok()?;
        number.checked_sub(1).filter(|at| *at < config.intake.len())
    })
}

fn list(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        names => names.join(", "),
    }
}

/// A field of the record, or of its task; dots may lead into maps.
fn field<'r>(record: &'r Record, name: &str) -> Option<&'r Value> {
    let context = record.task.as_ref().map(|task| &task.context);
    let mut maps = [Some(&record.fields), context].into_iter().flatten();
    maps.find_map(|map| map.get(name)).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        let mut value = record.fields.get(first)?;
        for step in rest.split('.') {
            let Value::Map(map) = value else { return None };
            value = map.get(step)?;
        }
        Some(value)
    })
}

/// Whether a value is what is expected: numbers by what they are worth; nothing for one that is not there.
fn same(expected: &Value, found: Option<&Value>) -> bool {
    let Some(found) = found else {
        return matches!(expected, Value::Null);
    };
    match (expected, found) {
        (Value::Str(a) | Value::Text(a), Value::Str(b) | Value::Text(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, Some(b)))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| same(a, b.get(name)))
        }
        (a, b) => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::I64(v) => Some(*v as f64),
        Value::U64(v) => Some(*v as f64),
        Value::F64(v) => Some(*v),
        _ => None,
    }
}

/// A value for people.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::I64(v) => v.to_string(),
        Value::U64(v) => v.to_string(),
        Value::F64(v) => v.to_string(),
        Value::Str(v) | Value::Text(v) => format!("{v:?}"),
        Value::Bytes(v) => format!("{} bytes", v.len()),
        Value::List(v) => {
            let items: Vec<String> = v.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(v) => {
            let entries = v
                .iter()
                .map(|(name, value)| format!("{name}: {}", shown(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
