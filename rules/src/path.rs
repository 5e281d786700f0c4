//! The way to an entry of a map: `fields.amount`, `fields.http.method`, `resource["k8s.pod.name"]`.

use distlog_proto::wire::FieldsRef;
use distlog_proto::{RecordRef, ValueRef};

use super::memo::Memo;
use super::names::Name;
use super::value::{NoValue, Out, Val};

/// A way from one of the maps of a record to an entry of it.
///
/// Names of fields often have dots in them (`http.method`): after dots the longest name that exists is taken, so
/// `fields.http.method` finds the field `http.method` as well as the entry `method` of the field `http`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) root: Name,
    runs: Vec<Run>,
    /// Where its value is remembered.
    pub(super) slot: Option<u8>,
}

/// Steps that were written with dots between them.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    /// With the dots.
    text: String,
    /// Where each step ends in it.
    ends: Vec<usize>,
    /// Was written as an index: its dots divide nothing and nothing is appended.
    index: bool,
}

impl Path {
    pub(super) fn new(root: Name) -> Path {
        Path {
            root,
            runs: Vec::new(),
            slot: None,
        }
    }

    /// Appends `.step`.
    pub(super) fn select(&mut self, step: &str) {
        match self.runs.last_mut() {
            Some(run) if !run.index => {
                run.text.push('.');
                run.text.push_str(step);
                run.ends.push(run.text.len());
            }
            _ => self.push(step, false),
        }
    }

    /// Appends `["step"]`.
    pub(super) fn index(&mut self, step: &str) {
        self.push(step, true);
    }

    fn push(&mut self, step: &str, index: bool) {
        self.runs.push(Run {
            text: step.to_owned(),
            ends: vec![step.len()],
            index,
        });
    }

    /// Shows the names in its map that it may begin with; none if it is the map itself.
    pub(super) fn each_first(&self, mut show: impl FnMut(Option<&str>)) {
        match self.runs.first() {
            None => show(None),
            Some(run) => run.ends.iter().for_each(|end| show(run.text.get(..*end))),
        }
    }

    /// The name that an entry of its map has, if it is no way through several maps. (An entry that has the begin of the
    /// name, up to a dot, may be on that way nevertheless.)
    pub(super) fn name(&self) -> Option<&str> {
        match &*self.runs {
            [run] => Some(&run.text),
            _ => None,
        }
    }

    /// As conditions write it.
    pub(super) fn text(&self) -> String {
        let mut text = self.root.text().to_owned();
        for run in &self.runs {
            match run.index {
                true => text.push_str(&format!("[{:?}]", run.text)),
                false => {
                    text.push('.');
                    text.push_str(&run.text);
                }
            }
        }
        text
    }

    /// The value at its end.
    #[inline]
    pub(super) fn value<'a>(&self, record: &RecordRef<'a>, memo: &Memo<'a>) -> Out<'a> {
        memo.get(self.slot, || self.look_up(record))
    }

    fn look_up<'a>(&self, record: &RecordRef<'a>) -> Out<'a> {
        let map = self.root.map(record).ok_or(NoValue)?;
        find(map, &self.runs, 0).map(Val::from).ok_or(NoValue)
    }
}

/// Follows the runs from the step `from` of the first one on.
fn find<'a>(map: FieldsRef<'a>, runs: &[Run], from: usize) -> Option<ValueRef<'a>> {
    let Some((run, rest)) = runs.split_first() else {
        return Some(ValueRef::Map(map));
    };
    let start = if from == 0 { 0 } else { run.ends[from - 1] + 1 };
    (from..run.ends.len()).rev().find_map(|last| {
        let value = map.get(&run.text[start..run.ends[last]])?;
        let done = last + 1 == run.ends.len();
        match value {
            value if done && rest.is_empty() => Some(value),
            ValueRef::Map(inner) if done => find(inner, rest, 0),
            ValueRef::Map(inner) => find(inner, runs, last + 1),
            _ => None,
        }
    })
}
