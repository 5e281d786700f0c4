//! Walks over a tree, in order, from a place to a place: how drawing and JSON see it, however large and deep it is.

use super::build::{Content, Tree};
use super::source::{Place, Source};

/// So many levels of tasks are shown where nothing else is asked for.
pub const DEPTH: usize = 100;
/// And so many at most: the lines of a text become long.
pub const MAX_DEPTH: usize = 1000;
/// What was written is passed on at this size, in bytes.
const CHUNK: usize = 64 << 10;

/// Which part of a tree to show.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Levels of tasks, at least 1.
    pub depth: usize,
    /// So many tasks and records are passed over, in the order in which they are shown.
    pub skip: u64,
    /// At most so many tasks and records.
    pub limit: u64,
}

/// A task that is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Its number in the tree.
    pub task: u32,
    /// It is the last one below its task.
    pub is_last: bool,
    /// A part of it was shown before: what follows goes on.
    pub continued: bool,
}

/// Writes a tree piece by piece.
pub(super) trait Visit {
    /// A task begins.
    fn open(&mut self, source: &mut dyn Source, shown: Shown);
    /// The tasks below the innermost one are not shown, since they stand too deep: so many.
    fn cut(&mut self, source: &mut dyn Source, below: u64);
    /// A record of the innermost task.
    fn record(&mut self, source: &mut dyn Source, place: Place, is_last: bool);
    /// The innermost task ends.
    fn close(&mut self);
    /// What was written.
    fn out(&mut self) -> &mut Vec<u8>;
}

/// Whoever asked is gone.
#[derive(Debug)]
pub struct Gone;

/// Takes what was written; false if nobody wants more.
pub type Pass<'p> = &'p mut dyn FnMut(Vec<u8>) -> bool;

/// A task that is being shown: where it stands in what is below it.
struct Frame {
    task: u32,
    next: u32,
    /// Its tasks stand too deep, and are only counted.
    is_deepest: bool,
    left_out: u64,
}

/// Shows a part of the tree. Gives where the next part begins: how much of it was shown or passed over, and is to be
/// passed over then; `None` at the end.
pub(super) fn walk(
    tree: &Tree,
    tasks: &[u32],
    part: Part,
    source: &mut dyn Source,
    visit: &mut dyn Visit,
    pass: Pass<'_>,
) -> Result<Option<u64>, Gone> {
    let depth = part.depth.clamp(1, MAX_DEPTH);
    let end = part.skip.saturating_add(part.limit.max(1));
    // Counts what stands before, shown or not.
    let mut at = 0;
    let mut frames: Vec<Frame> = Vec::new();
    let mut roots = tasks.iter().copied().enumerate();
    loop {
        if visit.out().len() >= CHUNK && !pass(std::mem::take(visit.out())) {
            return Err(Gone);
        }
        let (content, is_last) = match frames.last_mut() {
            Some(frame) => {
                let node = tree.node(frame.task);
                let Some(content) = tree.content(node, frame.next) else {
                    if frame.left_out > 0 {
                        visit.cut(source, frame.left_out);
                    }
                    frames.pop();
                    visit.close();
                    continue;
                };
                frame.next += 1;
                if let (true, Content::Task(task)) = (frame.is_deepest, content) {
                    let task = tree.node(task);
                    frame.left_out += 1 + task.tasks;
                    at += 1 + task.below;
                    continue;
                }
                (content, frame.next == tree.len(node) && !frame.is_deepest)
            }
            None => match roots.next() {
                Some((n, task)) => (Content::Task(task), n + 1 == tasks.len()),
                None => return Ok(None),
            },
        };
        let size = match content {
            Content::Record(_) => 1,
            Content::Task(task) => 1 + tree.node(task).below,
        };
        if at + size <= part.skip {
            at += size;
            continue;
        }
        if at >= end {
            frames.drain(..).for_each(|_| visit.close());
            return Ok(Some(at));
        }
        match content {
            Content::Record(place) => {
                visit.record(source, place, is_last);
                at += 1;
            }
            Content::Task(task) => {
                let continued = at < part.skip;
                visit.open(
                    source,
                    Shown {
                        task,
                        is_last,
                        continued,
                    },
                );
                frames.push(Frame {
                    task,
                    next: 0,
                    is_deepest: frames.len() + 1 >= depth && tree.has_tasks(tree.node(task)),
                    left_out: 0,
                });
                at += 1;
            }
        }
    }
}
