//! A condition over trees as operations. There are those that such conditions mostly have: `&&`, `||`, `!`, and
//! comparisons of numbers and durations; the rest is left to the interpreter.

use std::cmp::Ordering;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::check::operands;
use super::interpret;
use super::names;
use super::tree_summary::{Get, TreeSummary, find};
use super::value::NoValue;

/// An operation.
#[derive(Debug)]
pub(super) enum TreeNode {
    Flag(fn(&TreeSummary<'_>) -> bool),
    Not(Box<TreeNode>),
    And(Box<TreeNode>, Box<TreeNode>),
    Or(Box<TreeNode>, Box<TreeNode>),
    Compare(Number, fn(Ordering) -> bool, Number),
    Interpreted(IdedExpr),
}

/// A number, or a duration in ns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Of(fn(&TreeSummary<'_>) -> i64),
    Constant(i64),
}

/// What is compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    One,
    Nanoseconds,
}

impl TreeNode {
    /// The operations of a checked condition.
    pub(super) fn new(expr: &IdedExpr) -> TreeNode {
        let node = match &expr.expr {
            Expr::Select(_) => match field(expr) {
                Some(Get::Flag(get)) => Some(TreeNode::Flag(get)),
                _ => None,
            },
            Expr::Call(call) => operation(call),
            _ => None,
        };
        node.unwrap_or_else(|| TreeNode::Interpreted(expr.clone()))
    }

    /// Whether it is true for a tree; `interpret` says it of what is left to the interpreter. As CEL has it, a side
    /// that decides `&&` or `||` does so even where the other has no value.
    pub(super) fn test(
        &self,
        tree: &TreeSummary<'_>,
        interpret: &mut dyn FnMut(&IdedExpr) -> Result<bool, NoValue>,
    ) -> Result<bool, NoValue> {
        match self {
            TreeNode::Flag(get) => Ok(get(tree)),
            TreeNode::Not(a) => a.test(tree, interpret).map(|a| !a),
            TreeNode::And(a, b) => match a.test(tree, interpret) {
                Ok(false) => Ok(false),
                a => match b.test(tree, interpret)? {
                    false => Ok(false),
                    true => a,
                },
            },
            TreeNode::Or(a, b) => match a.test(tree, interpret) {
                Ok(true) => Ok(true),
                a => match b.test(tree, interpret)? {
                    true => Ok(true),
                    false => a,
                },
            },
            TreeNode::Compare(a, holds, b) => Ok(holds(a.of(tree).cmp(&b.of(tree)))),
            TreeNode::Interpreted(expr) => interpret(expr),
        }
    }
}

impl Number {
    fn of(self, tree: &TreeSummary<'_>) -> i64 {
        match self {
            Number::Of(get) => get(tree),
            Number::Constant(number) => number,
        }
    }
}

fn operation(call: &CallExpr) -> Option<TreeNode> {
    let args = operands(call);
    let node = |expr| Box::new(TreeNode::new(expr));
    let holds: fn(Ordering) -> bool = match (call.func_name.as_str(), args.as_slice()) {
        (operators::LOGICAL_NOT, [a]) => return Some(TreeNode::Not(node(a))),
        (operators::LOGICAL_AND, [a, b]) => return Some(TreeNode::And(node(a), node(b))),
        (operators::LOGICAL_OR, [a, b]) => return Some(TreeNode::Or(node(a), node(b))),
        (operators::EQUALS, _) => Ordering::is_eq,
        (operators::NOT_EQUALS, _) => Ordering::is_ne,
        (operators::LESS, _) => Ordering::is_lt,
        (operators::LESS_EQUALS, _) => Ordering::is_le,
        (operators::GREATER, _) => Ordering::is_gt,
        (operators::GREATER_EQUALS, _) => Ordering::is_ge,
        _ => return None,
    };
    let [a, b] = args.as_slice() else { return None };
    let ((a, unit), (b, of_other)) = (number(a)?, number(b)?);
    (unit == of_other).then_some(TreeNode::Compare(a, holds, b))
}

fn number(expr: &IdedExpr) -> Option<(Number, Unit)> {
    match &expr.expr {
        Expr::Literal(LiteralValue::Int(number)) => {
            Some((Number::Constant(*number.inner()), Unit::One))
        }
        Expr::Ident(name) => Some((Number::Constant(names::constant(name)?), Unit::One)),
        Expr::Select(_) => match field(expr)? {
            Get::Number(get) => Some((Number::Of(get), Unit::One)),
            Get::Duration(get) => Some((Number::Of(get), Unit::Nanoseconds)),
            Get::Flag(_) | Get::Text(_) | Get::Names(_) => None,
        },
        Expr::Call(call) if call.func_name == "duration" && call.target.is_none() => {
            let [of] = call.args.as_slice() else {
                return None;
            };
            let is_written = matches!(of.expr, Expr::Literal(_));
            let nanos = is_written.then(|| interpret::duration(expr)).flatten()?;
            Some((Number::Constant(nanos), Unit::Nanoseconds))
        }
        _ => None,
    }
}

/// `tree.name`.
fn field(expr: &IdedExpr) -> Option<Get> {
    match &expr.expr {
        Expr::Select(select) if !select.test => match &select.operand.expr {
            Expr::Ident(tree) if tree == "tree" => find(&select.field).map(|field| field.get),
            _ => None,
        },
        _ => None,
    }
}
