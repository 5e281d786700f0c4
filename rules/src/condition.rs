//! A compiled condition.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use distlog_proto::wire::Parts;
use distlog_proto::{Kind, RecordRef, Severity};

use super::compile::compile;
use super::explain::{self, Part};
use super::fault::CompileFault;
use super::memo::Memo;
use super::node::Node;

/// A condition that records match or not. Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    node: Arc<Node>,
    parts: Arc<Parts>,
}

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The first fault in it, with its line and column: syntax, unknown names, types that never meet.
    pub fn compile(text: &str) -> Result<Condition, CompileFault> {
        let mut node = compile(text)?;
        let mut parts = Parts::default();
        node.each_leaf(&mut |leaf| leaf.add_parts(&mut parts));
        Ok(Condition {
            text: text.into(),
            node: Arc::new(node),
            parts: Arc::new(parts),
        })
    }

    /// Whether the record matches. What it does not have makes it not match.
    pub fn matches(&self, record: &RecordRef<'_>) -> bool {
        self.node.test(record, &Memo::NONE) == Ok(true)
    }

    /// What each part of it is for a record, and what it looked at there.
    pub fn explain(&self, record: &RecordRef<'_>) -> Vec<Part> {
        explain::parts(&self.text, &mut |text| {
            let part = Condition::compile(text).ok()?;
            let value = part.node.test(record, &Memo::NONE).ok();
            Some((value, explain::looked_at(&part.node, record)))
        })
    }

    /// The parts of a record that it reads: without the others it matches the same.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// No record of a lower severity matches.
    pub fn least_severity(&self) -> Severity {
        self.node.least_severity()
    }

    /// The severity that it asks for, where it asks for nothing else: it matches all records that are at least so
    /// severe.
    pub fn asked_severity(&self) -> Option<Severity> {
        self.node.asked_severity()
    }

    /// Only records of this kind match; `None` where others may.
    pub fn kind(&self) -> Option<Kind> {
        self.node.kind()
    }

    /// The operations.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a part of it is left to the interpreter, which takes about a hundred times as long.
    pub fn is_interpreted(&self) -> bool {
        self.node.is_interpreted()
    }
}

impl FromStr for Condition {
    type Err = CompileFault;

    fn from_str(text: &str) -> Result<Condition, CompileFault> {
        Condition::compile(text)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
