//! What has no operation of ours is left to the interpreter of the crate `cel`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::objects::Key;
use cel::{Context, Env, Value};
use distlog_proto::RecordRef;
use distlog_proto::wire::FieldsRef;

use super::leaf::Leaf;
use super::memo::Memo;
use super::value::{NoValue, Val};

/// The standard library, and the string functions of cel-go (`lowerAscii`, `split`, …).
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    if let Err(error) = env.add_extension(cel::extensions::strings) {
        tracing::error!("string functions are missing in conditions: {error}");
    }
    Arc::new(env)
});

/// An expression for the interpreter. It sees only those values of the record that it uses.
#[derive(Debug, Clone)]
pub(super) struct Interpreted {
    expr: IdedExpr,
    /// Variables `@0`, `@1`, … and their values.
    inputs: Vec<(String, Leaf)>,
}

impl Interpreted {
    /// Puts a variable in the place of everything that `take` takes out of the record. `take` gets the names that
    /// macros bind around it.
    pub(super) fn new(
        expr: &IdedExpr,
        take: &dyn Fn(&IdedExpr, &[String]) -> Option<Leaf>,
    ) -> Interpreted {
        let mut interpreted = Interpreted {
            expr: expr.clone(),
            inputs: Vec::new(),
        };
        let mut expr = std::mem::take(&mut interpreted.expr);
        interpreted.replace(&mut expr, &mut Vec::new(), take);
        interpreted.expr = expr;
        interpreted
    }

    fn replace(
        &mut self,
        expr: &mut IdedExpr,
        scope: &mut Vec<String>,
        take: &dyn Fn(&IdedExpr, &[String]) -> Option<Leaf>,
    ) {
        if let Some(leaf) = take(expr, scope) {
            let name = format!("@{}", self.inputs.len());
            self.inputs.push((name.clone(), leaf));
            expr.expr = Expr::Ident(name);
            return;
        }
        match &mut expr.expr {
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
            Expr::Call(call) => {
                call.target
                    .iter_mut()
                    .for_each(|target| self.replace(target, scope, take));
                call.args
                    .iter_mut()
                    .for_each(|arg| self.replace(arg, scope, take));
            }
            Expr::Select(select) => self.replace(&mut select.operand, scope, take),
            Expr::List(list) => list
                .elements
                .iter_mut()
                .for_each(|element| self.replace(element, scope, take)),
            Expr::Map(map) => map
                .entries
                .iter_mut()
                .for_each(|entry| self.replace_entry(&mut entry.expr, scope, take)),
            Expr::Struct(of) => of
                .entries
                .iter_mut()
                .for_each(|entry| self.replace_entry(&mut entry.expr, scope, take)),
            Expr::Comprehension(macros) => {
                self.replace(&mut macros.iter_range, scope, take);
                self.replace(&mut macros.accu_init, scope, take);
                let outer = scope.len();
                scope.push(macros.accu_var.clone());
                self.replace(&mut macros.result, scope, take);
                scope.push(macros.iter_var.clone());
                scope.extend(macros.iter_var2.clone());
                self.replace(&mut macros.loop_cond, scope, take);
                self.replace(&mut macros.loop_step, scope, take);
                scope.truncate(outer);
            }
        }
    }

    fn replace_entry(
        &mut self,
        entry: &mut EntryExpr,
        scope: &mut Vec<String>,
        take: &dyn Fn(&IdedExpr, &[String]) -> Option<Leaf>,
    ) {
        match entry {
            EntryExpr::StructField(field) => self.replace(&mut field.value, scope, take),
            EntryExpr::MapEntry(entry) => {
                self.replace(&mut entry.key, scope, take);
                self.replace(&mut entry.value, scope, take);
            }
        }
    }

    /// Shows all values of the record in it.
    pub(super) fn each_leaf(&mut self, visit: &mut dyn FnMut(&mut Leaf)) {
        self.inputs.iter_mut().for_each(|(_, leaf)| visit(leaf));
    }

    /// Whether it is true for this record.
    pub(super) fn test<'a>(
        &'a self,
        record: &RecordRef<'a>,
        memo: &Memo<'a>,
    ) -> Result<bool, NoValue> {
        match self.resolve(record, memo)? {
            Value::Bool(value) => Ok(value),
            _ => Err(NoValue),
        }
    }

    /// Its value for this record.
    pub(super) fn value<'a>(
        &'a self,
        record: &RecordRef<'a>,
        memo: &Memo<'a>,
    ) -> Result<distlog_proto::Value, NoValue> {
        from_cel(&self.resolve(record, memo)?)
    }

    fn resolve<'a>(&'a self, record: &RecordRef<'a>, memo: &Memo<'a>) -> Result<Value, NoValue> {
        let mut context = Context::with_env(ENV.clone());
        for (name, leaf) in &self.inputs {
            // What has no value stays unbound: to use it is an error, which CEL's && and || may yet absorb.
            if let Ok(value) = leaf.value(record, memo) {
                context.add_variable_from_value(name.as_str(), to_cel(value)?);
            }
        }
        context.resolve(&self.expr).map_err(|_| NoValue)
    }
}

/// The nanoseconds of a duration that is written out, `duration('1.5s')`.
pub(super) fn duration(expr: &IdedExpr) -> Option<i64> {
    match Context::with_env(ENV.clone()).resolve(expr) {
        Ok(Value::Duration(duration)) => duration.num_nanoseconds(),
        _ => None,
    }
}

fn to_cel(value: Val<'_>) -> Result<Value, NoValue> {
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(v) => Value::Bool(v),
        Val::Int(v) => Value::Int(v),
        Val::UInt(v) => Value::UInt(v),
        Val::Double(v) => Value::Float(v),
        Val::Str(_) | Val::Id(_) => Value::String(Arc::new(value.text(str::to_owned)?)),
        Val::Bytes(v) => Value::Bytes(Arc::new(v.to_vec())),
        Val::Duration(v) => Value::Duration(chrono::Duration::nanoseconds(v)),
        Val::List(v) => Value::List(Arc::new(
            v.iter()
                .map(|item| to_cel(item.into()))
                .collect::<Result<_, _>>()?,
        )),
        Val::Map(v) => Value::Map(to_map(v)?),
    })
}

fn to_map(fields: FieldsRef<'_>) -> Result<cel::objects::Map, NoValue> {
    let mut map = HashMap::new();
    for (name, value) in fields.iter() {
        map.insert(Key::from(name), to_cel(value.into())?);
    }
    Ok(cel::objects::Map { map: Arc::new(map) })
}

fn from_cel(value: &Value) -> Result<distlog_proto::Value, NoValue> {
    use distlog_proto::Value as Owned;
    Ok(match value {
        Value::Null => Owned::Null,
        Value::Bool(v) => Owned::Bool(*v),
        Value::Int(v) => Owned::I64(*v),
        Value::UInt(v) => Owned::U64(*v),
        Value::Float(v) => Owned::F64(*v),
        Value::String(v) => Owned::Str(v.to_string()),
        Value::Bytes(v) => Owned::Bytes(v.to_vec()),
        Value::Duration(v) => Owned::F64(v.num_nanoseconds().ok_or(NoValue)? as f64 / 1e9),
        Value::Timestamp(v) => Owned::Str(v.to_rfc3339()),
        Value::List(v) => Owned::List(v.iter().map(from_cel).collect::<Result<_, _>>()?),
        Value::Map(v) => {
            let entry = |(key, value): (&Key, &Value)| Ok((key.to_string(), from_cel(value)?));
            let mut entries = v.map.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            // The map has an order of its own in each process; a record that comes again is to become the same.
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Owned::Map(entries.into_iter().collect())
        }
        // Types and functions.
        _ => return Err(NoValue),
    })
}
