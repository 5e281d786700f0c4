//! The tree in few words, one task or record a line, for who shows it: a part of what the JSON of the tree has.
//!
//! ```json
//! {"depth": 0, "span_id": "8ab33c93ffe29262", "name": "handle order 17", "service": "gateway", "outcome": "failed",
//!  "at_ns": 0, "duration_ns": 12300000, "records": 2, "tasks": 1, "error": "card declined", "severity": 17}
//! {"depth": 1, "record": "order received", "severity": 9, "at_ns": 1000, "fields": "items=3", "number": 4711}
//! ```
//!
//! Texts are those of the tree as text. What is empty or not known is left out. `path` is the id without the trace's,
//! `at_ns` counts from the least begin of the tree. `records`, `tasks` and `severity` are of all that is below a task;
//! its `cut` are the tasks that stand too deep to follow. A record's `cut` says that it has more to say.

use std::fmt;
use std::io::Write;
use std::mem::take;

use distlog_proto::{RecordRef, SpanKind};
use distlog_python::json;

use super::build::Tree;
use super::draw::name_of;
use super::paint::{Colour, Look};
use super::service::service_of;
use super::source::{Place, Source, read};
use super::walk::{Gone, Part, Pass, Shown, Visit, walk};
use super::words::{
    MAX_LINE, first_line, message_of, put_beside, put_fields, reason, service_name, traceback,
    untold_error,
};
use crate::escape::put_cut;

/// The fields of a task or a record are cut at this length, in bytes.
const MAX_FIELDS: usize = 500;

/// Writes a part of the tasks with these numbers and all below them. `begin` is the time that is 0 in it. Gives where
/// the next part begins.
///
/// # Errors
/// If `pass` wants no more.
pub fn write_outline(
    tree: &Tree,
    tasks: &[u32],
    begin: u64,
    part: Part,
    source: &mut dyn Source,
    pass: Pass<'_>,
) -> Result<Option<u64>, Gone> {
    let mut writer = Writer {
        tree,
        look: Look::new(Colour::Off, false),
        begin,
        depth: part.depth,
        out: Vec::new(),
        services: Vec::new(),
    };
    let next = walk(tree, tasks, part, source, &mut writer, pass)?;
    if pass(take(&mut writer.out)) {
        Ok(next)
    } else {
        Err(Gone)
    }
}

struct Writer<'t> {
    tree: &'t Tree,
    look: Look,
    begin: u64,
    /// So many levels are written.
    depth: usize,
    out: Vec<u8>,
    /// Who does the tasks whose items follow.
    services: Vec<String>,
}

impl Writer<'_> {
    fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a list of bytes cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.out.extend_from_slice(key.as_bytes());
            json::write_str(&mut self.out, text);
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        if number > 0 {
            self.put(format_args!("{key}{number}"));
        }
    }

    /// A time that is known.
    fn at(&mut self, time: u64) {
        if time > 0 {
            let at = i128::from(time) - i128::from(self.begin);
            self.put(format_args!(",\"at_ns\":{at}"));
        }
    }

    /// Fields as they were appended; whether they are cut.
    fn fields(&mut self, fields: &str) -> bool {
        let mut text = String::new();
        put_cut(&mut text, MAX_FIELDS, fields.trim_start());
        self.text(",\"fields\":", &text);
        fields.trim_start().len() > MAX_FIELDS
    }

    fn head(&mut self, task: u32, head: Option<&RecordRef<'_>>) {
        let (node, look) = (self.tree.node(task), self.look);
        let path = head.and_then(|head| head.task).map_or("", |task| task.path);
        let id = self.tree.id_of(node, path);
        self.text(
            ",\"path\":",
            id.split_once('/').map_or("", |(_, path)| path),
        );
        let (name, _) = name_of(self.tree, look, node, head, path);
        self.text(",\"name\":", &name);
        let service = head.map_or("", service_of);
        self.text(",\"service\":", &service_name(look, service));
        let Some(head) = head.filter(|_| node.is_told()) else {
            return;
        };
        if node.span_kind != SpanKind::Internal {
            self.text(",\"kind\":", node.span_kind.name());
        }
        if let Some(task) = head.task {
            let mut fields = String::new();
            put_fields(&mut fields, look, head, task.context);
            self.fields(&fields);
        }
    }
}

impl Visit for Writer<'_> {
    fn open(&mut self, source: &mut dyn Source, shown: Shown) {
        let (node, depth) = (self.tree.node(shown.task), self.services.len());
        self.put(format_args!(
            "{{\"depth\":{depth},\"span_id\":\"{}\"",
            node.span_id
        ));
        let service = node.head.and_then(|head| {
            read(source, head, |head| {
                self.head(shown.task, Some(head));
                service_of(head).to_owned()
            })
        });
        if service.is_none() {
            self.head(shown.task, None);
        }
        self.services.push(service.unwrap_or_default());
        self.text(",\"outcome\":", node.state().name());
        self.at(node.begun);
        if let Some(duration) = node.duration() {
            self.put(format_args!(",\"duration_ns\":{duration}"));
        }
        self.number(",\"records\":", node.below - node.tasks);
        self.number(",\"tasks\":", node.tasks);
        if let Some(end) = node.bad_end() {
            let look = self.look;
            read(source, end, |end| {
                self.text(",\"error\":", &first_line(look, reason(end)));
            });
        }
        self.number(",\"severity\":", node.severity.number().into());
        if depth + 1 >= self.depth {
            self.number(",\"cut\":", node.tasks);
        }
        if shown.continued {
            self.out.extend_from_slice(b",\"continued\":true");
        }
        self.out.extend_from_slice(b"}\n");
    }

    fn cut(&mut self, _: &mut dyn Source, _: u64) {}

    fn record(&mut self, source: &mut dyn Source, place: Place, _: bool) {
        let (look, depth) = (self.look, self.services.len());
        read(source, place, |record| {
            let (message, error) = (message_of(record), untold_error(record));
            self.put(format_args!("{{\"depth\":{depth},\"record\":"));
            json::write_str(&mut self.out, &first_line(look, message));
            self.number(",\"severity\":", record.severity.number().into());
            self.at(record.time);
            let service = service_of(record);
            if self.services.last().is_some_and(|above| above != service) {
                self.text(",\"service\":", &service_name(look, service));
            }
            let mut fields = String::new();
            put_beside(&mut fields, look, record);
            let mut is_cut = self.fields(&fields);
            self.text(",\"error\":", &first_line(look, error));
            self.number(",\"number\":", record.store_number);
            self.text(",\"thread\":", &first_line(look, record.thread_name));
            is_cut |= [message, error]
                .iter()
                .any(|text| text.len() > MAX_LINE || text.contains('\n'));
            is_cut |= !traceback(record).is_empty()
                || record
                    .error()
                    .is_some_and(|error| error.chain().next().is_some());
            if is_cut {
                self.out.extend_from_slice(b",\"cut\":true");
            }
            self.out.extend_from_slice(b"}\n");
        });
    }

    fn close(&mut self) {
        self.services.pop();
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
