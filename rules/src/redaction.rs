//! Redaction: what must not be stored, or not leave for a destination, is replaced by [`REDACTED`].
//!
//! Names hide the values of fields, patterns what they match in texts. A record is looked through where it lies first
//! ([`Redaction::finds`]): most have nothing to redact, and cost no allocation.

use std::fmt::{Display, Write};

use distlog_proto::redaction::Patterns;
use distlog_proto::wire::{CallsiteRef, FieldsRef, SourceRef};
use distlog_proto::{Map, Record, RecordRef, Source, Value, ValueRef};

pub use distlog_proto::redaction::{PatternError, REDACTED};

/// The field with the message of Python's `logging` where that is no text: the message is its readable form.
const PYTHON_MESSAGE: &str = "msg";
/// No number that is printed is longer, in bytes: the smallest `f64` has 324 zeros and 17 digits.
const MAX_NUMBER: usize = 400;
/// Callsites that are remembered to have nothing.
const CLEAN_SITES: usize = 4;

/// What is redacted.
///
/// A name hides the value of every field that is called so, in any case (ASCII), or whose dotted path ends with it:
/// `password` hides `user.password`, and the entry `password` of a map in the field `user`, also in a list. That holds
/// for a record's own fields, the fields of its task, attributes of links, of the resource and of the instrumentation
/// scope, and a structured body. `message` and `error` are names, too.
///
/// Patterns are looked for in every text of a record, each as a whole: names and values of all these fields (numbers as
/// they are printed, bytes as UTF-8), message and template, error, causes and traceback, stack, names of spans, events
/// and threads, status, scope and place in the code. They are not looked for in ids, in `tracestate`, and in the names
/// of service, host and process, which say who logs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Redaction {
    names: Vec<String>,
    patterns: Option<Patterns>,
    /// Whether `message` and `error` are among the names.
    message: bool,
    error: bool,
}

impl Redaction {
    /// Redacts values of fields with these names, and what these regular expressions match.
    ///
    /// # Errors
    /// If a pattern is no regular expression.
    pub fn new(names: Vec<String>, patterns: &[String]) -> Result<Redaction, PatternError> {
        let has = |part: &str| names.iter().any(|name| name.eq_ignore_ascii_case(part));
        Ok(Redaction {
            message: has("message"),
            error: has("error"),
            patterns: Patterns::compile(patterns)?,
            names,
        })
    }

    /// Whether there is something to redact in a record, apart from its source. It allocates nothing, unless bytes are
    /// no UTF-8.
    pub fn finds(&self, record: &RecordRef<'_>) -> bool {
        self.finds_unless_clean(record, &mut Clean::default())
    }

    /// As [`Redaction::finds`], for one record after the other.
    pub(super) fn finds_unless_clean<'a>(
        &self,
        record: &RecordRef<'a>,
        clean: &mut Clean<'a>,
    ) -> bool {
        self.finds_in_fields(record.fields)
            || record.task.is_some_and(|task| {
                clean.task != Some(task.wire) && {
                    let found = self.finds_in_fields(task.context);
                    clean.task = (!found).then_some(task.wire);
                    found
                }
            })
            || record
                .links()
                .any(|link| self.finds_in_fields(link.attributes))
            || record.otlp().is_some_and(|otlp| {
                self.finds_in_fields(otlp.scope_attributes)
                    || otlp
                        .body
                        .is_some_and(|body| self.finds_in_value(None, body))
            })
            || (self.message && is_open(record.message))
            || (self.error
                && record.error().is_some_and(|error| {
                    is_open(error.message) || is_open(error.traceback) || error.chain().any(is_open)
                }))
            || self.patterns.as_ref().is_some_and(|patterns| {
                let site = record.callsite;
                let mut known = clean.sites.iter().flatten();
                if !known.any(|known| std::ptr::eq(*known, site)) {
                    if finds_in_callsite(patterns, site) {
                        return true;
                    }
                    clean.sites[clean.next] = Some(site);
                    clean.next = (clean.next + 1) % CLEAN_SITES;
                }
                finds_in_texts(patterns, record)
            })
    }

    /// Whether there is something to redact in a source.
    pub fn finds_in_source(&self, source: &SourceRef<'_>) -> bool {
        self.finds_in_fields(source.resource) || self.finds_in_text(source.schema_url)
    }

    fn finds_in_fields(&self, fields: FieldsRef<'_>) -> bool {
        // Of a name that stands twice only the last value is seen, and all are stored.
        fields.has_repeats()
            || fields
                .iter()
                .any(|(name, value)| self.finds_in_entry(Path { name, outer: None }, value))
    }

    fn finds_in_entry(&self, path: Path<'_>, value: ValueRef<'_>) -> bool {
        let hidden = self.hides(&path);
        (hidden && !matches!(value, ValueRef::Str(REDACTED)))
            || self.finds_in_text(path.name)
            || (!hidden && self.finds_in_value(Some(&path), value))
    }

    /// `path`: that of its field, if it has a name.
    fn finds_in_value(&self, path: Option<&Path<'_>>, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Str(text) | ValueRef::Text(text) => self.finds_in_text(text),
            ValueRef::Bytes(bytes) => {
                self.patterns.is_some() && self.finds_in_text(&String::from_utf8_lossy(bytes))
            }
            ValueRef::I64(number) => self.finds_in_number(number),
            ValueRef::U64(number) => self.finds_in_number(number),
            ValueRef::F64(number) => self.finds_in_number(number),
            ValueRef::List(items) => items.iter().any(|item| self.finds_in_value(path, item)),
            ValueRef::Map(map) => {
                map.has_repeats()
                    || map
                        .iter()
                        .any(|(name, value)| self.finds_in_entry(Path { name, outer: path }, value))
            }
            ValueRef::Null | ValueRef::Bool(_) => false,
        }
    }

    fn finds_in_text(&self, text: &str) -> bool {
        self.patterns
            .as_ref()
            .is_some_and(|patterns| patterns.find(text))
    }

    fn finds_in_number(&self, number: impl Display) -> bool {
        self.patterns.is_some() && Printed::of(number, |text| self.finds_in_text(text))
    }

    /// Redacts a record, apart from its source. Says whether there was something.
    pub fn redact(&self, record: &mut Record) -> bool {
        let structured = record.fields.get(PYTHON_MESSAGE);
        let is_hidden = structured.is_some_and(|message| self.hides_in(None, message));
        let mut redacted = self.redact_fields(&mut record.fields);
        if let Some(task) = &mut record.task {
            redacted |= self.redact_fields(&mut task.context);
        }
        for link in &mut record.links {
            redacted |= self.redact_fields(&mut link.attributes);
        }
        let (message, site) = (&mut record.message, &mut record.callsite);
        if let Some(body) = record
            .otlp
            .as_deref_mut()
            .and_then(|otlp| otlp.body.as_mut())
        {
            if self.hides_in(None, body) && is_open(message) {
                // It is the readable form of the body: all of that in one text.
                *message = REDACTED.to_owned();
            }
            redacted |= self.redact_value(None, body);
        }
        if (self.message || is_hidden) && is_open(message) {
            if site.template == *message {
                // It has no arguments, or they stand in it.
                site.template = REDACTED.to_owned();
            }
            *message = REDACTED.to_owned();
            redacted = true;
        }
        if let (true, Some(error)) = (self.error, &mut record.error) {
            let texts = [&mut error.message, &mut error.traceback];
            for text in texts.into_iter().chain(&mut error.chain) {
                if is_open(text) {
                    *text = REDACTED.to_owned();
                    redacted = true;
                }
            }
        }
        let mut texts = vec![
            &mut record.message,
            &mut record.severity_text,
            &mut record.thread_name,
            &mut record.stack,
            &mut record.status_message,
            &mut record.name,
            &mut site.target,
            &mut site.file,
            &mut site.module,
            &mut site.function,
            &mut site.template,
        ];
        if let Some(error) = &mut record.error {
            texts.extend([&mut error.kind, &mut error.message, &mut error.traceback]);
            texts.extend(&mut error.chain);
        }
        if let Some(otlp) = record.otlp.as_deref_mut() {
            redacted |= self.redact_fields(&mut otlp.scope_attributes);
            texts.extend([
                &mut otlp.scope_name,
                &mut otlp.scope_version,
                &mut otlp.scope_schema_url,
                &mut otlp.event_name,
            ]);
        }
        for text in texts {
            redacted |= self.redact_text(text);
        }
        redacted
    }

    /// Redacts a source. Says whether there was something.
    pub fn redact_source(&self, source: &mut Source) -> bool {
        self.redact_fields(&mut source.resource) | self.redact_text(&mut source.schema_url)
    }

    fn redact_text(&self, text: &mut String) -> bool {
        let replaced = self.replaced(text);
        let is_replaced = replaced.is_some();
        if let Some(replaced) = replaced {
            *text = replaced;
        }
        is_replaced
    }

    fn replaced(&self, text: &str) -> Option<String> {
        self.patterns.as_ref()?.replaced(text)
    }

    fn redact_fields(&self, map: &mut Map) -> bool {
        self.redact_map(None, map)
    }

    fn redact_map(&self, outer: Option<&Path<'_>>, map: &mut Map) -> bool {
        let mut redacted = false;
        let entries = std::mem::take(map).into_iter();
        *map = entries
            .map(|(name, mut value)| {
                let path = Path { name: &name, outer };
                if !self.hides(&path) {
                    redacted |= self.redact_value(Some(&path), &mut value);
                } else if value != Value::from(REDACTED) {
                    value = Value::from(REDACTED);
                    redacted = true;
                }
                let replaced = self.replaced(&name);
                redacted |= replaced.is_some();
                (replaced.unwrap_or(name), value)
            })
            .collect();
        redacted
    }

    fn redact_value(&self, path: Option<&Path<'_>>, value: &mut Value) -> bool {
        let replaced = match value {
            Value::Str(text) | Value::Text(text) => self.replaced(text),
            Value::Bytes(bytes) => self.replaced(&String::from_utf8_lossy(bytes)),
            Value::I64(number) => self.replaced(&number.to_string()),
            Value::U64(number) => self.replaced(&number.to_string()),
            Value::F64(number) => self.replaced(&number.to_string()),
            Value::List(items) => {
                let items = items.iter_mut();
                return items.fold(false, |any, item| self.redact_value(path, item) | any);
            }
            Value::Map(map) => return self.redact_map(path, map),
            Value::Null | Value::Bool(_) => None,
        };
        let is_replaced = replaced.is_some();
        if let Some(replaced) = replaced {
            *value = Value::Str(replaced);
        }
        is_replaced
    }

    /// Whether an entry of a map in the value is hidden, and not yet redacted.
    fn hides_in(&self, path: Option<&Path<'_>>, value: &Value) -> bool {
        match value {
            Value::List(items) => items.iter().any(|item| self.hides_in(path, item)),
            Value::Map(map) => map.iter().any(|(name, value)| {
                let path = Path { name, outer: path };
                let is_open = *value != Value::from(REDACTED);
                (self.hides(&path) && is_open) || self.hides_in(Some(&path), value)
            }),
            _ => false,
        }
    }

    /// Whether the field with this path is hidden.
    fn hides(&self, path: &Path<'_>) -> bool {
        self.names.iter().any(|name| path.ends_with(name))
    }
}

/// What one redaction found nothing in, of the records of a batch that were looked through last: they have tasks and
/// callsites in common.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clean<'a> {
    /// A task, as bytes.
    task: Option<&'a [u8]>,
    sites: [Option<&'a CallsiteRef<'a>>; CLEAN_SITES],
    /// The place of the next callsite.
    next: usize,
}

/// Whether a text says something.
fn is_open(text: &str) -> bool {
    !text.is_empty() && text != REDACTED
}

/// The names that lead to a value, the last one first. With dots between them they are its dotted path.
#[derive(Debug, Clone, Copy)]
struct Path<'a> {
    name: &'a str,
    outer: Option<&'a Path<'a>>,
}

impl Path<'_> {
    /// Whether a name is all of the dotted path, or its end behind a dot; in any case (ASCII).
    fn ends_with(&self, name: &str) -> bool {
        let (mut here, mut rest) = (self, name.as_bytes());
        loop {
            let last = here.name.as_bytes();
            if let Some(at) = last.len().checked_sub(rest.len()) {
                return last[at..].eq_ignore_ascii_case(rest) && (at == 0 || last[at - 1] == b'.');
            }
            let Some(outer) = here.outer else {
                return false;
            };
            let (before, end) = rest.split_at(rest.len() - last.len());
            let Some(before) = before.strip_suffix(b".") else {
                return false;
            };
            if !end.eq_ignore_ascii_case(last) {
                return false;
            }
            (here, rest) = (outer, before);
        }
    }
}

/// A number as text, without an allocation.
struct Printed {
    bytes: [u8; MAX_NUMBER],
    len: usize,
}

impl Printed {
    fn of<R>(number: impl Display, with: impl FnOnce(&str) -> R) -> R {
        let mut printed = Printed {
            bytes: [0; MAX_NUMBER],
            len: 0,
        };
        match write!(printed, "{number}") {
            Ok(()) => with(std::str::from_utf8(&printed.bytes[..printed.len]).unwrap_or_default()),
            Err(_) => with(&number.to_string()),
        }
    }
}

impl Write for Printed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

fn finds_in_texts(patterns: &Patterns, record: &RecordRef<'_>) -> bool {
    let texts = [
        record.message,
        record.severity_text,
        record.thread_name,
        record.stack,
        record.status_message,
        record.name,
    ];
    texts.into_iter().any(|text| patterns.find(text))
        || record.error().is_some_and(|error| {
            let texts = [error.kind, error.message, error.traceback];
            let mut texts = texts.into_iter().chain(error.chain());
            texts.any(|text| patterns.find(text))
        })
        || record.otlp().is_some_and(|otlp| {
            let texts = [
                otlp.scope_name,
                otlp.scope_version,
                otlp.scope_schema_url,
                otlp.event_name,
            ];
            texts.into_iter().any(|text| patterns.find(text))
        })
}

fn finds_in_callsite(patterns: &Patterns, site: &CallsiteRef<'_>) -> bool {
    let texts = [
        site.target,
        site.file,
        site.module,
        site.function,
        site.template,
    ];
    texts.into_iter().any(|text| patterns.find(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Redaction {
        let names = names.iter().map(|&name| name.into()).collect();
        Redaction::new(names, &[]).unwrap()
    }

    #[test]
    fn a_name_is_a_whole_one_or_the_end_of_a_dotted_one_in_any_case() {
        let redaction = names(&["password", "header.Authorization"]);
        let hides = |name: &str| redaction.hides(&Path { name, outer: None });
        for name in [
            "password",
            "PassWord",
            "user.password",
            "http.request.header.authorization",
            "header.authorization",
        ] {
            assert!(hides(name), "{name}");
        }
        for name in [
            "passwords",
            "my_password",
            "password.length",
            "authorization",
            "",
            "a.",
        ] {
            assert!(!hides(name), "{name}");
        }
    }

    #[test]
    fn keys_of_maps_are_names_with_and_without_the_path_to_them() {
        let redaction = names(&["password", "order.card", "a.b.c.d"]);
        let inner = |password: &str| {
            Map::from_iter([
                ("Password", Value::from(password)),
                ("card", Value::from("kept")),
            ])
        };
        let map = |card: &str, password: &str, d: &str| {
            let order = Map::from_iter([
                ("card", Value::from(card)),
                ("by", Value::List(vec![Value::Map(inner(password))])),
            ]);
            let deep = Map::from_iter([("c.d", Value::from(d)), ("d", Value::from("kept"))]);
            let deep = Map::from_iter([("b", Value::Map(deep))]);
            Map::from_iter([("order", Value::Map(order)), ("x.A", Value::Map(deep))])
        };
        let mut redacted = map("x", "y", "z");
        assert!(redaction.redact_fields(&mut redacted));
        assert_eq!(redacted, map(REDACTED, REDACTED, REDACTED));
        // The mark is not redacted again.
        assert!(!redaction.redact_fields(&mut redacted));
    }
}
