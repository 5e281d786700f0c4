//! What is expected of records: the processors that get them, or that they are dropped, and what is in them.

use distlog_proto::{Kind, Severity, Value};

use super::reader::{Reader, value_of};
use crate::yaml::{Node, Place, Tree};

const KEYS: [&str; 12] = [
    "record", "kind", "service", "task", "to", "not_to", "dropped", "fields", "message",
    "severity", "at", "stored",
];
const CONTENT: [&str; 3] = ["fields", "message", "severity"];
const EXPECTED: &str = "what is expected, like { record: payment refused, to: [errors] }";

/// What is expected of all records that it means.
#[derive(Debug, Clone)]
pub(super) struct Expect {
    pub(super) place: Place,
    pub(super) which: Which,
    /// Exactly these processors get it, in the order of their names.
    pub(super) to: Option<Vec<String>>,
    /// These do not.
    pub(super) not_to: Vec<String>,
    /// The intake drops it.
    pub(super) dropped: Option<DroppedBy>,
    /// As it leaves for all that get it.
    pub(super) content: Content,
    /// As it leaves for one.
    pub(super) at: Vec<(String, Content)>,
    /// As it is stored.
    pub(super) stored: Content,
}

/// Which records are meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Which {
    /// The message, or the name of a task that begins or ends; `None`: all.
    pub(super) record: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) service: Option<String>,
    /// They are in a task of that name, at any depth.
    pub(super) task: Option<String>,
}

/// What drops a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DroppedBy {
    /// Any rule of the intake.
    Intake,
    /// The rule of the intake with that name or number.
    Rule(String),
}

/// What is in a record. What is not named can be anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// `Null`: it does not have the field.
    pub(super) fields: Vec<(String, Value)>,
    pub(super) message: Option<String>,
    pub(super) severity: Option<Severity>,
}

impl Content {
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.message.is_none() && self.severity.is_none()
    }

    /// Of the keys that a map has.
    fn read(reader: &mut Reader, node: &Node) -> Content {
        let mut content = Content::default();
        for (key, value) in node.entries() {
            match key.text.as_str() {
                "fields" => {
                    let expected = "fields by their names; null stands for one that is not there";
                    let entries = reader.any_map(value, expected).iter();
                    let fields = entries.map(|(key, value)| (key.text.clone(), value_of(value)));
                    content.fields = fields.collect();
                }
                "message" => content.message = reader.text(value, "the message"),
                "severity" => {
                    let expected = "a severity like warn, or a number from 1 to 24";
                    let read = |text: &str| match text.parse::<u32>() {
                        Ok(number) => (1..=24).contains(&number).then(|| Severity::new(number)),
                        Err(_) => Severity::from_text(text),
                    };
                    content.severity = reader.word(value, expected, read);
                }
                _ => {}
            }
        }
        content
    }
}

impl Expect {
    pub(super) fn read(reader: &mut Reader, node: &Node) -> Expect {
        let mut expect = Expect {
            place: node.place,
            which: Which::default(),
            to: None,
            not_to: Vec::new(),
            dropped: None,
            content: Content::read(reader, node),
            at: Vec::new(),
            stored: Content::default(),
        };
        let processors = "names of processors, like [errors, jaeger]";
        for (key, value) in reader.map(node, &KEYS, EXPECTED) {
            match key.text.as_str() {
                "record" => {
                    let expected = "the message of a record, or the name of a task";
                    expect.which.record = reader.text(value, expected);
                }
                "kind" => {
                    let expected = "begin, event, bind or end";
                    expect.which.kind = reader.word(value, expected, Kind::from_name);
                }
                "service" => expect.which.service = reader.text(value, "the name of a service"),
                "task" => expect.which.task = reader.text(value, "the name of a task"),
                "to" => {
                    let mut names = reader.texts(value, processors);
                    names.sort_unstable();
                    names.dedup();
                    expect.to = Some(names);
                }
                "not_to" => expect.not_to = reader.texts(value, processors),
                "dropped" => expect.dropped = dropped(reader, value),
                "at" => {
                    let expected =
                        "what processors get, like { errors: { fields: { card: null } } }";
                    for (name, content) in reader.any_map(value, expected) {
                        reader.map(content, &CONTENT, expected);
                        let content = Content::read(reader, content);
                        expect.at.push((name.text.clone(), content));
                    }
                }
                "stored" => {
                    reader.map(
                        value,
                        &CONTENT,
                        "what the store has, like { fields: { card: null } }",
                    );
                    expect.stored = Content::read(reader, value);
                }
                _ => {}
            }
        }
        expect.check(reader, node);
        expect
    }

    /// What contradicts itself, or says nothing.
    fn check(&self, reader: &mut Reader, node: &Node) {
        if !matches!(node.tree, Tree::Map(_)) {
            return;
        }
        let leaves = self.to.as_ref().is_some_and(|to| !to.is_empty())
            || !self.at.is_empty()
            || !self.content.is_empty()
            || !self.stored.is_empty();
        let says = leaves || self.to.is_some() || !self.not_to.is_empty() || self.dropped.is_some();
        let known = node
            .entries()
            .iter()
            .all(|(key, _)| KEYS.contains(&key.text.as_str()));
        if !says && known {
            reader.fault(
                node,
                "nothing is expected: say `to`, `not_to`, `dropped`, `fields`, `at` or `stored`",
            );
        }
        if self.dropped.is_some() && leaves {
            reader.fault(
                node,
                "what the intake drops goes nowhere: `dropped` stands alone",
            );
        }
    }
}

fn dropped(reader: &mut Reader, node: &Node) -> Option<DroppedBy> {
    let expected = "`intake`, or the name or number of a rule of the intake";
    let by = match &node.tree {
        Tree::Bool(true) => return Some(DroppedBy::Intake),
        Tree::Text(text) if text == "intake" => return Some(DroppedBy::Intake),
        Tree::Text(_) | Tree::Int(_) => reader.text(node, expected),
        _ => {
            reader.wrong(node, expected);
            None
        }
    };
    by.map(DroppedBy::Rule)
}
