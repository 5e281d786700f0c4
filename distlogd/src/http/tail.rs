//! `GET /api/v1/tail`: records as they come, as server-sent events.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use distlog_proto::RecordRef;
use distlog_python::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::answers;
use super::below::Below;
use super::endpoint::{Ask, Content, EVENTS, Endpoint, Verb};
use super::filter_params::FILTER;
use super::look_params::{COLOR, FULL, look};
use super::params::Param;
use super::pieces::Live;
use super::problem::Problem;
use super::records::blocking;
use super::reorder::Reorder;
use super::shapes::{Flag, MaybeId, OneOf, RecordNumber, Span, Time};
use crate::access::Needs;
use crate::received::first_since;
use crate::shutdown::{Phase, Shutdown};
use crate::tree::paint::Look;
use crate::tree::put_line;
use crate::values::MAX_DURATION;
use distlog_rules::Condition;
use distlog_store::Reader;

const READ_BYTES: usize = 256 << 10;
/// How long to wait for records before the client's connection is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Records of several processes are put in order of time within it.
const REORDER_WINDOW: Duration = Duration::from_millis(200);
/// Events that wait for a slow client; beyond that the thread that reads the store waits.
const MAX_PENDING_EVENTS: usize = 256;

/// Records come here from a database.
const NOT_LIVE: &str = "a view of a database cannot follow records as they come: ask the daemons that write them, or \
    ask for what is new with `from`";

#[derive(Default, Clone, Copy, PartialEq)]
enum Format {
    #[default]
    Json,
    Text,
}

const TASK: Param<MaybeId> = Param {
    name: "task",
    about: "Only this task and what is below it.",
    examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2"],
    shape: MaybeId,
};

const FORMAT: Param<OneOf<Format>> = Param {
    name: "format",
    about: "`text`: for people.",
    examples: &[],
    shape: OneOf {
        values: &[("json", Format::Json), ("text", Format::Text)],
    },
};

const FROM: Param<RecordNumber> = Param {
    name: "from",
    about: "Number of the first record; without it only what comes from now on.",
    examples: &[],
    shape: RecordNumber,
};

const SINCE: Param<Time> = Param {
    name: "since",
    about: "In place of `from`: begins with what was received from this time on, so long ago or a time in UTC.",
    examples: &["1h", "2026-11-28 17:00"],
    shape: Time,
};

const FOLLOW: Param<Flag> = Param {
    name: "follow",
    about: "Goes on with what comes; else the stream ends with what is stored when it is asked for.",
    examples: &[],
    shape: Flag { default: true },
};

const REORDER: Param<Flag> = Param {
    name: "reorder",
    about: "Merge what processes send by time, within 200 ms; else in the order in which it is stored.",
    examples: &[],
    shape: Flag { default: true },
};

pub(super) const TIMEOUT: Param<Span> = Param {
    name: "timeout",
    about: "The stream ends after it; else when the client goes away.",
    examples: &[],
    shape: Span {
        most: MAX_DURATION,
        default: Duration::ZERO,
    },
};

/// Where a listener goes on that was cut off: the header that a browser's `EventSource` sends by itself.
pub(super) const LAST_EVENT_ID: Param<RecordNumber> = Param {
    name: "Last-Event-ID",
    about: "The id of the last event that was received: goes on after it.",
    examples: &[],
    shape: RecordNumber,
};

pub(super) const TAIL: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/tail",
    needs: Needs::Read,
    name: "followRecords",
    title: "Follow records",
    about: "Records as they come, as server-sent events, in order of time. The id of an event is a number in the \
            store: all records up to it were sent. An event `skipped` says how many were removed before they could be \
            sent.",
    params: &[
        &FILTER, &TASK, &FORMAT, &COLOR, &FULL, &FROM, &SINCE, &FOLLOW, &REORDER, &TIMEOUT,
    ],
    headers: &[&LAST_EVENT_ID],
    contents: &[Content {
        status: StatusCode::OK,
        media_type: EVENTS,
        about: "One record an event, as a JSON object or, with `format=text`, as text.",
        schema: answers::event,
    }],
    problems: &[StatusCode::NOT_IMPLEMENTED],
    answer: |ask| Box::pin(tail(ask)),
};

/// Streams the records that the filter lets through. The id of each event is a number in the store: everything up to it
/// was sent, so that a listener who goes on after it misses nothing. What was reordered around it comes again.
async fn tail(ask: Ask) -> Result<Response, Problem> {
    let Ask { api, params, .. } = ask;
    let timeout = params.get(&TIMEOUT)?;
    let from = params.get(&FROM)?;
    let last = params.get(&LAST_EVENT_ID)?;
    let from = last.map(|last| last.saturating_add(1)).or(from);
    let (sender, receiver) = mpsc::channel(MAX_PENDING_EVENTS);
    let Some(reader) = api.views.storage.live().cloned() else {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, NOT_LIVE));
    };
    let from = match (from, params.get(&SINCE)?) {
        (None, Some(since)) => {
            let reader = reader.clone();
            let found = blocking(move || first_since(&reader, since)).await?;
            Some(found.map_err(Problem::failed)?)
        }
        (from, _) => from,
    };
    let feed = Feed {
        end: (!params.get(&FOLLOW)?).then(|| reader.end()),
        from: from.unwrap_or_else(|| reader.end()).max(reader.first()),
        reader,
        filter: params.get(&FILTER)?,
        task: params.get(&TASK)?.map(Below::new),
        format: params.get(&FORMAT)?,
        look: look(&params)?,
        window: if params.get(&REORDER)? {
            REORDER_WINDOW
        } else {
            Duration::ZERO
        },
        until: (!timeout.is_zero())
            .then(|| Instant::now().checked_add(timeout))
            .flatten(),
        sender,
        shutdown: api.shutdown,
    };
    let permit = api.tails.try_acquire_owned().map_err(|_| {
        Problem::busy("too many tails are followed already: end one of them, or ask again later")
    })?;
    std::thread::Builder::new()
        .name("tail".into())
        .spawn(move || {
            feed.run();
            drop(permit);
        })
        .map_err(Problem::failed)?;
    let events = Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default());
    let mut response = events.into_response();
    response.extensions_mut().insert(Live);
    Ok(response)
}

/// Reads the store for one listener.
struct Feed {
    reader: Reader,
    from: u64,
    /// The number before which it ends.
    end: Option<u64>,
    filter: Option<Condition>,
    task: Option<Below>,
    format: Format,
    look: Look,
    window: Duration,
    /// When it ends.
    until: Option<Instant>,
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
            let now = Instant::now();
            let left = self.until.map(|until| until.saturating_duration_since(now));
            if left == Some(Duration::ZERO) {
                break;
            }
            let waits = [held.wait(now), left].into_iter().flatten();
            consumer.wait(waits.fold(POLL_INTERVAL, Duration::min));
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
                    let is_beyond = self.end.is_some_and(|end| record.store_number >= end);
                    if record.store_number < chunk.from() || is_beyond || !self.wants(&record) {
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
            let is_done = self.end.is_some_and(|end| chunk.to() >= end);
            if is_done || self.reader.is_closed() && chunk.is_empty() {
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
                put_line(&mut out, self.look, record);
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
