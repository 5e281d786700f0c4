//! `GET /api/v1/tail`: records as they come, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use distlog_proto::{BatchRef, RecordRef, TaskId, json};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::{Door, Refusal, Shared};
use crate::lookup::records_from;
use crate::rules::Condition;
use crate::store::{Batches, Reader};
use crate::tree::paint::{Colour, Look};
use crate::tree::{is_below, put_line};

const READ_BYTES: usize = 256 << 10;
/// How long to wait for records before looking whether anybody still listens.
const WAIT: Duration = Duration::from_millis(200);
/// Events waiting for a slow reader; beyond that the thread that reads the store waits.
const WAITING: usize = 256;

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailQuery {
    filter: Option<String>,
    task: Option<String>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    color: bool,
    /// Cut no long values in texts.
    #[serde(default)]
    full: bool,
    /// Number of the first record; without it only what comes from now on.
    from: Option<u64>,
}

/// Streams the records that the filter lets through.
pub async fn tail(
    State(Door {
        views, stop, tails, ..
    }): Shared,
    Query(query): Query<TailQuery>,
) -> Result<impl IntoResponse, Refusal> {
    let filter = query
        .filter
        .as_deref()
        .map(Condition::compile)
        .transpose()
        .map_err(Refusal::bad_request)?;
    let task: Option<TaskId> = query
        .task
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(Refusal::bad_request)?;
    let permit = tails.try_acquire_owned().map_err(|_| {
        let why = "too many tails are followed already".to_owned();
        Refusal(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let feed = Feed {
        from: query
            .from
            .unwrap_or_else(|| views.reader.end())
            .max(views.reader.first()),
        reader: views.reader,
        filter,
        task,
        format: query.format,
        colour: if query.color { Colour::On } else { Colour::Off },
        full: query.full,
        sender,
        stop,
    };
    std::thread::Builder::new()
        .name("tail".into())
        .spawn(move || {
            feed.run();
            drop(permit);
        })
        .map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

/// Reads the store for one listener.
struct Feed {
    reader: Reader,
    from: u64,
    filter: Option<Condition>,
    task: Option<TaskId>,
    format: Format,
    colour: Colour,
    full: bool,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    stop: watch::Receiver<bool>,
}

impl Feed {
    fn run(self) {
        let mut cursor = self.reader.cursor(self.from);
        let mut batches = Batches::new();
        // At once, so that the listener knows that it is heard.
        if self
            .sender
            .blocking_send(Ok(Event::default().comment("following")))
            .is_err()
        {
            return;
        }
        while !self.sender.is_closed() && !*self.stop.borrow() {
            self.reader.wait(cursor.position(), WAIT);
            let from = cursor.position();
            let progress = match cursor.next_batches(&mut batches, READ_BYTES) {
                Ok(progress) => progress,
                Err(error) => {
                    tracing::warn!("a tail ends: {error}");
                    return;
                }
            };
            if progress.skipped() > 0
                && !self.send(
                    Event::default()
                        .event("skipped")
                        .data(progress.skipped().to_string()),
                )
            {
                return;
            }
            for (head, bytes) in batches.iter() {
                let Ok(batch) = BatchRef::parse(bytes) else {
                    continue;
                };
                for record in records_from(head.first, &batch) {
                    let wanted = record.store_number >= from && self.wants(&record);
                    if wanted && !self.send(self.event(&record)) {
                        return;
                    }
                }
            }
            if self.reader.is_closed() && batches.is_empty() {
                return;
            }
        }
    }

    fn send(&self, event: Event) -> bool {
        self.sender.blocking_send(Ok(event)).is_ok()
    }

    fn wants(&self, record: &RecordRef<'_>) -> bool {
        let in_task = self.task.as_ref().is_none_or(|wanted| {
            record.task.is_some_and(|task| {
                task.trace_id == wanted.trace_id() && is_below(task.path, wanted.path())
            })
        });
        in_task
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(record))
    }

    fn event(&self, record: &RecordRef<'_>) -> Event {
        let event = Event::default().id(record.store_number.to_string());
        match self.format {
            Format::Json => {
                let mut out = Vec::new();
                json::encode(record, &mut out);
                event.data(String::from_utf8_lossy(&out))
            }
            Format::Text => {
                let mut out = String::new();
                put_line(&mut out, Look::new(self.colour, self.full), record);
                event.data(out.trim_end_matches('\n'))
            }
        }
    }
}
