//! From text to operations: the parser of the crate `cel`, then `check.rs`, then a [`Node`] for each expression that
//! has one.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::check::{Checker, Names, RECORD, operands};
use super::depth;
use super::fault::{CompileFault, position};
use super::interpret::{self, Interpreted};
use super::leaf::{Leaf, Literal};
use super::names::{self, Type};
use super::node::{Node, Order, TextTest};
use super::path::Path;
use super::{reserved, syntax};

/// Longer conditions are refused; the parser is recursive.
const MAX_LEN: usize = 64 << 10;

/// The operations of an expression of any type.
#[derive(Debug)]
pub(super) enum Operations {
    Own(Node),
    Interpreted(Interpreted),
}

/// Compiles the text of a condition.
pub(super) fn compile(text: &str) -> Result<Node, CompileFault> {
    parse(text, &RECORD).map(|expr| test(&expr))
}

/// Parses the text of a condition over these names, and checks it.
pub(super) fn parse(text: &str, names: &Names) -> Result<IdedExpr, CompileFault> {
    if text.trim().is_empty() {
        let message = "the condition is empty; leave it out to match everything";
        return Err(CompileFault::at(1, 1, message.to_owned()));
    }
    let (expr, source) = read(text, "a condition")?;
    Checker::new(names, text, &source).check(&expr)?;
    Ok(expr)
}

/// Compiles the text of an expression of any type. Gives the type, as far as it is known.
pub(super) fn compile_value(text: &str) -> Result<(Operations, Type), CompileFault> {
    if text.trim().is_empty() {
        let message = "the expression is empty: a text is written '\"…\"'";
        return Err(CompileFault::at(1, 1, message.to_owned()));
    }
    let (expr, source) = read(text, "an expression")?;
    let kind = Checker::new(&RECORD, text, &source).check_value(&expr)?;
    let operations = match operation(&expr) {
        Some(node) => Operations::Own(node),
        None => Operations::Interpreted(Interpreted::new(&expr, &taken)),
    };
    Ok((operations, kind))
}

/// Parses a text, unless that would take too much.
fn read(text: &str, what: &str) -> Result<(IdedExpr, SourceInfo), CompileFault> {
    if text.len() > MAX_LEN {
        return Err(CompileFault::at(
            1,
            1,
            format!(
                "{what} has at most {MAX_LEN} bytes, this one has {}",
                text.len()
            ),
        ));
    }
    if let Some(offset) = depth::too_deep(text) {
        let (line, column) = position(text, offset);
        let message = format!(
            "is nested too deeply: expected at most {} operators and parentheses in each other; what && and || join may \
             be longer",
            depth::MAX
        );
        return Err(CompileFault::at(line, column, message));
    }
    reserved::parse(text).map_err(|errors| syntax::fault(text, &errors))
}

/// The operation for an expression that is to be true or false.
fn test(expr: &IdedExpr) -> Node {
    operation(expr).unwrap_or_else(|| Node::Interpreted(Box::new(Interpreted::new(expr, &taken))))
}

/// What the interpreter is handed instead of an expression, inside macros that bind the names in `scope`.
pub(super) fn taken(expr: &IdedExpr, scope: &[String]) -> Option<Leaf> {
    match &expr.expr {
        Expr::Ident(name) if !scope.contains(name) => record_value(expr),
        Expr::Select(_) | Expr::Call(_) => path(expr, scope)
            .map(Leaf::Path)
            .or_else(|| has(expr, scope)),
        _ => None,
    }
}

/// The operation for an expression outside macros, if there is one.
fn operation(expr: &IdedExpr) -> Option<Node> {
    match &expr.expr {
        Expr::Literal(value) => Some(Node::Leaf(Leaf::Literal(literal(value)))),
        Expr::Ident(_) | Expr::Select(_) => taken(expr, &[]).map(Node::Leaf),
        Expr::Call(call) => self::call(expr, call),
        _ => None,
    }
}

fn call(expr: &IdedExpr, call: &CallExpr) -> Option<Node> {
    let order = |order| {
        Some(Node::Order(
            order,
            boxed(&call.args[0])?,
            boxed(&call.args[1])?,
        ))
    };
    let args = operands(call);
    match (call.func_name.as_str(), args.as_slice()) {
        (operators::LOGICAL_AND, [a, b]) => Some(Node::And(Box::new(test(a)), Box::new(test(b)))),
        (operators::LOGICAL_OR, [a, b]) => Some(Node::Or(Box::new(test(a)), Box::new(test(b)))),
        (operators::LOGICAL_NOT, [a]) => Some(Node::Not(Box::new(test(a)))),
        (operators::EQUALS, [a, b]) => Some(Node::Equal(boxed(a)?, boxed(b)?)),
        (operators::NOT_EQUALS, [a, b]) => Some(Node::NotEqual(boxed(a)?, boxed(b)?)),
        (operators::LESS, [_, _]) => order(Order::Less),
        (operators::LESS_EQUALS, [_, _]) => order(Order::LessEqual),
        (operators::GREATER, [_, _]) => order(Order::Greater),
        (operators::GREATER_EQUALS, [_, _]) => order(Order::GreaterEqual),
        (operators::IN, [item, list]) => match &list.expr {
            Expr::List(list) if list.optional_indices.is_empty() => {
                let items = list.elements.iter().map(operation).collect::<Option<_>>()?;
                Some(Node::InList(boxed(item)?, items))
            }
            _ => Some(Node::In(boxed(item)?, boxed(list)?)),
        },
        (operators::INDEX, [_, _]) => taken(expr, &[]).map(Node::Leaf),
        ("matches", [text, pattern]) => match &pattern.expr {
            Expr::Literal(LiteralValue::String(pattern)) => Some(Node::Matches(
                boxed(text)?,
                regex::Regex::new(pattern.inner()).ok()?,
            )),
            _ => None,
        },
        ("contains", [text, part]) => {
            Some(Node::Text(TextTest::Contains, boxed(text)?, boxed(part)?))
        }
        ("startsWith", [text, part]) => {
            Some(Node::Text(TextTest::StartsWith, boxed(text)?, boxed(part)?))
        }
        ("endsWith", [text, part]) => {
            Some(Node::Text(TextTest::EndsWith, boxed(text)?, boxed(part)?))
        }
        ("size", [of]) => Some(Node::Size(boxed(of)?)),
        ("duration", [of]) if call.target.is_none() && matches!(of.expr, Expr::Literal(_)) => {
            interpret::duration(expr)
                .map(|nanos| Node::Leaf(Leaf::Literal(Literal::Duration(nanos))))
        }
        _ => None,
    }
}

fn boxed(expr: &IdedExpr) -> Option<Box<Node>> {
    operation(expr).map(Box::new)
}

/// A name or constant at the top level.
fn record_value(expr: &IdedExpr) -> Option<Leaf> {
    let Expr::Ident(text) = &expr.expr else {
        return None;
    };
    match names::constant(text) {
        Some(number) => Some(Leaf::Literal(Literal::Int(number))),
        None => names::name(text).map(|(name, _)| Leaf::Name(name)),
    }
}

/// `has(fields.a)`.
fn has(expr: &IdedExpr, scope: &[String]) -> Option<Leaf> {
    match &expr.expr {
        Expr::Select(select) if select.test => {
            let mut path = path(&select.operand, scope)?;
            path.select(&select.field);
            Some(Leaf::Has(path))
        }
        _ => None,
    }
}

/// The path of an expression into one of the maps of a record.
fn path(expr: &IdedExpr, scope: &[String]) -> Option<Path> {
    match &expr.expr {
        Expr::Ident(text) if !scope.contains(text) => match names::name(text)? {
            (name, Type::Map) => Some(Path::new(name)),
            _ => None,
        },
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand, scope)?;
            path.select(&select.field);
            Some(path)
        }
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            match &call.args[1].expr {
                Expr::Literal(LiteralValue::String(key)) => {
                    let mut path = path(&call.args[0], scope)?;
                    path.index(key.inner());
                    Some(path)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn literal(value: &LiteralValue) -> Literal {
    match value {
        LiteralValue::Boolean(v) => Literal::Bool(*v.inner()),
        LiteralValue::Bytes(v) => Literal::Bytes(v.inner().to_vec()),
        LiteralValue::Double(v) => Literal::Double(*v.inner()),
        LiteralValue::Int(v) => Literal::Int(*v.inner()),
        LiteralValue::Null => Literal::Null,
        LiteralValue::String(v) => Literal::Str(v.inner().to_owned()),
        LiteralValue::UInt(v) => Literal::UInt(*v.inner()),
    }
}
