//! Writes entries and values.

use super::Sink;
use super::marked::looks_marked;
use distlog_proto::wire::{FieldsRef, ValueRef};

/// Entries of which a text is written as a string, for readers' sake. Returns whether there was one.
pub(super) fn plain_fields<S: Sink>(sink: &mut S, fields: FieldsRef<'_>, context: bool) -> bool {
    let mut text = false;
    let marked = !context && is_marked(fields);
    for (name, field) in fields.iter() {
        // `key` is the label of the record; the program's own `key` is written as `$key`.
        if marked || context && name.ends_with("key") && name.trim_start_matches('$') == "key" {
            sink.key(&["$", name].concat());
        } else {
            sink.key(name);
        }
        match field {
            ValueRef::Text(v) => {
                sink.str(v);
                text = true;
            }
            other => value(sink, other),
        }
    }
    text
}

/// Left out if there is no text.
pub(super) fn names_of_text<S: Sink>(sink: &mut S, name: &'static str, fields: FieldsRef<'_>) {
    let is_text = |(_, field): &(&str, ValueRef<'_>)| matches!(field, ValueRef::Text(_));
    let texts = fields.iter().filter(is_text);
    list(sink, name, texts, |sink, (name, _)| sink.str(name));
}

/// Any value.
pub(crate) fn value<S: Sink>(sink: &mut S, v: ValueRef<'_>) {
    match v {
        ValueRef::Null => sink.null(),
        ValueRef::Bool(v) => sink.bool(v),
        ValueRef::I64(v) => sink.i64(v),
        ValueRef::U64(v) => sink.u64(v),
        ValueRef::F64(v) => sink.f64(v),
        ValueRef::Str(v) => sink.str(v),
        ValueRef::Text(v) => {
            sink.begin_map();
            sink.name("$text");
            sink.str(v);
            sink.end_map();
        }
        ValueRef::Bytes(v) => sink.bytes(v),
        ValueRef::List(list) => {
            sink.begin_list();
            list.iter().for_each(|item| value(sink, item));
            sink.end_list();
        }
        ValueRef::Map(fields) => {
            sink.begin_map();
            entries(sink, fields);
            sink.end_map();
        }
    }
}

/// Whether a reader would take the map for something else.
fn is_marked(fields: FieldsRef<'_>) -> bool {
    let mut names = fields.names();
    names
        .next()
        .is_some_and(|first| looks_marked(first) && names.all(|name| name == first))
}

fn entries<S: Sink>(sink: &mut S, fields: FieldsRef<'_>) {
    let marked = is_marked(fields);
    for (name, field) in fields.iter() {
        if marked {
            sink.key(&["$", name].concat());
        } else {
            sink.key(name);
        }
        value(sink, field);
    }
}

/// Left out if empty.
pub(super) fn map<S: Sink>(sink: &mut S, name: &'static str, fields: FieldsRef<'_>) {
    if !fields.is_empty() {
        sink.name(name);
        sink.begin_map();
        entries(sink, fields);
        sink.end_map();
    }
}

/// Left out if empty.
#[inline]
pub(super) fn str<S: Sink>(sink: &mut S, name: &'static str, value: &str) {
    if !value.is_empty() {
        sink.name(name);
        sink.str(value);
    }
}

/// Left out if 0.
#[inline]
pub(super) fn u64<S: Sink>(sink: &mut S, name: &'static str, value: impl Into<u64>) {
    let value = value.into();
    if value != 0 {
        sink.name(name);
        sink.u64(value);
    }
}

/// Left out if false.
pub(super) fn flag<S: Sink>(sink: &mut S, name: &'static str, value: bool) {
    if value {
        sink.name(name);
        sink.bool(true);
    }
}

/// Left out if empty.
pub(super) fn list<S: Sink, T>(
    sink: &mut S,
    name: &'static str,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut S, T),
) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        sink.name(name);
        sink.begin_list();
        items.for_each(|item| write(sink, item));
        sink.end_list();
    }
}
