//! The tasks of a tree without its records: what is compared when two trees are.

use std::collections::BTreeMap;

use distlog_proto::{RecordRef, Severity};

use super::build::Tree;
use super::draw::title;
use super::service::service_of;
use super::source::{Place, Source, read};
use super::walk::{MAX_DEPTH, Part, Shown, Visit, walk};
use super::words::{reason, template_of};

/// Texts are cut at this length, in characters.
const MAX_TEXT: usize = 300;
/// Of records that are alike the times of so many are kept.
const MAX_TIMES: usize = 64;

/// A task of an outline.
#[derive(Debug, Clone, Default)]
pub struct OutlinedTask {
    /// Its id.
    pub id: String,
    /// The task above, by its place in the outline.
    pub parent: Option<usize>,
    /// What it wants, in words.
    pub name: String,
    /// The same for all that do the same.
    pub template: String,
    /// Who does it.
    pub service: String,
    /// In ns since the epoch; 0 if nobody knows.
    pub begin: u64,
    /// In ns.
    pub duration: Option<u64>,
    /// As [`super::node::State::name`].
    pub outcome: &'static str,
    /// Why it failed.
    pub error: String,
    /// Its records: how many are alike, and when they were.
    pub records: BTreeMap<Alike, (u64, Vec<u64>)>,
}

/// What records have in common that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alike {
    /// The most severe last.
    pub severity: Severity,
    /// See [`template_of`].
    pub template: String,
}

/// The tasks of a tree, each before those below it.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// In order of time below each task.
    pub tasks: Vec<OutlinedTask>,
    /// The tree has more.
    pub cut: bool,
}

/// Outlines the tasks with these numbers and all below them, up to `limit` tasks and records.
pub fn outline(tree: &Tree, tasks: &[u32], limit: u64, source: &mut dyn Source) -> Outline {
    let mut visitor = Outliner {
        tree,
        outline: Outline::default(),
        open: Vec::new(),
        out: Vec::new(),
    };
    let part = Part {
        depth: MAX_DEPTH,
        skip: 0,
        limit,
    };
    let walked = walk(tree, tasks, part, source, &mut visitor, &mut |_| true);
    visitor.outline.cut |= !matches!(walked, Ok(None));
    visitor.outline
}

struct Outliner<'t> {
    tree: &'t Tree,
    outline: Outline,
    open: Vec<usize>,
    out: Vec<u8>,
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl Visit for Outliner<'_> {
    fn open(&mut self, source: &mut dyn Source, shown: Shown) {
        let node = self.tree.node(shown.task);
        let mut task = OutlinedTask {
            parent: self.open.last().copied(),
            begin: node.begun,
            duration: node.duration(),
            outcome: node.state().name(),
            ..OutlinedTask::default()
        };
        if let Some(head) = node.head {
            read(source, head, |head| {
                let path = head.task.map_or("", |task| task.path);
                task.id = self.tree.id_of(node, path);
                task.service = cut(service_of(head));
                if node.is_told() {
                    task.name = cut(title(head).lines().next().unwrap_or_default());
                    task.template = cut(head.task_name());
                }
            });
        }
        if let Some(end) = node.bad_end() {
            read(source, end, |end| task.error = cut(reason(end)));
        }
        self.open.push(self.outline.tasks.len());
        self.outline.tasks.push(task);
    }

    fn cut(&mut self, _: &mut dyn Source, _: u64) {
        self.outline.cut = true;
    }

    fn record(&mut self, source: &mut dyn Source, place: Place, _: bool) {
        let task = self.open.last().copied();
        let Some(task) = task.and_then(|at| self.outline.tasks.get_mut(at)) else {
            return;
        };
        read(source, place, |record: &RecordRef<'_>| {
            let alike = Alike {
                severity: record.severity,
                template: cut(&template_of(record)),
            };
            let (count, times) = task.records.entry(alike).or_default();
            *count += 1;
            if times.len() < MAX_TIMES {
                times.push(record.time);
            }
        });
    }

    fn close(&mut self) {
        self.open.pop();
    }

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}
