//! What rules do to a record besides sending it somewhere: `set:` and `redact:`.

use distlog_proto::{Record, RecordRef, Severity, Source, Value};

use super::expression::Expression;
use super::names::Type;
use super::redaction::Redaction;

/// What `set:` can give a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A field of the record's own; dots belong to its name.
    Field(String),
    /// The message, a text.
    Message,
    /// The severity, a number from 1 to 24.
    Severity,
}

impl Target {
    /// Reads `fields.NAME`, `message` or `severity`.
    ///
    /// # Errors
    /// If it is something else: what is wrong with it.
    pub fn parse(text: &str) -> Result<Target, String> {
        match text.split_once('.') {
            Some(("fields", name)) if !name.is_empty() => Ok(Target::Field(name.to_owned())),
            None if text == "message" => Ok(Target::Message),
            None if text == "severity" => Ok(Target::Severity),
            _ => {
                let meant = super::nearest(text, ["message", "severity"]);
                let hint =
                    meant.map_or(String::new(), |meant| format!(": did you mean `{meant}`?"));
                Err(format!(
                    "`{text}` cannot be set{hint}; expected fields.NAME, message or severity"
                ))
            }
        }
    }

    /// Whether an expression can give it a value, as far as types are known.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, value: &Expression) -> Result<(), String> {
        let (what, expected) = match (self, value.kind()) {
            (Target::Field(_), _)
            | (Target::Message, Type::Str | Type::Any)
            | (Target::Severity, Type::Number | Type::Any) => return Ok(()),
            (Target::Message, _) => ("message", "a string, as string(…) makes one"),
            (Target::Severity, _) => ("severity", "a number from 1 to 24, or WARN and so on"),
        };
        let found = value.kind().article();
        Err(format!("`{what}` is {expected}, but this is {found}"))
    }

    /// Whether it can have this value.
    fn takes(&self, value: &Value) -> bool {
        match self {
            Target::Field(_) => true,
            Target::Message => matches!(value, Value::Str(_)),
            Target::Severity => severity(value).is_some(),
        }
    }

    fn put(&self, record: &mut Record, value: Value) {
        match (self, value) {
            (Target::Field(name), value) => record.fields.insert(name.as_str(), value),
            (Target::Message, Value::Str(text)) => record.message = text,
            (Target::Severity, value) => {
                record.severity = severity(&value).unwrap_or(record.severity);
                // What it was called where it came from is true no more.
                record.severity_text.clear();
                record.level = 0;
            }
            (Target::Message, _) => {}
        }
    }
}

fn severity(value: &Value) -> Option<Severity> {
    let number = match value {
        Value::I64(number) => u32::try_from(*number).ok()?,
        Value::U64(number) => u32::try_from(*number).ok()?,
        _ => return None,
    };
    (1..=24).contains(&number).then(|| Severity::new(number))
}

/// Values that are set, and what is redacted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// In order; of the same target the last one counts.
    pub set: Vec<(Target, Expression)>,
    /// Comes after them.
    pub redact: Option<Redaction>,
}

/// A record that was changed.
#[derive(Debug)]
pub struct Changed {
    /// The record, without its source.
    pub record: Record,
    /// Whether something in it was redacted.
    pub redacted: bool,
}

impl Change {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.redact.is_none()
    }
}

/// Applies changes to a record: first what each sets, in order, then what each redacts. All values see the record as
/// it is. `None`: it stays as it is.
///
/// Values that could not be computed, or cannot be where they are to go, are left out and added to `failed`.
pub fn change<'c>(
    changes: impl Iterator<Item = &'c Change> + Clone,
    record: &RecordRef<'_>,
    failed: &mut u64,
) -> Option<Changed> {
    let mut values = Vec::new();
    for (target, expression) in changes.clone().flat_map(|change| &change.set) {
        match expression.value(record) {
            Some(value) if target.takes(&value) => values.push((target, value)),
            _ => *failed += 1,
        }
    }
    let redactions = changes.filter_map(|change| change.redact.as_ref());
    if values.is_empty() && !redactions.clone().any(|redaction| redaction.finds(record)) {
        return None;
    }
    let mut record = record.to_record_of(Source::default());
    for (target, value) in values {
        target.put(&mut record, value);
    }
    let redacted = redactions.fold(false, |any, redaction| redaction.redact(&mut record) | any);
    Some(Changed { record, redacted })
}
