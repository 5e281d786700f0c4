//! A value of a record by its name alone, for those who group records by it.

use cel::common::ast::Expr;
use distlog_proto::wire::Parts;
use distlog_proto::{RecordRef, ValueRef};

use super::compile::taken;
use super::fault::CompileFault;
use super::leaf::Leaf;
use super::memo::Memo;
use super::names::Name;
use super::value::Val;
use super::{names, reserved, syntax};

/// A name as conditions have it: `service`, `fields.route`, `resource["k8s.pod.name"]`.
#[derive(Debug, Clone)]
pub struct ValuePath {
    text: String,
    leaf: Leaf,
}

/// What a name stands for in a record.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    /// A value of the record.
    Value(ValueRef<'a>),
    /// The trace id and so on, as text.
    Id(IdText<'a>),
    /// Nanoseconds.
    Duration(i64),
}

/// Shows an id.
#[derive(Debug, Clone, Copy)]
pub struct IdText<'a>(super::value::Id<'a>);

impl std::fmt::Display for IdText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ValuePath {
    /// Reads a name.
    ///
    /// # Errors
    /// If it is no name of a value, or not known.
    pub fn parse(text: &str) -> Result<ValuePath, CompileFault> {
        let fault = |message: String| CompileFault::at(1, 1, message);
        if text.trim().is_empty() {
            return Err(fault("the name is empty".to_owned()));
        }
        let (expr, _) = reserved::parse(text).map_err(|errors| syntax::fault(text, &errors))?;
        match taken(&expr, &[]) {
            Some(leaf @ (Leaf::Name(_) | Leaf::Path(_))) => Ok(ValuePath {
                text: text.trim().to_owned(),
                leaf,
            }),
            _ => Err(fault(match (&expr.expr, names::meant(text)) {
                // A constant.
                (_, Some(meant)) if names::name(meant).is_none() => no_name(text),
                (Expr::Ident(_), Some(meant)) => {
                    format!("unknown name `{text}`: did you mean `{meant}`?")
                }
                (Expr::Ident(_), None) => format!("unknown name `{text}`"),
                _ => no_name(text),
            })),
        }
    }

    /// The name.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the record's field that it stands for, if it stands for one. Where a record has no such field but
    /// one with the begin of that name, up to a dot, it is an entry of that one.
    pub fn field(&self) -> Option<&str> {
        match &self.leaf {
            Leaf::Path(path) if path.root == Name::Fields => path.name(),
            _ => None,
        }
    }

    /// Adds the parts of a record that it is read from.
    pub fn add_parts(&self, parts: &mut Parts) {
        self.leaf.add_parts(parts);
    }

    /// What it stands for in a record; `None` if the record has no such value.
    pub fn value<'a>(&'a self, record: &RecordRef<'a>) -> Option<Named<'a>> {
        Some(match self.leaf.value(record, &Memo::NONE).ok()? {
            Val::Null => Named::Value(ValueRef::Null),
            Val::Bool(v) => Named::Value(ValueRef::Bool(v)),
            Val::Int(v) => Named::Value(ValueRef::I64(v)),
            Val::UInt(v) => Named::Value(ValueRef::U64(v)),
            Val::Double(v) => Named::Value(ValueRef::F64(v)),
            Val::Str(v) => Named::Value(ValueRef::Str(v)),
            Val::Bytes(v) => Named::Value(ValueRef::Bytes(v)),
            Val::List(v) => Named::Value(ValueRef::List(v)),
            Val::Map(v) => Named::Value(ValueRef::Map(v)),
            Val::Id(id) => Named::Id(IdText(id)),
            Val::Duration(v) => Named::Duration(v),
        })
    }
}

fn no_name(text: &str) -> String {
    format!("`{text}` is no name: expected one like `service` or `fields.route`")
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, Record};

    use super::*;

    #[test]
    fn names_are_looked_up_and_others_refused() {
        let mut record = Record {
            message: "hello".into(),
            ..Record::default()
        };
        record.fields.insert("http.route", "/pay");
        record.callsite.function = "run".into();
        let mut writer = BatchWriter::new();
        writer.push(&record);
        let bytes = writer.finish();
        let batch = BatchRef::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        for (name, expected) in [
            ("message", Some("hello")),
            (" function ", Some("run")),
            ("fields.http.route", Some("/pay")),
            ("fields[\"http.route\"]", Some("/pay")),
            ("fields.missing", None),
            ("duration", None),
        ] {
            let path = ValuePath::parse(name).unwrap();
            assert_eq!(path.text(), name.trim());
            let found = match path.value(&record) {
                Some(Named::Value(ValueRef::Str(text))) => Some(text),
                None => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{name}");
        }
        for (name, field) in [
            ("fields.route", Some("route")),
            ("fields.http.route", Some("http.route")),
            ("fields[\"http.route\"]", Some("http.route")),
            ("fields.a[\"b\"]", None),
            ("resource.a", None),
            ("service", None),
        ] {
            assert_eq!(ValuePath::parse(name).unwrap().field(), field, "{name}");
        }
        for (name, why) in [
            ("", "the name is empty"),
            ("servce", "did you mean `service`?"),
            ("WARN", "is no name"),
            ("zzzzzz", "unknown name `zzzzzz`"),
            ("service == 'a'", "is no name: expected one like `service`"),
            ("has(fields.a)", "is no name"),
            ("a b", "line 1"),
        ] {
            let fault = ValuePath::parse(name).unwrap_err().to_string();
            assert!(fault.contains(why), "{fault}");
        }
    }
}
