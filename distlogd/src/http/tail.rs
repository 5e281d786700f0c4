//! `GET /api/v1/tail`: records as they come, as server-sent events.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use distlog_proto::{RecordRef, TaskId};
use distlog_python::json;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::below::Below;
use super::reorder::Reorder;
use super::{Api, Refusal, Shared};
use crate::shutdown::{Phase, Shutdown};
use crate::tree::paint::{Colour, Look};
use crate::tree::put_line;
use distlog_rules::Condition;
use distlog_store::Reader;

const READ_BYTES: usize = 256 << 10;
/// How long to wait for records before the client's connection is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Records of several processes are put in order of time within it.
const REORDER_WINDOW: Duration = Duration::from_millis(200);
/// Events that wait for a slow client; beyond that the thread that reads the store waits.
const MAX_PENDING_EVENTS: usize = 256;

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
    /// Merge what processes send by time, within a short window; else in the order in which it is stored.
    #[serde(default = "yes")]
    reorder: bool,
}

fn yes() -> bool {
    true
}

/// Where a listener goes on that was cut off: the header that a browser's `EventSource` sends by itself.
fn after_last_event(headers: &HeaderMap) -> Option<u64> {
    let last = headers.get("last-event-id")?.to_str().ok()?;
    last.trim().parse::<u64>().ok()?.checked_add(1)
}

/// Streams the records that the filter lets through. The id of each event is a number in the store: everything up to it
/// was sent, so that a listener who goes on after it misses nothing. What was reordered around it comes again.
pub async fn tail(
    State(Api {
        views,
        shutdown,
        tails,
        ..
    }): Shared,
    headers: HeaderMap,
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
    let (sender, receiver) = mpsc::channel(MAX_PENDING_EVENTS);
    let feed = Feed {
        from: after_last_event(&headers)
            .or(query.from)
            .unwrap_or_else(|| views.reader.end())
            .max(views.reader.first()),
        reader: views.reader,
        filter,
        task: task.map(Below::new),
        format: query.format,
        colour: if query.color { Colour::On } else { Colour::Off },
        full: query.full,
        window: if query.reorder {
            REORDER_WINDOW
        } else {
            Duration::ZERO
        },
        sender,
        shutdown,
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
    task: Option<Below>,
    format: Format,
    colour: Colour,
    full: bool,
    window: Duration,
    sender: mpsc::Sender<Result<Event, Infallible>>,
    shutdown: Shutdown,
}

impl Feed {
    fn run(mut self) {
        let mut consumer = self.reader.consumer_from(self.from);
        // At once, so that the client knows that its request arrived.
        if self
            .sender
            .blocking_send(Ok(Event::default().comment("following")))
            .is_err()
        {
            return;
        }
        let mut held = Reorder::new(self.window);
        let mut seen = 0;
        while !self.sender.is_closed() && !self.shutdown.reached(Phase::Abort) {
            let wait = held
                .wait(Instant::now())
                .map_or(POLL_INTERVAL, |wait| wait.min(POLL_INTERVAL));
            consumer.wait(wait);
            let chunk = match consumer.read(READ_BYTES) {
                Ok(chunk) => chunk,
                Err(error) => {
                    tracing::warn!("a tail ends: {error}");
                    break;
                }
            };
            let skipped = chunk.progress().skipped();
            let event = || Event::default().event("skipped").data(skipped.to_string());
            if skipped > 0 && !self.send(event()) {
                return;
            }
            let now = Instant::now();
            for (head, batch) in chunk.batches() {
                for record in head.records(&batch) {
                    if record.store_number < chunk.from() || !self.wants(&record) {
                        continue;
                    }
                    seen = record.store_number;
                    held.push(
                        now,
                        sort_time(&record, head.received),
                        seen,
                        self.text(&record),
                    );
                    if !self.send_due(&mut held, now, seen) {
                        return;
                    }
                }
            }
            if !self.send_due(&mut held, now, seen) {
                return;
            }
            if self.reader.is_closed() && chunk.is_empty() {
                break;
            }
        }
        held.close();
        self.send_due(&mut held, Instant::now(), seen);
    }

    /// Sends what is due. `seen` is the number of the newest record that was read. False if nobody listens any more.
    fn send_due(&self, held: &mut Reorder, now: Instant, seen: u64) -> bool {
        while let Some(text) = held.pop(now) {
            let sent_to = held.lowest().map_or(seen, |lowest| lowest - 1);
            if !self.send(Event::default().id(sent_to.to_string()).data(text)) {
                return false;
            }
        }
        true
    }

    fn send(&self, event: Event) -> bool {
        self.sender.blocking_send(Ok(event)).is_ok()
    }

    fn wants(&mut self, record: &RecordRef<'_>) -> bool {
        // Also of records that the filter holds back it is learned what stands below the task.
        let in_task = match &mut self.task {
            None => true,
            Some(below) => record.task.is_some_and(|task| below.takes(&task)),
        };
        in_task
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(record))
    }

    fn text(&self, record: &RecordRef<'_>) -> String {
        match self.format {
            Format::Json => {
                let mut out = Vec::new();
                json::encode(record, &mut out);
                String::from_utf8_lossy(&out).into_owned()
            }
            Format::Text => {
                let mut out = String::new();
                put_line(&mut out, Look::new(self.colour, self.full), record);
                out.truncate(out.trim_end_matches('\n').len());
                out
            }
        }
    }
}

/// What a record is put in order by. A clock that is ahead does not count: no record was made after it was received.
fn sort_time(record: &RecordRef<'_>, received: u64) -> u64 {
    let time = match record.time {
        0 => record.observed_time,
        time => time,
    };
    if time == 0 {
        received
    } else {
        time.min(received)
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::wire::BatchWriter;
    use distlog_proto::{BatchRef, Record};

    use super::sort_time;

    #[test]
    fn a_time_that_cannot_be_is_when_the_record_was_received() {
        const RECEIVED: u64 = 1_700_000_000_000_000_000;
        for (time, observed_time, sorted_at) in [
            (RECEIVED - 7, RECEIVED - 5, RECEIVED - 7),
            (0, RECEIVED - 5, RECEIVED - 5),
            (0, 0, RECEIVED),
            (RECEIVED + 3_600_000_000_000, 0, RECEIVED),
            (u64::MAX, 0, RECEIVED),
            (0, u64::MAX, RECEIVED),
        ] {
            let mut writer = BatchWriter::new();
            writer.push(&Record {
                time,
                observed_time,
                ..Record::default()
            });
            let bytes = writer.finish();
            let batch = BatchRef::parse(&bytes).unwrap();
            let record = batch.records().next().unwrap().unwrap();
            assert_eq!(sort_time(&record, RECEIVED), sorted_at);
        }
    }
}
