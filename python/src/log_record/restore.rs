//! Puts a record together again from the parts of the dictionary that columns of a database have.

use super::own::{Own, mark_text, own_key};
use distlog_proto::{Map, Record, Value};

/// Entries of the parts; what is null has none.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) fields: Vec<(String, Value)>,
    pub(crate) context: Vec<(String, Value)>,
    pub(crate) resource: Vec<(String, Value)>,
    pub(crate) extra: Vec<(String, Value)>,
    /// Traceback, or error and causes.
    pub(crate) error: String,
}

/// Puts the parts into a record that has what other columns have: its callsite has the severity of the record, its time
/// is that of the column, its name is empty. Afterwards the name is empty unless it is not what its column says.
pub(crate) fn restore(parts: Parts, record: &mut Record) {
    let own = Own::read(Map::from_iter(parts.extra), record);
    let stated = own.severity.unwrap_or(record.callsite.severity);
    match own.callsite_severity {
        Some(callsite) => (record.severity, record.callsite.severity) = (stated, callsite),
        None => record.callsite.severity = stated,
    }
    record.level = own.level.unwrap_or_default();
    record.error = own.error.map(|(mut error, traceback)| {
        error.traceback = if traceback {
            parts.error
        } else {
            String::new()
        };
        error
    });
    if let Some(task) = &mut record.task {
        task.flags = own.flags;
        task.trace_state = own.trace_state;
        let entries = parts.context.into_iter();
        let entries = entries.map(|(name, value)| (own_key(name), value));
        task.context = Map::from_iter(mark_text(entries.collect(), &own.context_text));
    }
    record.source.resource = Map::from_iter(parts.resource);
    let mut fields = mark_text(parts.fields, &own.text);
    if !own.odd.is_empty() {
        fields.push(("distlog".to_owned(), Map::from_iter(own.odd).into()));
    }
    record.fields = Map::from_iter(fields);
}
