//! Two trees compared: which tasks only one has, what took longer, and where they first differ.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use distlog_proto::TaskId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::QueryError;
use super::diff_pairs::{Pair, Side, pair};
use super::stored_tree::stored_tree;
use crate::storage::{Storage, StorageError};
use crate::tree::{Alike, Outline, OutlinedTask, outline};

/// Tasks and records of a tree that are compared.
const MAX_ITEMS: u64 = 100_000;

/// How two trees differ.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The first tree.
    pub a: TreeHead,
    /// The second tree.
    pub b: TreeHead,
    /// The first difference in order of time; `null` if both did the same.
    pub first_difference: Option<FirstDifference>,
    /// The tasks of both, each before those below it.
    pub nodes: Vec<DiffNode>,
    /// Where the next part begins.
    pub next: Option<String>,
}

/// One of the trees.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TreeHead {
    /// As it was asked for.
    pub id: String,
    /// Tasks that were compared.
    pub tasks: usize,
    /// It has more, which was not compared.
    pub cut: bool,
    /// Its topmost task.
    pub top: Option<DiffTask>,
}

/// Where the next part begins. As text `END.SKIP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Records from this number in the store on are left out: they came after the first part was asked for.
    pub end: u64,
    /// So many nodes were shown before.
    pub skip: usize,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.end, self.skip)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Cursor, QueryError> {
        let numbers = text.split_once('.');
        let cursor = numbers.and_then(|(end, skip)| {
            Some(Cursor {
                end: end.parse().ok()?,
                skip: skip.parse().ok()?,
            })
        });
        cursor.ok_or_else(|| {
            let expected = "the `next` of the answer before";
            QueryError::parameter("cursor", format_args!("`{text}`"), expected)
        })
    }
}

/// Where two trees differ first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct FirstDifference {
    /// Since the begin of the second tree, in ns. Of what only the first has: when it would have been there.
    pub offset_ns: u64,
    /// Its place in all nodes.
    pub node: usize,
    /// `only_a`, `only_b`, `name`, `outcome` or `records`.
    pub kind: String,
    /// In words.
    pub text: String,
}

/// A task of both trees, or of one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct DiffNode {
    /// Tasks above it.
    pub depth: usize,
    /// The same for all that do the same. Those that were asked for may differ: then of the second tree.
    pub template: String,
    /// Who does it, as `template`.
    pub service: String,
    /// In the first tree.
    pub a: Option<DiffTask>,
    /// In the second tree.
    pub b: Option<DiffTask>,
    /// How much longer it took in the second tree, in ns.
    pub difference_ns: Option<i64>,
    /// Records that are not as many in both.
    pub records: Vec<RecordsDiff>,
}

/// A task of one tree.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DiffTask {
    /// Its id.
    pub id: String,
    /// What it wants, in words.
    pub name: String,
    /// The same for all that do the same.
    pub template: String,
    /// Who does it.
    pub service: String,
    /// In ns since the epoch.
    pub begin_ns: Option<u64>,
    /// Its begin since that of the tree, in ns.
    pub offset_ns: u64,
    /// In ns.
    pub duration_ns: Option<u64>,
    /// How it ended.
    pub outcome: String,
    /// Why it failed.
    pub error: String,
}

/// Records that are alike, and not as many in both trees.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RecordsDiff {
    /// Their severity.
    pub severity: String,
    /// What they have in common.
    pub template: String,
    /// How many the first tree has.
    pub a: u64,
    /// How many the second tree has.
    pub b: u64,
}

impl DiffNode {
    /// Whether both trees have it, and something of it differs other than the time that it took.
    pub fn differs(&self) -> bool {
        match (&self.a, &self.b) {
            (Some(a), Some(b)) => {
                a.outcome != b.outcome || !self.records.is_empty() || self.is_other()
            }
            _ => true,
        }
    }

    /// Whether each tree has a task of its own here: those that were asked for are compared whatever they do.
    pub fn is_other(&self) -> bool {
        let both = self.a.as_ref().zip(self.b.as_ref());
        both.is_some_and(|(a, b)| (&a.template, &a.service) != (&b.template, &b.service))
    }
}

/// Outlines a stored tree, of the records before the position `end`; `None` if nothing of it is stored.
///
/// # Errors
/// If the storage cannot be read.
pub fn stored_outline(
    storage: &dyn Storage,
    id: &TaskId,
    end: u64,
) -> Result<Option<Outline>, StorageError> {
    let mut from = 0;
    loop {
        let mut found = stored_tree(storage, id, from, end)?;
        let tasks = found.tree.asked();
        if tasks.is_empty() {
            match found.goes_on {
                Some(next) => from = next,
                None => return Ok(None),
            }
            continue;
        }
        let mut outline = outline(&found.tree, &tasks, MAX_ITEMS, &mut found.batches);
        outline.cut |= found.goes_on.is_some();
        return Ok(Some(outline));
    }
}

/// Compares two trees, given with their ids: at most `limit` nodes behind those before the cursor.
pub fn compare(
    (a_id, a): (&TaskId, &Outline),
    (b_id, b): (&TaskId, &Outline),
    (Cursor { end, skip }, limit): (Cursor, usize),
) -> Diff {
    let sides = [Side::new(a), Side::new(b)];
    let pairs = pair(&sides);
    let mut first: Option<(u64, std::cmp::Reverse<usize>, FirstDifference)> = None;
    let mut nodes = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        let (node, difference) = describe(&sides, *pair);
        if let Some((offset, kind, text)) = difference {
            // Of those at the same time the innermost: the others follow from it.
            let key = (offset, std::cmp::Reverse(node.depth));
            if first.as_ref().is_none_or(|known| key < (known.0, known.1)) {
                let difference = FirstDifference {
                    offset_ns: offset,
                    node: at,
                    kind: kind.to_owned(),
                    text,
                };
                first = Some((key.0, key.1, difference));
            }
        }
        if at >= skip && nodes.len() < limit {
            nodes.push(node);
        }
    }
    let top = pairs.first().filter(|pair| pair.depth == 0);
    let head = |id: &TaskId, outline: &Outline, side: usize| TreeHead {
        id: id.to_string(),
        tasks: outline.tasks.len(),
        cut: outline.cut,
        top: top.and_then(|top| shown_task(&sides, side, top.places[side])),
    };
    let skip = skip.saturating_add(nodes.len());
    Diff {
        a: head(a_id, a, 0),
        b: head(b_id, b, 1),
        first_difference: first.map(|(_, _, difference)| difference),
        next: (skip < pairs.len()).then(|| Cursor { end, skip }.to_string()),
        nodes,
    }
}

/// When, what kind, and in words.
type Difference = (u64, &'static str, String);

/// A task of one tree, as it is answered.
fn shown_task(sides: &[Side<'_>; 2], side: usize, at: Option<usize>) -> Option<DiffTask> {
    let task = sides[side].tasks.get(at?)?;
    Some(DiffTask {
        id: task.id.clone(),
        name: task.name.clone(),
        template: task.template.clone(),
        service: task.service.clone(),
        begin_ns: (task.begin > 0).then_some(task.begin),
        offset_ns: sides[side].offset(task.begin),
        duration_ns: task.duration,
        outcome: task.outcome.to_owned(),
        error: task.error.clone(),
    })
}

fn describe(sides: &[Side<'_>; 2], pair: Pair) -> (DiffNode, Option<Difference>) {
    let task = |side: usize| pair.places[side].and_then(|at| sides[side].tasks.get(at));
    let (a, b) = (task(0), task(1));
    let known = b.or(a);
    let own_shift = match pair.places {
        [Some(a), Some(b)] => sides[1].begin_of(b).wrapping_sub(sides[0].begin_of(a)) as i64,
        _ => pair.shift,
    };
    let (records, mut difference) = records(sides, own_shift, a, b);
    let difference_ns = a.zip(b).and_then(|(a, b)| {
        let (a, b) = (
            i64::try_from(a.duration?).ok()?,
            i64::try_from(b.duration?).ok()?,
        );
        b.checked_sub(a)
    });
    match (a, b) {
        (Some(a), Some(b)) if (&a.template, &a.service) != (&b.template, &b.service) => {
            let text = format!("{} in a, {} in b", name(a), name(b));
            difference = Some((sides[1].offset(b.begin), "name", text));
        }
        (Some(a), Some(b)) if a.outcome != b.outcome => {
            let end = b.begin.saturating_add(b.duration.unwrap_or(0));
            let at = sides[1].offset(end);
            if difference.as_ref().is_none_or(|known| at < known.0) {
                let why = [&b.error, &a.error].into_iter().find(|why| !why.is_empty());
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                let text = format!("{} is {} in a, {} in b{why}", name(b), a.outcome, b.outcome);
                difference = Some((at, "outcome", text));
            }
        }
        (Some(_), Some(_)) => {}
        // What is below a task of one tree follows from that.
        _ if !pair.parent_in_both => difference = None,
        (Some(only), None) => {
            let text = format!("only a has {}", name(only));
            let at = sides[0]
                .offset(only.begin)
                .saturating_add_signed(pair.shift);
            difference = Some((at, "only_a", text));
        }
        (None, Some(only)) => {
            let text = format!("only b has {}", name(only));
            difference = Some((sides[1].offset(only.begin), "only_b", text));
        }
        (None, None) => {}
    }
    let node = DiffNode {
        depth: pair.depth,
        template: known.map_or(String::new(), |task| task.template.clone()),
        service: known.map_or(String::new(), |task| task.service.clone()),
        a: shown_task(sides, 0, pair.places[0]),
        b: shown_task(sides, 1, pair.places[1]),
        difference_ns,
        records,
    };
    (node, difference)
}

fn name(task: &OutlinedTask) -> String {
    let name = if task.name.is_empty() {
        &task.id
    } else {
        &task.name
    };
    format!("{name} · {}", task.service)
}

/// The records of which one task has more than the other; and the first of them.
fn records(
    sides: &[Side<'_>; 2],
    shift: i64,
    a: Option<&OutlinedTask>,
    b: Option<&OutlinedTask>,
) -> (Vec<RecordsDiff>, Option<Difference>) {
    let (Some(a), Some(b)) = (a, b) else {
        return (Vec::new(), None);
    };
    let all: BTreeSet<&Alike> = a.records.keys().chain(b.records.keys()).collect();
    let (mut found, mut first) = (Vec::new(), None::<Difference>);
    for alike in all {
        let none = (0, Vec::new());
        let (in_a, times_a) = a.records.get(alike).unwrap_or(&none);
        let (in_b, times_b) = b.records.get(alike).unwrap_or(&none);
        if in_a == in_b {
            continue;
        }
        let (side, times) = if in_a > in_b {
            (0, times_a)
        } else {
            (1, times_b)
        };
        // The first one that the other tree does not have.
        let nth = usize::try_from(*in_a.min(in_b)).unwrap_or(usize::MAX);
        let time = times.get(nth).or(times.last()).copied().unwrap_or(0);
        let at = sides[side].offset(time).saturating_add_signed(shift);
        if first.as_ref().is_none_or(|known| at < known.0) {
            let severity = alike.severity.name();
            let text = format!(
                "{} logs {severity} “{}” {in_a}× in a, {in_b}× in b",
                name(b),
                alike.template
            );
            first = Some((at, "records", text));
        }
        found.push(RecordsDiff {
            severity: alike.severity.name().to_owned(),
            template: alike.template.clone(),
            a: *in_a,
            b: *in_b,
        });
    }
    // The most severe first.
    found.reverse();
    (found, first)
}
