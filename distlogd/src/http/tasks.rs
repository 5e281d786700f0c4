//! `GET /api/v1/tasks/{id}`.

use std::fmt;
use std::str::FromStr;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::TaskId;
use distlog_python::json;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::pieces::Pieces;
use super::{Api, Refusal, Shared};
use crate::query::stored_tree::{each_record, stored_tree};
use crate::tree::paint::{Colour, Look};
use crate::tree::{self, DEPTH, Gone, MAX_DEPTH, Part};
use distlog_store::Reader;

/// An answer has so many tasks and records at most.
const MAX_ITEMS: u64 = 500_000;
/// A piece of records, in bytes.
const CHUNK: usize = 64 << 10;

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
    Records,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeQuery {
    #[serde(default)]
    format: Format,
    #[serde(default)]
    color: bool,
    /// Cut no long values in texts.
    #[serde(default)]
    full: bool,
    /// Levels of tasks.
    depth: Option<usize>,
    /// Where the part before ended.
    cursor: Option<String>,
    /// At most so many tasks and records.
    limit: Option<u64>,
}

/// Where a part of a tree begins. As text `END.SKIP.FROM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    /// Records from this number in the store on are left out: they came after the first part was asked for.
    end: u64,
    /// So many tasks and records were shown before.
    skip: u64,
    /// Of a very large trace: the tree is of the records from this number in the store on.
    from: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.end, self.skip, self.from)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Cursor, String> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next(), next()) {
            (Some(end), Some(skip), Some(from), None) => Ok(Cursor { end, skip, from }),
            _ => Err(format!(
                "`{text}` is no cursor: take the `next` of the answer before"
            )),
        }
    }
}

/// The tree of a task: of the whole trace for a bare trace id, else of the task and what is below it.
pub async fn tree(
    State(Api { views, trees, .. }): Shared,
    Path(id): Path<String>,
    Query(query): Query<TreeQuery>,
) -> Result<Response, Refusal> {
    let id: TaskId = id.parse().map_err(Refusal::bad_request)?;
    let cursor = query.cursor.as_deref().map(str::parse).transpose();
    let cursor: Option<Cursor> = cursor.map_err(Refusal::bad_request)?;
    let permit = trees
        .acquire_owned()
        .await
        .map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let (begun, begins) = oneshot::channel();
    let (pieces, body) = Pieces::new();
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let answer = Answer {
            reader: views.reader,
            id,
            query,
            begun: Some(begun),
            pieces,
        };
        answer.run(cursor);
    });
    let content_type = begins
        .await
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// An answer that is written while it is read.
struct Answer {
    reader: Reader,
    id: TaskId,
    query: TreeQuery,
    /// To be told whether there is an answer, and what it is.
    begun: Option<oneshot::Sender<Result<&'static str, Refusal>>>,
    pieces: Pieces,
}

impl Answer {
    fn run(mut self, cursor: Option<Cursor>) {
        let said = match self.query.format {
            Format::Records => self.records(),
            _ => self.tree(cursor),
        };
        match (said, self.begun.take()) {
            (Ok(()), _) => {}
            (Err(refusal), Some(begun)) => _ = begun.send(Err(refusal)),
            // An answer that was begun is broken off, so that nobody takes it for the whole.
            (Err(refusal), None) => {
                tracing::warn!("an answer is broken off: {}", refusal.1);
                self.pieces.break_off("broken off");
            }
        }
    }

    fn missing(&self) -> Refusal {
        let why = format!("no record of task {} is stored here", self.id);
        Refusal(StatusCode::NOT_FOUND, why)
    }

    fn begin(&mut self, content_type: &'static str) {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(Ok(content_type));
        }
    }

    fn records(&mut self) -> Result<(), Refusal> {
        let (reader, id) = (self.reader.clone(), self.id.clone());
        let mut out = Vec::new();
        let mut gone = false;
        each_record(&reader, &id, |record| {
            json::encode(record, &mut out);
            out.push(b'\n');
            self.begin("application/x-ndjson");
            if out.len() >= CHUNK {
                gone = !self.pieces.send(std::mem::take(&mut out));
            }
            !gone
        })
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        if self.begun.is_some() {
            return Err(self.missing());
        }
        if !gone {
            self.pieces.send(out);
        }
        Ok(())
    }

    fn tree(&mut self, cursor: Option<Cursor>) -> Result<(), Refusal> {
        let mut at = cursor.unwrap_or_else(|| Cursor {
            end: self.reader.end(),
            skip: 0,
            from: 0,
        });
        let (mut found, tasks) = loop {
            let found = stored_tree(&self.reader, &self.id, at.from, at.end)
                .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
            let tasks = found.tree.asked();
            match found.goes_on {
                _ if !tasks.is_empty() => break (found, tasks),
                Some(from) => (at.from, at.skip) = (from, 0),
                None => return Err(self.missing()),
            }
        };
        let text = matches!(self.query.format, Format::Text);
        self.begin(if text {
            "text/plain; charset=utf-8"
        } else {
            "application/json"
        });
        let part = Part {
            depth: self.query.depth.unwrap_or(DEPTH).clamp(1, MAX_DEPTH),
            skip: at.skip,
            limit: self.query.limit.unwrap_or(MAX_ITEMS).clamp(1, MAX_ITEMS),
        };
        let (tree, source) = (&found.tree, &mut found.batches);
        let pass = &mut |piece| self.pieces.send(piece);
        let written = if text {
            let colour = if self.query.color {
                Colour::On
            } else {
                Colour::Off
            };
            let look = Look::new(colour, self.query.full);
            tree::draw(tree, &tasks, part, look, source, pass)
        } else {
            tree::write_json(tree, &tasks, part, source, pass)
        };
        let Ok(skip) = written else {
            let Gone = Gone;
            return Ok(());
        };
        let all: u64 = tasks.iter().map(|task| 1 + tree.node(*task).below).sum();
        let left = skip.map_or(0, |skip| all.saturating_sub(skip));
        let next = match (skip, found.goes_on) {
            (Some(skip), _) => Some(Cursor { skip, ..at }),
            (None, Some(from)) => Some(Cursor {
                skip: 0,
                from,
                ..at
            }),
            (None, None) => None,
        };
        let end = match (next, text) {
            (None, true) => return Ok(()),
            (None, false) => ",\"next\":null}".to_owned(),
            (Some(next), false) => format!(",\"next\":\"{next}\"}}"),
            (Some(next), true) => {
                let more = match left {
                    0 => "the trace goes on".to_owned(),
                    left => format!("{left} more tasks and records"),
                };
                format!("… {more}: distlogd tree {} --cursor {next}\n", self.id)
            }
        };
        self.pieces.send(end.into_bytes());
        Ok(())
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
