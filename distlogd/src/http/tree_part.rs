//! A tree, or the part of it that a cursor names.

use std::fmt;
use std::str::FromStr;

use distlog_proto::TaskId;
use serde_json::json;

use super::problem::Problem;
use crate::access::Services;
use crate::query::stored_tree::{StoredTree, stored_tree};
use crate::storage::Storage;
use crate::tree::paint::Look;
use crate::tree::{self, Gone, MAX_DEPTH, Part};

/// Where a part of a tree begins. As text `END.SKIP.FROM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Records from this position on are left out: they came after the first part was asked for.
    end: u64,
    /// So many tasks and records were shown before.
    skip: u64,
    /// Of a very large trace: the tree is of the records from this position on.
    from: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.end, self.skip, self.from)
    }
}

/// A text is no cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Cursor, NoCursor> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next(), next()) {
            (Some(end), Some(skip), Some(from), None) => Ok(Cursor { end, skip, from }),
            _ => Err(NoCursor),
        }
    }
}

/// A part of a tree.
pub(super) struct TreePart {
    found: StoredTree,
    tasks: Vec<u32>,
    at: Cursor,
}

/// What comes after a part.
pub(super) struct Rest {
    /// Where it begins.
    pub next: Cursor,
    /// Tasks and records; 0 if their number is not known.
    left: u64,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            0 => f.write_str("the trace goes on"),
            left => write!(f, "{left} more tasks and records"),
        }
    }
}

/// What is said of a tree that has not all that happened.
pub(super) fn left_out(only: &Services) -> String {
    format!("records of other services than {only} are left out")
}

/// Nothing is known of a task.
pub(super) fn missing(id: &TaskId) -> Problem {
    Problem::not_found(format_args!("no record of task {id} is stored here"))
}

impl TreePart {
    /// Reads it.
    ///
    /// # Errors
    /// If nothing of the task is stored, or the storage cannot be read.
    pub(super) fn find(
        storage: &dyn Storage,
        id: &TaskId,
        cursor: Option<Cursor>,
    ) -> Result<TreePart, Problem> {
        let mut at = match cursor {
            Some(cursor) => cursor,
            None => Cursor {
                end: storage.positions()?.end,
                skip: 0,
                from: 0,
            },
        };
        loop {
            let found = stored_tree(storage, id, at.from, at.end)?;
            let tasks = found.tree.asked();
            match found.goes_on {
                _ if !tasks.is_empty() => return Ok(TreePart { found, tasks, at }),
                Some(from) => (at.from, at.skip) = (from, 0),
                None => return Err(missing(id)),
            }
        }
    }

    /// Draws at most `limit` tasks and records as text, and gives what comes after.
    ///
    /// # Errors
    /// If `pass` wants no more.
    pub(super) fn draw(
        &mut self,
        depth: usize,
        limit: u64,
        look: Look,
        pass: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<Option<Rest>, Gone> {
        let part = self.part(depth, limit);
        let StoredTree { tree, batches, .. } = &mut self.found;
        let skip = tree::draw(tree, &self.tasks, part, look, batches, pass)?;
        Ok(self.rest(skip))
    }

    /// As [`TreePart::draw`], as JSON, whose last brace is left out.
    ///
    /// # Errors
    /// If `pass` wants no more.
    pub(super) fn write_json(
        &mut self,
        depth: usize,
        limit: u64,
        pass: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<Option<Rest>, Gone> {
        let part = self.part(depth, limit);
        let StoredTree { tree, batches, .. } = &mut self.found;
        let skip = tree::write_json(tree, &self.tasks, part, batches, pass)?;
        Ok(self.rest(skip))
    }

    /// As [`TreePart::draw`], in few words, one task or record a line. The first line says what is outlined.
    ///
    /// # Errors
    /// If `pass` wants no more.
    pub(super) fn write_outline(
        &mut self,
        (id, only): (&TaskId, Option<&Services>),
        depth: usize,
        limit: u64,
        pass: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<Option<Rest>, Gone> {
        let part = self.part(depth, limit);
        let StoredTree { tree, batches, .. } = &mut self.found;
        let (trace, end) = (id.trace_id(), self.at.end);
        let begin = tree.first_begin(&self.tasks);
        let mut first = json!({ "trace_id": trace.to_string(), "id": id.to_string(), "begin_ns": begin, "end": end });
        if let Some(only) = only {
            first["left_out"] = left_out(only).into();
        }
        if !pass(format!("{first}\n").into_bytes()) {
            return Err(Gone);
        }
        let skip = tree::write_outline(tree, &self.tasks, begin, part, batches, pass)?;
        Ok(self.rest(skip))
    }

    fn part(&self, depth: usize, limit: u64) -> Part {
        Part {
            depth: depth.clamp(1, MAX_DEPTH),
            skip: self.at.skip,
            limit,
        }
    }

    fn rest(&self, skip: Option<u64>) -> Option<Rest> {
        let at = self.at;
        let tree = &self.found.tree;
        let all: u64 = self
            .tasks
            .iter()
            .map(|task| 1 + tree.node(*task).below)
            .sum();
        let left = skip.map_or(0, |skip| all.saturating_sub(skip));
        let next = match (skip, self.found.goes_on) {
            (Some(skip), _) => Cursor { skip, ..at },
            (None, Some(from)) => Cursor {
                skip: 0,
                from,
                ..at
            },
            (None, None) => return None,
        };
        Some(Rest { next, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_was_given() {
        let cursor = Cursor {
            end: 17,
            skip: 4,
            from: u64::MAX,
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in [
            "",
            "1.2",
            "1.2.3.4",
            "1.-2.3",
            "a.b.c",
            "1.2.99999999999999999999",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
