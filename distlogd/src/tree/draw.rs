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

use distlog_proto::{Kind, Outcome, RecordRef, SpanKind};

use super::build::{Item, Node, State, Tree};
use super::paint::{Look, Style, span_or_dash};
use super::service::service_of;
use super::words::{first_line, mark, put_details, put_fields, reason, service_name};
use crate::escape::one_line;

/// A piece has so many bytes, about.
const PIECE: usize = 64 << 10;

/// Draws the tasks with these numbers and all below them, one line for each task and each record; what is deeper than
/// [`Look::depth`] is counted, with the command that shows it. `pieces` gets the text piece by piece, and says whether it
/// wants more.
pub fn draw_to(
    tree: &Tree<'_>,
    tasks: &[usize],
    look: Look,
    pieces: &mut dyn FnMut(String) -> bool,
) {
    let mut out = String::new();
    look.colour.put(&mut out, Style::Bold, tree.trace_id());
    out.push('\n');
    let mut painter = Painter {
        tree,
        look,
        out,
        prefix: String::new(),
        depth: 0,
        pieces,
        is_wanted: true,
    };
    tasks.iter().for_each(|at| painter.task(*at, "", "", ""));
    let rest = std::mem::take(&mut painter.out);
    if painter.is_wanted {
        (painter.pieces)(rest);
    }
}

/// The same as one text.
pub fn draw(tree: &Tree<'_>, tasks: &[usize], look: Look) -> String {
    let mut out = String::new();
    draw_to(tree, tasks, look, &mut |piece| {
        out.push_str(&piece);
        true
    });
    out
}

struct Painter<'t, 'a> {
    tree: &'t Tree<'a>,
    look: Look,
    out: String,
    prefix: String,
    depth: usize,
    pieces: &'t mut dyn FnMut(String) -> bool,
    /// Whether anybody wants more.
    is_wanted: bool,
}

impl<'a> Painter<'_, 'a> {
    /// Hands over what is drawn, if it is enough.
    fn piece(&mut self) {
        if self.out.len() >= PIECE {
            self.is_wanted = (self.pieces)(std::mem::take(&mut self.out));
        }
    }

    /// `joint` goes before this line, `stem` before those below it; `service` is the one that the line above names.
    fn task(&mut self, at: usize, joint: &str, stem: &str, service: &str) {
        self.piece();
        if !self.is_wanted {
            return;
        }
        let tree = self.tree;
        let node = tree.node(at);
        let own_service = node.head.map_or("", |head| service_of(&head));
        self.begin_line(joint);
        self.title(
            at,
            node,
            if own_service == service {
                ""
            } else {
                own_service
            },
        );
        let kept = self.prefix.len();
        self.prefix.push_str(stem);
        self.depth += 1;
        let is_cut = self.depth >= self.look.depth;
        let shown = |item: &&Item<'_>| !is_cut || matches!(item, Item::Record(_));
        let deeper = if is_cut { tree.below(at) } else { 0 };
        let mut items = node.items.iter().filter(shown).peekable();
        while let Some(item) = items.next() {
            let (joint, stem) = if items.peek().is_none() && deeper == 0 {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            match item {
                Item::Task(child) => self.task(*child, joint, stem, own_service),
                Item::Record(record) => self.record(record, joint, stem, own_service),
            }
        }
        if deeper > 0 {
            self.begin_line("└─ ");
            let tasks = if deeper == 1 { "task" } else { "tasks" };
            let id = tree.id(at);
            let cut = format_args!("… {deeper} {tasks} below: distlogd tree {}", one_line(&id));
            self.look.colour.put(&mut self.out, Style::Dim, cut);
            self.out.push('\n');
        }
        self.depth -= 1;
        self.prefix.truncate(kept);
    }

    fn begin_line(&mut self, joint: &str) {
        let Painter {
            look, out, prefix, ..
        } = self;
        if !prefix.is_empty() || !joint.is_empty() {
            look.colour
                .put(out, Style::Dim, format_args!("{prefix}{joint}"));
        }
    }

    fn title(&mut self, at: usize, node: &Node<'a>, service: &str) {
        let Painter {
            tree, look, out, ..
        } = self;
        let (look, colour) = (*look, look.colour);
        let (mark, style) = match node.state() {
            State::Running => ("▶", Style::Blue),
            State::Unknown => ("?", Style::Dim),
            State::Ended => mark(Outcome::Unset),
            State::Done(outcome) => mark(outcome),
        };
        colour.put(out, style, mark);
        out.push(' ');
        match node.title() {
            "" => colour.put(
                out,
                Style::Dim,
                format_args!("{} (its begin is not here)", one_line(&tree.id(at))),
            ),
            title => colour.put(out, Style::Bold, first_line(look, title)),
        }
        if !service.is_empty() {
            colour.put(
                out,
                Style::Cyan,
                format_args!(" · {}", service_name(look, service)),
            );
        }
        let head = node
            .head
            .filter(|head| matches!(head.kind, Kind::Begin | Kind::End));
        if let Some(kind) = head
            .map(|head| head.span_kind)
            .filter(|kind| !matches!(kind, SpanKind::Unset | SpanKind::Internal))
        {
            colour.put(out, Style::Dim, format_args!(" ({})", kind.name()));
        }
        if node.shared {
            colour.put(
                out,
                Style::Dim,
                format_args!(
                    " #{}",
                    one_line(node.path.rsplit('.').next().unwrap_or_default())
                ),
            );
        }
        match node.duration() {
            None if !node.is_over() || node.state() == State::Done(Outcome::Lost) => {}
            duration => colour.put(
                out,
                Style::Dim,
                format_args!("  {}", span_or_dash(duration)),
            ),
        }
        if node.state() == State::Running {
            colour.put(out, Style::Blue, "  running");
        }
        let unfinished = matches!(node.state(), State::Done(outcome) if !outcome.is_ok());
        if let Some(why) = node
            .end
            .filter(|_| unfinished)
            .map(|end| reason(&end))
            .filter(|why| !why.is_empty())
        {
            out.push_str("  ");
            colour.put(out, style, first_line(look, why));
        }
        if let Some((head, task)) = head.and_then(|head| Some((head, head.task?))) {
            put_fields(out, look, &head, task.context);
        }
        out.push('\n');
    }

    fn record(&mut self, record: &RecordRef<'a>, joint: &str, stem: &str, service: &str) {
        self.piece();
        if !self.is_wanted {
            return;
        }
        self.begin_line(joint);
        let mut text = String::new();
        let below = put_record(&mut text, self.look, record, service);
        self.out.push_str(&text);
        self.out.push('\n');
        for line in below {
            self.begin_line(stem);
            self.look.colour.put(&mut self.out, Style::Dim, "┆ ");
            self.out.push_str(&line);
            self.out.push('\n');
        }
    }
}

/// Time, severity and details of a record, and who logged it unless that is `service`. Gives the lines below.
fn put_record(out: &mut String, look: Look, record: &RecordRef<'_>, service: &str) -> Vec<String> {
    let colour = look.colour;
    colour.put(out, Style::Dim, look.clock(record.time));
    out.push(' ');
    match record.kind {
        Kind::Bind => colour.put(out, Style::Dim, "  +  "),
        _ => colour.put(
            out,
            Style::of(record.severity),
            format_args!("{:<5}", record.level_name()),
        ),
    }
    out.push(' ');
    let own = service_of(record);
    if own != service && !own.is_empty() {
        colour.put(
            out,
            Style::Cyan,
            format_args!("{}: ", service_name(look, own)),
        );
    }
    put_details(out, look, record)
}

#[cfg(test)]
mod tests {
    use distlog_proto::BatchRef;
    use proptest::prelude::*;

    use super::*;
    use crate::tree::hostile::{batches, check, records, texts};
    use crate::tree::paint::Colour;

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
            let look = Look { full, now: records[0].time, ..Look::new(Colour::Off, full) };
            let bytes = batches(&records);
            let parsed: Vec<BatchRef<'_>> = bytes.iter().map(|bytes| BatchRef::parse(bytes).unwrap()).collect();
            let trace_id = records[0].task.as_ref().unwrap().trace_id;
            let tree = Tree::build(trace_id, parsed.iter().flat_map(BatchRef::records).map(Result::unwrap));
            let out = draw(&tree, tree.roots(), look);
            // One record is of no task; begin and end are the title.
            check(&out, |line| bare(line).starts_with(['├', '└']), 2)?;
            let below = out.lines().filter(|line| bare(line).starts_with('┆')).count();
            prop_assert_eq!(below + 4, out.lines().count(), "{}", out);
        }
    }
}
