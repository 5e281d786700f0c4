//! What a condition needs of a record: the parts that it reads, and what each record has that matches.

use distlog_proto::wire::{Parts, field::record as field};
use distlog_proto::{Kind, Severity};

use super::leaf::{Leaf, Literal};
use super::names::Name;
use super::node::{Node, Order};

impl Leaf {
    /// Adds the parts of a record that it is read from.
    pub(super) fn add_parts(&self, parts: &mut Parts) {
        match self {
            Leaf::Literal(_) => {}
            Leaf::Name(name) => name.add_parts(parts),
            Leaf::Path(path) | Leaf::Has(path) if path.root == Name::Fields => {
                path.each_first(|name| match name {
                    Some(name) => parts.add_field(name),
                    None => parts.add(field::FIELDS),
                });
            }
            Leaf::Path(path) | Leaf::Has(path) => path.root.add_parts(parts),
        }
    }
}

impl Name {
    fn add_parts(self, parts: &mut Parts) {
        match self {
            Name::Kind => parts.add(field::KIND),
            Name::Severity => parts.add_severity(),
            Name::Message => parts.add(field::MESSAGE),
            Name::Thread => parts.add(field::THREAD_NAME),
            Name::Task
            | Name::TraceId
            | Name::SpanId
            | Name::Root
            | Name::Sampled
            | Name::Context => {
                parts.add(field::TASK);
            }
            Name::Outcome => parts.add(field::OUTCOME),
            Name::Duration => {
                parts.add(field::KIND);
                parts.add(field::DURATION);
            }
            Name::Fields => parts.add(field::FIELDS),
            // Of the source or the callsite.
            Name::Service
            | Name::Host
            | Name::Process
            | Name::Environment
            | Name::Resource
            | Name::Target
            | Name::File
            | Name::Line
            | Name::Module
            | Name::Function => {}
        }
    }
}

impl Node {
    /// No record of a lower severity matches.
    pub(super) fn least_severity(&self) -> Severity {
        match self {
            Node::And(a, b) => a.least_severity().max(b.least_severity()),
            Node::Or(a, b) => a.least_severity().min(b.least_severity()),
            Node::Equal(a, b) => match (&**a, &**b) {
                (a, b) if is_severity(a) => at_least(b, 0),
                (a, b) if is_severity(b) => at_least(a, 0),
                _ => Severity::UNSET,
            },
            Node::Order(order, a, b) => match (order, &**a, &**b) {
                (Order::GreaterEqual, a, b) if is_severity(a) => at_least(b, 0),
                (Order::Greater, a, b) if is_severity(a) => at_least(b, 1),
                (Order::LessEqual, a, b) if is_severity(b) => at_least(a, 0),
                (Order::Less, a, b) if is_severity(b) => at_least(a, 1),
                _ => Severity::UNSET,
            },
            _ => Severity::UNSET,
        }
    }
}

impl Node {
    /// The severity that it asks for, where it asks for nothing else: all records that are at least so severe match.
    pub(super) fn asked_severity(&self) -> Option<Severity> {
        let (severity, number) = match self {
            Node::Order(Order::GreaterEqual, a, b) => (a, b),
            Node::Order(Order::LessEqual, a, b) => (b, a),
            _ => return None,
        };
        let least = literal(number)?;
        let is_one = u32::from(Severity::new(least).number()) == least;
        (is_one && is_severity(severity)).then(|| Severity::new(least))
    }
}

impl Node {
    /// Only records of this kind match.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Node::And(a, b) => a.kind().or_else(|| b.kind()),
            Node::Equal(a, b) => match (&**a, &**b) {
                (
                    Node::Leaf(Leaf::Name(Name::Kind)),
                    Node::Leaf(Leaf::Literal(Literal::Str(name))),
                )
                | (
                    Node::Leaf(Leaf::Literal(Literal::Str(name))),
                    Node::Leaf(Leaf::Name(Name::Kind)),
                ) => Kind::from_name(name),
                _ => None,
            },
            _ => None,
        }
    }
}

fn is_severity(node: &Node) -> bool {
    matches!(node, Node::Leaf(Leaf::Name(Name::Severity)))
}

/// The number that a literal is.
fn literal(node: &Node) -> Option<u32> {
    match node {
        Node::Leaf(Leaf::Literal(Literal::Int(number))) => u32::try_from(*number).ok(),
        Node::Leaf(Leaf::Literal(Literal::UInt(number))) => u32::try_from(*number).ok(),
        _ => None,
    }
}

/// The severity that a number is, and `more`.
fn at_least(node: &Node, more: u32) -> Severity {
    // No record matches a number beyond all severities, so the highest will do.
    literal(node).map_or(Severity::UNSET, |number| {
        Severity::new(number.saturating_add(more))
    })
}
