//! What records are grouped by: names of conditions, the name of the task, slots of time.

use std::time::Duration;

use distlog_proto::wire::{Parts, field::record as field};
use distlog_proto::{Kind, RecordRef, Severity, ValueRef};
use distlog_python::json::{write_str, write_value};
use distlog_rules::{Named, ValuePath};

use super::QueryError;

/// The name by which blocks count their records.
const SERVICE: &str = "service";
/// Records are grouped by so many names at most.
const MAX_NAMES: usize = 8;

/// What records are grouped by.
#[derive(Debug)]
pub struct Grouping {
    by: Vec<Name>,
    /// In ns.
    pub(super) every: Option<u64>,
}

#[derive(Debug)]
enum Name {
    /// By its name rather than its number.
    Severity,
    Task,
    Value(ValuePath),
}

impl Grouping {
    /// Reads names with commas between them: those of conditions, and `task_name`.
    ///
    /// # Errors
    /// If a name is not known or stands there twice, or there are too many.
    pub fn parse(by: &str, every: Option<Duration>) -> Result<Grouping, QueryError> {
        let mut names: Vec<Name> = Vec::new();
        for text in by.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let name = match text {
                "severity" => Name::Severity,
                "task_name" => Name::Task,
                _ => Name::Value(
                    ValuePath::parse(text)
                        .map_err(|fault| QueryError::Request(format!("`by`: {}", fault.message)))?,
                ),
            };
            if names.iter().any(|known| known.text() == name.text()) {
                let why = format!("`by` has `{text}` twice: give it once");
                return Err(QueryError::Request(why));
            }
            names.push(name);
        }
        if names.len() > MAX_NAMES {
            let found = format!("{} names", names.len());
            let expected = format!("at most {MAX_NAMES}");
            return Err(QueryError::parameter("by", found, expected));
        }
        Ok(Grouping {
            by: names,
            every: every.and_then(|every| u64::try_from(every.as_nanos()).ok()),
        })
    }

    /// The group of a record: when it begins, and the fields of a JSON object.
    pub(super) fn key(&self, record: &RecordRef<'_>, time: u64, key: &mut Vec<u8>) {
        let begin = self.every.map_or(0, |every| time - time % every);
        self.key_with(begin, key, |name, key| name.put(record, key));
    }

    fn key_with(&self, begin: u64, key: &mut Vec<u8>, put: impl Fn(&Name, &mut Vec<u8>)) {
        key.extend_from_slice(&begin.to_be_bytes());
        for name in &self.by {
            write_str(key, name.text());
            key.push(b':');
            put(name, key);
            key.push(b',');
        }
    }

    /// Whether how many records there are of each service and severity is enough.
    pub(super) fn is_counted(&self) -> bool {
        self.by.iter().all(|name| match name {
            Name::Severity => true,
            Name::Task => false,
            Name::Value(path) => path.text() == SERVICE,
        })
    }

    /// The name of the field by whose value records are grouped, if they are by nothing else.
    pub(super) fn field(&self) -> Option<&str> {
        match &*self.by {
            [Name::Value(path)] if self.every.is_none() => path.field(),
            _ => None,
        }
    }

    /// The group of the records with a text in that field, or without the field.
    pub(super) fn key_of_text(&self, text: Option<&str>, key: &mut Vec<u8>) {
        self.key_with(0, key, |_, key| match text {
            Some(text) => write_value(key, ValueRef::Str(text)),
            None => key.extend_from_slice(b"null"),
        });
    }

    /// The parts of records that groups are made of, and how long tasks took.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        for number in [field::KIND, field::DURATION] {
            parts.add(number);
        }
        if self.every.is_some() {
            parts.add(field::TIME);
        }
        for name in &self.by {
            match name {
                Name::Severity => parts.add_severity(),
                Name::Task => {
                    parts.add(field::NAME);
                    parts.add(field::MESSAGE);
                }
                Name::Value(path) => path.add_parts(&mut parts),
            }
        }
        parts
    }

    /// The group of the records of a service and severity.
    pub(super) fn key_of_counts(
        &self,
        service: &str,
        severity: Severity,
        begin: u64,
        key: &mut Vec<u8>,
    ) {
        self.key_with(begin, key, |name, key| match name {
            Name::Severity => write_str(key, &severity.to_string()),
            Name::Task | Name::Value(_) => write_str(key, service),
        });
    }
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Severity => "severity",
            Name::Task => "task_name",
            Name::Value(path) => path.text(),
        }
    }

    fn put(&self, record: &RecordRef<'_>, out: &mut Vec<u8>) {
        let value = match self {
            Name::Severity => return write_str(out, &record.severity.to_string()),
            Name::Task if matches!(record.kind, Kind::Begin | Kind::End) => {
                return write_str(out, record.task_name());
            }
            Name::Task => None,
            Name::Value(path) => path.value(record),
        };
        match value {
            None => out.extend_from_slice(b"null"),
            Some(Named::Value(value)) => write_value(out, value),
            Some(Named::Id(id)) => write_str(out, &id.to_string()),
            Some(Named::Duration(nanos)) => out.extend_from_slice(nanos.to_string().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_are_refused() {
        for (by, why) in [
            (
                "sevice",
                "`by`: unknown name `sevice`: did you mean `service`?",
            ),
            ("service,service", "`by` has `service` twice"),
            ("a == b", "`by`: `a == b` is no name"),
            (
                "file,line,module,function,thread,task,host,target,service",
                "found 9 names, expected at most 8",
            ),
        ] {
            let error = Grouping::parse(by, None).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
