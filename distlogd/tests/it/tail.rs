//! The live tail, from several processes.

use std::io::{BufRead, BufReader};
use std::num::NonZeroU64;

use distlog_proto::{Task, TaskId};
use distlogd::daemon::Daemon;
use serde_json::Value;

use crate::kit::in_process::start;
use crate::kit::session_client::{Client, id, record};

/// Of some time in 2023, in ns.
const THEN: u64 = 1_700_000_000_000_000_000;

/// A record's message, and the id of its event.
type Event = (String, u64);

fn follow(daemon: &Daemon, query: &str, last: Option<u64>) -> impl Iterator<Item = Event> + use<> {
    let address = daemon.address("http").unwrap();
    let mut request = ureq::get(format!("http://{address}/api/v1/tail?{query}"));
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let body = request.call().unwrap().into_body().into_reader();
    let mut lines = BufReader::new(body).lines().map(Result::unwrap);
    // The fields of an event may come in any order; an empty line ends it.
    std::iter::from_fn(move || {
        let (mut message, mut id) = (None, None);
        loop {
            let line = lines.next()?;
            if let Some(data) = line.strip_prefix("data: ") {
                let record: Value = serde_json::from_str(data).unwrap();
                message = Some(record["message"].as_str().unwrap().to_owned());
            } else if let Some(number) = line.strip_prefix("id: ") {
                id = Some(number.parse().unwrap());
            } else if line.is_empty() && message.is_some() {
                return Some((message.take().unwrap(), id.unwrap()));
            }
        }
    })
}

fn messages(events: impl Iterator<Item = Event>, count: usize) -> Vec<String> {
    events.take(count).map(|(message, _)| message).collect()
}

/// Two processes that send at once what they logged by turns: `at` are the times in ms, of offset 0 and so on.
struct Two {
    a: Client,
    b: Client,
    sent: u64,
}

impl Two {
    fn join(daemon: &Daemon) -> Two {
        let context = zmq::Context::new();
        let join = |n| Client::join(&context, daemon, id(n), 1);
        let (a, b) = (join(1), join(2));
        Two { a, b, sent: 0 }
    }

    /// The first sends 0, 2, 4, 6 and the second 1, 3, 5, 7, all so many ms after `base`.
    fn send(&mut self, base: u64) {
        let (from, to) = (self.sent, self.sent + 4);
        for (client, first) in [(&mut self.a, 0), (&mut self.b, 1)] {
            let records = (from..to)
                .zip((first..).step_by(2))
                .map(|(offset, ms)| {
                    let mut record = record(offset, &ms.to_string());
                    record.time = base + ms * 1_000_000;
                    record
                })
                .collect();
            client.send(from, to, records);
        }
        self.sent = to;
    }

    fn stored(&mut self) {
        self.a.acked(self.sent);
        self.b.acked(self.sent);
    }
}

const BY_TIME: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

#[test]
fn what_processes_send_is_merged_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let mut two = Two::join(&daemon);
    let mut live = follow(&daemon, "", None);
    // On a busy machine the second may be stored after the window of the first.
    let merged = (0..20).any(|round| {
        two.send(THEN + round * 1_000_000_000);
        messages(live.by_ref(), 8) == BY_TIME
    });
    assert!(merged);
}

#[test]
fn a_tail_that_does_not_reorder_shows_what_is_stored_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let mut two = Two::join(&daemon);
    two.send(THEN);
    two.stored();
    let events: Vec<Event> = follow(&daemon, "from=1&reorder=false", None)
        .take(8)
        .collect();
    let ids: Vec<u64> = events.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8]);
    let stored: Vec<&str> = events.iter().map(|(message, _)| message.as_str()).collect();
    let (even, odd) = (["0", "2", "4", "6"], ["1", "3", "5", "7"]);
    assert!(
        stored == [even, odd].concat() || stored == [odd, even].concat(),
        "{stored:?}"
    );
    assert_eq!(messages(follow(&daemon, "from=1", None), 8), BY_TIME);
}

#[test]
fn who_goes_on_after_an_event_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let mut two = Two::join(&daemon);
    two.send(THEN);
    two.stored();
    let events: Vec<Event> = follow(&daemon, "from=1", None).take(8).collect();
    for seen in 1..8 {
        let last = events[seen - 1].1;
        // `from` is what the address said at first; the header says how far its reader came.
        let rest = follow(&daemon, "from=1", Some(last));
        let again = usize::try_from(8 - last).unwrap();
        let rest = messages(rest, again);
        for (message, _) in &events[seen..] {
            assert!(rest.contains(message), "{message} after {last}: {rest:?}");
        }
    }
    assert_eq!(events[7].1, 8);
}

#[test]
fn a_task_is_followed_however_deep_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(1), 1);
    let top = TaskId::random();
    let number = |n| NonZeroU64::new(n).unwrap();
    let (wanted, other) = (top.child(number(1)), top.child(number(2)));
    let mut task = wanted.clone();
    let mut records = Vec::new();
    for offset in (0..2000).step_by(2) {
        for (task, name, offset) in [(&other, "other", offset), (&task, "wanted", offset + 1)] {
            let mut record = record(offset, &format!("{name} {offset}"));
            record.task = Some(Task::from(task));
            records.push(record);
        }
        task = task.child(number(1));
    }
    client.send(0, 2000, records);
    client.acked(2000);
    let tail = follow(&daemon, &format!("from=1&task={wanted}"), None);
    let expected: Vec<String> = (1..2000)
        .step_by(2)
        .map(|offset| format!("wanted {offset}"))
        .collect();
    assert_eq!(messages(tail, 1000), expected);
}

#[test]
fn a_tail_can_begin_at_a_time_and_end_with_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let context = zmq::Context::new();
    let mut client = Client::join(&context, &daemon, id(1), 1);
    client.send(0, 3, (0..3).map(|n| record(n, &format!("{n}"))).collect());
    client.acked(3);
    let all = |query: &str| follow(&daemon, query, None).map(|(message, _)| message);
    // Each ends by itself.
    let stored: Vec<String> = all("from=1&follow=false&reorder=false").collect();
    assert_eq!(stored, ["0", "1", "2"]);
    assert_eq!(all("from=3&follow=false").collect::<Vec<_>>(), ["2"]);
    assert_eq!(
        all("follow=false").count(),
        0,
        "what is there is not asked for"
    );
    // They were received just now.
    assert_eq!(all("since=1h&follow=false").collect::<Vec<_>>(), stored);
    assert_eq!(all("since=now&follow=false").count(), 0);
    // Without it what comes follows.
    let mut live = all("since=1h&reorder=false");
    assert_eq!(live.by_ref().take(3).collect::<Vec<_>>(), stored);
    client.send(3, 4, vec![record(3, "3")]);
    client.acked(4);
    assert_eq!(live.next().as_deref(), Some("3"));
}
