//! What becomes of the open tasks of a producer that leaves.

use std::time::Duration;

use distlog_proto::session::ByeReason;
use distlog_proto::{Kind, Outcome, Record, Task, TaskId};
use distlog_testkit::eventually;
use distlogd::daemon::{Builder, Daemon};

use crate::kit::in_process::*;
use crate::kit::session_client::*;

fn task(kind: Kind, id: &TaskId, offset: u64) -> Record {
    Record {
        kind,
        outcome: if kind == Kind::End {
            Outcome::Ok
        } else {
            Outcome::Unset
        },
        task: Some(Task::from(id)),
        ..record(offset, "work")
    }
}

/// How a task ended, or `running`.
fn outcome(daemon: &Daemon, id: &TaskId) -> String {
    let tasks: serde_json::Value = serde_json::from_str(&get(daemon, "/api/v1/tasks")).unwrap();
    let found = tasks["items"].as_array().unwrap();
    let found = found.iter().find(|task| task["id"] == id.to_string());
    found
        .map_or("unknown", |task| task["outcome"].as_str().unwrap())
        .to_owned()
}

fn becomes(daemon: &Daemon, id: &TaskId, wanted: &str) {
    eventually(wanted, || match outcome(daemon, id) {
        seen if seen == wanted => Ok(()),
        seen => Err(seen),
    });
}

#[test]
fn who_says_that_it_is_over_leaves_lost_tasks_and_who_moves_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    // What is lost here is not so because of silence.
    config.lost_after = Duration::from_secs(3600);
    let daemon = Builder::new().start(&config).unwrap();
    let context = zmq::Context::new();
    let [open, ended, moved, held] = [(); 4].map(|()| TaskId::random());

    let over = Client::join(&context, &daemon, id(1), 1);
    let mut moving = Client::join(&context, &daemon, id(2), 1);
    let mut staying = Client::join(&context, &daemon, id(3), 1);
    moving.send(0, 10, vec![task(Kind::Begin, &moved, 0)]);
    moving.acked(10);
    moving.bye(ByeReason::Moving);
    staying.send(0, 10, vec![task(Kind::Begin, &held, 0)]);
    staying.acked(10);
    over.send(
        0,
        20,
        vec![task(Kind::Begin, &open, 0), task(Kind::Begin, &ended, 10)],
    );
    // In one go: the end of one of them is on its way with the bye.
    over.send(20, 30, vec![task(Kind::End, &ended, 20)]);
    over.bye(ByeReason::Done);

    becomes(&daemon, &open, "lost");
    assert_eq!(outcome(&daemon, &ended), "ok");
    for id in [&moved, &held] {
        assert_eq!(outcome(&daemon, id), "running");
    }
    let tree = get(&daemon, &format!("/api/v1/tasks/{open}"));
    assert!(
        tree.contains("its process ended before the task did"),
        "{tree}"
    );
    // What the daemon says of it is its service's: who may read of that sees it, and nobody else.
    let lost = get(
        &daemon,
        "/api/v1/stats?by=service&filter=outcome%20%3D%3D%20'lost'",
    );
    assert!(
        lost.contains("\"shop\"") && !lost.contains("distlogd"),
        "{lost}"
    );

    // It was not over after all: its own end counts.
    let mut back = Client::join(&context, &daemon, id(1), 2);
    assert_eq!(back.stored_to, 30);
    back.send(30, 40, vec![task(Kind::End, &open, 30)]);
    back.acked(40);
    becomes(&daemon, &open, "ok");
    // Who moved and comes back ends its tasks as everybody does.
    let back = Client::join(&context, &daemon, id(2), 2);
    back.bye(ByeReason::Done);
    becomes(&daemon, &moved, "lost");
    assert_eq!(outcome(&daemon, &held), "running");
    daemon.stop();
}

#[test]
fn who_moved_is_not_lost_however_long_it_is_silent_and_who_fell_silent_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.lost_after = Duration::from_millis(1200);
    let daemon = Builder::new().start(&config).unwrap();
    let context = zmq::Context::new();
    let [moved, silent, pinging] = [(); 3].map(|()| TaskId::random());
    let mut clients = [1, 2, 3].map(|n| Client::join(&context, &daemon, id(n), 1));
    for (client, task_id) in clients.iter_mut().zip([&moved, &silent, &pinging]) {
        client.send(0, 10, vec![task(Kind::Begin, task_id, 0)]);
        client.acked(10);
    }
    clients[0].bye(ByeReason::Moving);
    eventually("the silent one is lost", || {
        clients[2].ping([0; 5]);
        clients[2].hear();
        match outcome(&daemon, &silent) {
            seen if seen == "lost" => Ok(()),
            seen => Err(seen),
        }
    });
    assert_eq!(outcome(&daemon, &moved), "running");
    assert_eq!(outcome(&daemon, &pinging), "running");
    daemon.stop();
}
