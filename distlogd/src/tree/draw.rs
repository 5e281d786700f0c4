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
//! ```

use distlog_proto::{Kind, Outcome, RecordRef, SpanKind};

use super::build::{Item, Node, State, Tree};
use super::paint::{Clock, Colour, Span, Style, printable};
use super::words::{mark, put_details, put_fields, reason, service_of};

/// Draws the tasks with these numbers and all below them, one line for each task and each record.
pub fn draw(tree: &Tree<'_>, tasks: &[usize], colour: Colour) -> String {
    let mut out = String::new();
    colour.put(&mut out, Style::Bold, tree.trace_id());
    out.push('\n');
    let mut painter = Painter {
        tree,
        colour,
        out,
        prefix: String::new(),
    };
    tasks.iter().for_each(|at| painter.task(*at, "", "", ""));
    painter.out
}

struct Painter<'t, 'a> {
    tree: &'t Tree<'a>,
    colour: Colour,
    out: String,
    prefix: String,
}

impl<'a> Painter<'_, 'a> {
    /// `joint` goes before this line, `stem` before those below it; `service` is the one that the line above names.
    fn task(&mut self, at: usize, joint: &str, stem: &str, service: &str) {
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
        let last = node.items.len().saturating_sub(1);
        for (i, item) in node.items.iter().enumerate() {
            let (joint, stem) = if i == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            match item {
                Item::Task(child) => self.task(*child, joint, stem, own_service),
                Item::Record(record) => self.record(record, joint, stem, own_service),
            }
        }
        self.prefix.truncate(kept);
    }

    fn begin_line(&mut self, joint: &str) {
        let Painter {
            colour,
            out,
            prefix,
            ..
        } = self;
        if !prefix.is_empty() || !joint.is_empty() {
            colour.put(out, Style::Dim, format_args!("{prefix}{joint}"));
        }
    }

    fn title(&mut self, at: usize, node: &Node<'a>, service: &str) {
        let Painter {
            tree, colour, out, ..
        } = self;
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
                format_args!("{} (its begin is not here)", tree.id(at)),
            ),
            title => colour.put(
                out,
                Style::Bold,
                printable(title).lines().next().unwrap_or_default(),
            ),
        }
        if !service.is_empty() {
            colour.put(out, Style::Cyan, format_args!(" · {}", printable(service)));
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
                format_args!(" #{}", node.path.rsplit('.').next().unwrap_or_default()),
            );
        }
        if let Some(duration) = node.duration() {
            colour.put(out, Style::Dim, format_args!("  {}", Span(duration)));
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
            colour.put(
                out,
                style,
                printable(why).lines().next().unwrap_or_default(),
            );
        }
        if let Some((head, task)) = head.and_then(|head| Some((head, head.task?))) {
            put_fields(out, *colour, &head, task.context);
        }
        out.push('\n');
    }

    fn record(&mut self, record: &RecordRef<'a>, joint: &str, stem: &str, service: &str) {
        self.begin_line(joint);
        let mut text = String::new();
        put_record(&mut text, self.colour, record, service);
        let mut lines = text.lines();
        let Painter { out, .. } = self;
        out.push_str(lines.next().unwrap_or_default());
        out.push('\n');
        for line in lines {
            self.begin_line(stem);
            self.out.push_str(line);
            self.out.push('\n');
        }
    }
}

/// Time, severity and details of a record, and who logged it unless that is `service`.
fn put_record(out: &mut String, colour: Colour, record: &RecordRef<'_>, service: &str) {
    colour.put(out, Style::Dim, Clock(record.time));
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
        colour.put(out, Style::Cyan, format_args!("{}: ", printable(own)));
    }
    put_details(out, colour, record);
}
