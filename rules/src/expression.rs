//! A compiled expression of any type: what `set:` gives to a field.

use std::fmt;
use std::sync::Arc;

use distlog_proto::{RecordRef, Value, ValueRef};

use super::compile::{Operations, compile_value};
use super::fault::CompileFault;
use super::memo::Memo;
use super::names::Type;
use super::value::Val;

/// An expression that gives a value for a record. It sees what conditions see. Cheap to clone.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    operations: Arc<Operations>,
    kind: Type,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The first fault in it, with its line and column: syntax, unknown names, types that never meet.
    pub fn compile(text: &str) -> Result<Expression, CompileFault> {
        let (operations, kind) = compile_value(text)?;
        Ok(Expression {
            text: text.into(),
            operations: Arc::new(operations),
            kind,
        })
    }

    /// Its value for a record; `None` where there is none, as of a field that is missing. Durations are seconds,
    /// timestamps text.
    pub fn value(&self, record: &RecordRef<'_>) -> Option<Value> {
        match &*self.operations {
            Operations::Own(node) => owned(node.eval(record, &Memo::NONE).ok()?),
            Operations::Interpreted(expression) => expression.value(record, &Memo::NONE).ok(),
        }
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type of its values, as far as it is known.
    pub(super) fn kind(&self) -> Type {
        self.kind
    }
}

pub(super) fn owned(value: Val<'_>) -> Option<Value> {
    Some(match value {
        Val::Null => Value::Null,
        Val::Bool(v) => Value::Bool(v),
        Val::Int(v) => Value::I64(v),
        Val::UInt(v) => Value::U64(v),
        Val::Double(v) => Value::F64(v),
        Val::Str(_) | Val::Id(_) => Value::Str(value.text(str::to_owned).ok()?),
        Val::Bytes(v) => Value::Bytes(v.to_owned()),
        Val::Duration(nanos) => Value::F64(nanos as f64 / 1e9),
        Val::List(v) => ValueRef::List(v).to_value(),
        Val::Map(v) => ValueRef::Map(v).to_value(),
    })
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
