//! The tree as text, for terminals and logs.
//!
//! ```text
//! e252a11f-d33d-483d-ba08-bc8f642b2f10
//! ✗ handle order 17 · gateway  12.3ms  card declined
//! ├─ 12:03:04.123 INFO  order received  items=3
//! ├─ ✔ reserve stock · orders  3.10ms
//! │  └─ 12:03:04.125 INFO  reserved  sku=A-1
//! └─ ✗ charge card · payment  5.20ms  card declined
//!    └─ 12:03:04.131 ERROR card declined  code=51
//!       ┆ caused by: limit reached
//! ```

use std::fmt::Write;
use std::mem::take;

use distlog_proto::{Kind, Outcome, RecordRef, SpanKind};

use super::build::Tree;
use super::node::{Node, State};
use super::paint::{Look, Style, span_or_dash};
use super::service::service_of;
use super::source::{Place, Source, read};
use super::walk::{Gone, Part, Pass, Shown, Visit, walk};
use super::words::{first_line, mark, put_details, put_fields, reason, service_name};
use crate::escape::one_line;

/// Draws a part of the tasks with these numbers and all below them, one line for each task and each record. Gives where
/// the next part begins.
///
/// # Errors
/// If `pass` wants no more.
pub fn draw(
    tree: &Tree,
    tasks: &[u32],
    part: Part,
    look: Look,
    source: &mut dyn Source,
    pass: Pass<'_>,
) -> Result<Option<u64>, Gone> {
    let mut painter = Painter {
        tree,
        look,
        text: String::new(),
        out: Vec::new(),
        prefix: String::new(),
        open: Vec::new(),
    };
    look.colour
        .put(&mut painter.text, Style::Bold, tree.trace_id());
    painter.text.push('\n');
    painter.written();
    let next = walk(tree, tasks, part, source, &mut painter, pass)?;
    if pass(painter.out) {
        Ok(next)
    } else {
        Err(Gone)
    }
}

struct Painter<'t> {
    tree: &'t Tree,
    look: Look,
    /// What is being written.
    text: String,
    out: Vec<u8>,
    prefix: String,
    open: Vec<Open>,
}

/// A task whose items follow.
struct Open {
    task: u32,
    /// Length of the prefix before it.
    prefix: usize,
    service: String,
}

impl Painter<'_> {
    fn written(&mut self) {
        self.out.extend_from_slice(self.text.as_bytes());
        self.text.clear();
    }

    fn begin_line(&mut self, joint: &str) {
        let Painter {
            look, text, prefix, ..
        } = self;
        if !prefix.is_empty() || !joint.is_empty() {
            look.colour
                .put(text, Style::Dim, format_args!("{prefix}{joint}"));
        }
    }

    fn service(&self) -> &str {
        self.open.last().map_or("", |open| &open.service)
    }
}

impl Visit for Painter<'_> {
    fn open(&mut self, source: &mut dyn Source, shown: Shown) {
        let node = self.tree.node(shown.task);
        let (joint, stem) = match (self.open.is_empty(), shown.is_last) {
            (true, _) => ("", ""),
            (false, true) => ("└─ ", "   "),
            (false, false) => ("├─ ", "│  "),
        };
        self.begin_line(joint);
        let above = self.service().to_owned();
        let (tree, look) = (self.tree, self.look);
        let mut text = take(&mut self.text);
        let head = node.head.and_then(|head| {
            read(source, head, |head| {
                let path = head.task.map_or("", |task| task.path);
                put_title(&mut text, tree, look, node, Some(head), path, &above);
                service_of(head).to_owned()
            })
        });
        if head.is_none() {
            put_title(&mut text, tree, look, node, None, "", &above);
        }
        if let Some(end) = node.bad_end() {
            read(source, end, |end| match reason(end) {
                "" => {}
                why => {
                    text.push_str("  ");
                    let style = mark(end.outcome).1;
                    look.colour.put(&mut text, style, first_line(look, why));
                }
            });
        }
        if let Some(head) = node.head.filter(|_| node.is_told()) {
            read(source, head, |head| {
                if let Some(task) = head.task {
                    put_fields(&mut text, look, head, task.context);
                }
            });
        }
        if shown.continued {
            look.colour
                .put(&mut text, Style::Dim, "  (continued from the part before)");
        }
        text.push('\n');
        self.text = text;
        self.written();
        self.open.push(Open {
            task: shown.task,
            prefix: self.prefix.len(),
            service: head.unwrap_or_default(),
        });
        self.prefix.push_str(stem);
    }

    fn cut(&mut self, source: &mut dyn Source, below: u64) {
        let Some(task) = self.open.last().map(|open| open.task) else {
            return;
        };
        let id = self.tree.id(source, task);
        self.begin_line("└─ ");
        let tasks = if below == 1 { "task" } else { "tasks" };
        let said = format!("… {below} {tasks} below: distlogd tree {}", one_line(&id));
        self.look.colour.put(&mut self.text, Style::Dim, said);
        self.text.push('\n');
        self.written();
    }

    fn record(&mut self, source: &mut dyn Source, place: Place, is_last: bool) {
        let (joint, stem) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        self.begin_line(joint);
        let (mut text, look) = (take(&mut self.text), self.look);
        let below = read(source, place, |record| {
            put_record(&mut text, look, record, self.service())
        });
        if below.is_none() {
            look.colour
                .put(&mut text, Style::Dim, "(this record is not here any more)");
        }
        text.push('\n');
        self.text = text;
        for line in below.unwrap_or_default() {
            self.begin_line(stem);
            self.look.colour.put(&mut self.text, Style::Dim, "┆ ");
            self.text.push_str(&line);
            self.text.push('\n');
        }
        self.written();
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.prefix.truncate(open.prefix);
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

/// Mark, name, service and duration of a task. `head` is the record that tells most of it, `above` the service of the
/// task above.
fn put_title(
    out: &mut String,
    tree: &Tree,
    look: Look,
    node: &Node,
    head: Option<&RecordRef<'_>>,
    path: &str,
    above: &str,
) {
    let colour = look.colour;
    let (mark, style) = match node.state() {
        State::Running => ("▶", Style::Blue),
        State::Unknown => ("?", Style::Dim),
        State::Ended => mark(Outcome::Unset),
        State::Done(outcome) => mark(outcome),
    };
    colour.put(out, style, mark);
    out.push(' ');
    let (name, style) = name_of(tree, look, node, head, path);
    colour.put(out, style, name);
    let service = head.map_or("", service_of);
    if !service.is_empty() && service != above {
        let service = service_name(look, service);
        colour.put(out, Style::Cyan, format_args!(" · {service}"));
    }
    if node.is_told() && !matches!(node.span_kind, SpanKind::Unset | SpanKind::Internal) {
        colour.put(
            out,
            Style::Dim,
            format_args!(" ({})", node.span_kind.name()),
        );
    }
    if node.shared {
        let salt = path.rsplit('.').next().unwrap_or_default();
        colour.put(out, Style::Dim, format_args!(" #{}", one_line(salt)));
    }
    match node.state() {
        State::Running => colour.put(out, Style::Blue, "  running"),
        State::Unknown | State::Done(Outcome::Lost) => {}
        State::Ended | State::Done(_) => {
            let mut duration = String::from("  ");
            duration.push_str(&span_or_dash(node.duration()));
            colour.put(out, Style::Dim, duration);
        }
    }
}

/// The name of a task as people read it, or why it has none.
pub(super) fn name_of(
    tree: &Tree,
    look: Look,
    node: &Node,
    head: Option<&RecordRef<'_>>,
    path: &str,
) -> (String, Style) {
    match head.filter(|_| node.is_told()).map_or("", title) {
        "" if node.is_told() => ("(no name)".to_owned(), Style::Dim),
        "" => {
            let id = tree.id_of(node, path);
            let name = format!("{} (its begin is not here)", one_line(&id));
            (name, Style::Dim)
        }
        title => (first_line(look, title), Style::Bold),
    }
}

/// What a task wants to achieve, in words, by the record that tells most of it.
pub(super) fn title<'a>(head: &RecordRef<'a>) -> &'a str {
    match head.message {
        "" => head.task_name(),
        message => message,
    }
}

/// Time, severity and details of a record, and who logged it unless that is `service`. Gives the lines below.
fn put_record(out: &mut String, look: Look, record: &RecordRef<'_>, service: &str) -> Vec<String> {
    let colour = look.colour;
    colour.put(out, Style::Dim, look.clock(record.time));
    out.push(' ');
    match record.kind {
        Kind::Bind => colour.put(out, Style::Dim, "  +  "),
        _ => {
            let mut severity = String::new();
            // Writing to a String cannot fail.
            let _ = write!(severity, "{:<5}", record.level_name());
            colour.put(out, Style::of(record.severity), severity);
        }
    }
    out.push(' ');
    let own = service_of(record);
    if own != service && !own.is_empty() {
        let own = service_name(look, own);
        colour.put(out, Style::Cyan, format_args!("{own}: "));
    }
    put_details(out, look, record)
}
#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use distlog_proto::{BatchRef, TaskId};
    use proptest::prelude::*;

    use super::super::build::Builder;
    use super::super::source::StoredBatch;
    use super::*;
    use crate::tree::hostile::{batches, check, records, texts};
    use crate::tree::paint::Colour;

    fn drawn(batches: Vec<Vec<u8>>, id: &TaskId, look: Look) -> String {
        let mut builder = Builder::new(id);
        for (batch, bytes) in (0..).zip(&batches) {
            for (at, record) in (0..).zip(BatchRef::parse(bytes).unwrap().records()) {
                let place = Place { batch, at };
                builder.add(place, 1, &record.unwrap());
            }
        }
        let stored = batches.into_iter().map(|bytes| StoredBatch::new(1, bytes));
        let mut source: Vec<Rc<StoredBatch>> = stored.map(Rc::new).collect();
        let (tree, mut out) = (builder.finish(), Vec::new());
        let part = Part {
            depth: 100,
            skip: 0,
            limit: 1000,
        };
        let pass = &mut |piece: Vec<u8>| {
            out.extend(piece);
            true
        };
        draw(&tree, &tree.asked(), part, look, &mut source, pass).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// A line without the stems before it.
    fn bare(mut line: &str) -> &str {
        while let Some(rest) = line.strip_prefix("│  ").or(line.strip_prefix("   ")) {
            line = rest;
        }
        line
    }

    proptest! {
        #[test]
        fn a_record_begins_one_line_whatever_it_holds(texts in texts(), full in any::<bool>()) {
            let records = records(&texts);
            let look = Look { colour: Colour::Off, full, now: records[0].time };
            let bytes = batches(&records);
            let id = TaskId::top(records[0].task.as_ref().unwrap().trace_id);
            let out = drawn(bytes, &id, look);
            // One record is of no task; begin and end are the title.
            check(&out, |line| bare(line).starts_with(['├', '└']), 2)?;
            let below = out.lines().filter(|line| bare(line).starts_with('┆')).count();
            prop_assert_eq!(below + 4, out.lines().count(), "{}", out);
        }
    }
}
