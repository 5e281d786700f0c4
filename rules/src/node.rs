//! A compiled condition: a tree of operations that reads the record in place.

use std::cmp::Ordering;

use distlog_proto::RecordRef;

use super::interpret::Interpreted;
use super::leaf::Leaf;
use super::memo::Memo;
use super::value::{NoValue, Out, Val};

/// An operation.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Equal(Box<Node>, Box<Node>),
    NotEqual(Box<Node>, Box<Node>),
    Order(Order, Box<Node>, Box<Node>),
    /// In a list that is written out.
    InList(Box<Node>, Vec<Node>),
    /// In a list or map of the record.
    In(Box<Node>, Box<Node>),
    Text(TextTest, Box<Node>, Box<Node>),
    Matches(Box<Node>, regex::Regex),
    Size(Box<Node>),
    /// What has no operation here, as true or false.
    Interpreted(Box<Interpreted>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

impl Order {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Order::Less => ordering.is_lt(),
            Order::LessEqual => ordering.is_le(),
            Order::Greater => ordering.is_gt(),
            Order::GreaterEqual => ordering.is_ge(),
        }
    }
}

impl Node {
    /// Its value for this record.
    #[inline]
    pub(super) fn eval<'a>(&'a self, record: &RecordRef<'a>, memo: &Memo<'a>) -> Out<'a> {
        match self {
            Node::Leaf(leaf) => leaf.value(record, memo),
            operation => operation.operate(record, memo),
        }
    }

    fn operate<'a>(&'a self, record: &RecordRef<'a>, memo: &Memo<'a>) -> Out<'a> {
        match self {
            Node::Leaf(leaf) => leaf.value(record, memo),
            Node::Not(a) => Ok(Val::Bool(!a.test(record, memo)?)),
            Node::And(..)
            | Node::Or(..)
            | Node::Equal(..)
            | Node::NotEqual(..)
            | Node::Order(..)
            | Node::Interpreted(_) => self.test(record, memo).map(Val::Bool),
            Node::InList(item, list) => {
                let item = item.eval(record, memo)?;
                let mut found = false;
                for other in list {
                    found |= item.equals(&other.eval(record, memo)?);
                }
                Ok(Val::Bool(found))
            }
            Node::In(item, container) => item
                .eval(record, memo)?
                .is_in(container.eval(record, memo)?),
            Node::Text(test, text, part) => {
                let (text, part) = (text.eval(record, memo)?, part.eval(record, memo)?);
                text.text(|text| part.text(|part| test.holds(text, part)))?
                    .map(Val::Bool)
            }
            Node::Matches(text, regex) => text
                .eval(record, memo)?
                .text(|text| Val::Bool(regex.is_match(text))),
            Node::Size(of) => of.eval(record, memo)?.size(),
        }
    }

    /// Whether it is true for this record. As CEL has it, a side that decides `&&` or `||` does so even where the other
    /// has no value.
    pub(super) fn test<'a>(
        &'a self,
        record: &RecordRef<'a>,
        memo: &Memo<'a>,
    ) -> Result<bool, NoValue> {
        match self {
            Node::And(a, b) => match a.test(record, memo) {
                Ok(false) => Ok(false),
                Ok(true) => b.test(record, memo),
                Err(NoValue) => {
                    if b.test(record, memo)? {
                        Err(NoValue)
                    } else {
                        Ok(false)
                    }
                }
            },
            Node::Or(a, b) => match a.test(record, memo) {
                Ok(true) => Ok(true),
                Ok(false) => b.test(record, memo),
                Err(NoValue) => {
                    if b.test(record, memo)? {
                        Ok(true)
                    } else {
                        Err(NoValue)
                    }
                }
            },
            Node::Equal(a, b) => both(a, b, record, memo, Val::equals),
            Node::NotEqual(a, b) => both(a, b, record, memo, |a, b| !a.equals(b)),
            Node::Order(order, a, b) => {
                both(a, b, record, memo, Val::compare)?.map(|found| order.holds(found))
            }
            Node::Interpreted(expression) => expression.test(record, memo),
            other => other.eval(record, memo)?.bool(),
        }
    }
}

/// What `with` makes of two values. It gets them where they are: values are large, and to copy them takes longer than
/// to compare them.
#[inline]
fn both<'a, R>(
    a: &'a Node,
    b: &'a Node,
    record: &RecordRef<'a>,
    memo: &Memo<'a>,
    with: impl FnOnce(&Val<'a>, &Val<'a>) -> R,
) -> Result<R, NoValue> {
    match &a.eval(record, memo) {
        Ok(a) => match &b.eval(record, memo) {
            Ok(b) => Ok(with(a, b)),
            Err(NoValue) => Err(NoValue),
        },
        Err(NoValue) => Err(NoValue),
    }
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            TextTest::Contains => text.contains(part),
            TextTest::StartsWith => text.starts_with(part),
            TextTest::EndsWith => text.ends_with(part),
        }
    }
}

impl Node {
    /// Shows all values that it begins with.
    pub(super) fn each_leaf(&mut self, visit: &mut dyn FnMut(&mut Leaf)) {
        match self {
            Node::Leaf(leaf) => visit(leaf),
            Node::Interpreted(expression) => expression.each_leaf(visit),
            Node::Not(a) | Node::Matches(a, _) | Node::Size(a) => a.each_leaf(visit),
            Node::And(a, b)
            | Node::Or(a, b)
            | Node::Equal(a, b)
            | Node::NotEqual(a, b)
            | Node::In(a, b)
            | Node::Order(_, a, b)
            | Node::Text(_, a, b) => {
                a.each_leaf(visit);
                b.each_leaf(visit);
            }
            Node::InList(item, list) => {
                item.each_leaf(visit);
                list.iter_mut().for_each(|item| item.each_leaf(visit));
            }
        }
    }

    /// Whether a part of it is left to the interpreter.
    pub(super) fn is_interpreted(&self) -> bool {
        match self {
            Node::Interpreted(_) => true,
            Node::Not(a) => a.is_interpreted(),
            Node::And(a, b) | Node::Or(a, b) => a.is_interpreted() || b.is_interpreted(),
            // Their operands are values, which the interpreter does not make.
            _ => false,
        }
    }
}
