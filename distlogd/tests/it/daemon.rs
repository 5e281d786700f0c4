//! A daemon within this process: how it follows tasks, starts and stops.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, ProducerId, Record, RecordRef, Task, TaskId};
use distlog_testkit::eventually;
use distlogd::daemon::Builder;
use distlogd::processor::{Error, Processor, Token};

use crate::kit::in_process::{Running, config, get};

fn send(socket: &zmq::Socket, producer: u8, record: Record) {
    let mut record = record;
    record.source.producer = ProducerId::from_bytes([producer; 16]);
    let mut writer = BatchWriter::new();
    writer.push(&record);
    socket
        .send_multipart([b"TLB".to_vec(), writer.finish()], 0)
        .unwrap();
}

fn task(kind: Kind, id: &TaskId, offset: u64) -> Record {
    Record {
        kind,
        offset,
        time: 1_700_000_000_000_000_000 + offset,
        message: "work".into(),
        task: Some(Task::from(id)),
        ..Record::default()
    }
}

fn tasks(running: &Running) -> String {
    get(&running.daemon, "/api/v1/tasks")
}

/// A processor that keeps nothing.
struct Idle;

impl Processor for Idle {
    fn process(&mut self, _: &[RecordRef<'_>]) -> Result<(), Error> {
        Ok(())
    }
    fn flush(&mut self) -> Result<Token, Error> {
        Ok(Token::default())
    }
}

#[test]
fn where_a_new_processor_begins_is_durable_before_a_door_opens() {
    // A worker's thread could be first now and then, not each time.
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::new();
        let names: Vec<String> = (0..8).map(|n| format!("own{n}")).collect();
        let builder = names.iter().fold(builder, |builder, name| {
            builder.processor(name, |_| Ok(Box::new(Idle)))
        });
        let daemon = builder.start(&config(folder.path())).unwrap();
        let kept = |name: &&String| {
            let cursor = daemon.reader().cursor_file(name).unwrap();
            cursor.load().unwrap().is_some()
        };
        let without: Vec<&String> = names.iter().filter(|name| !kept(name)).collect();
        assert!(
            without.is_empty(),
            "{without:?} would skip what comes before a kill"
        );
        daemon.stop();
    }
}

#[test]
fn a_lost_task_is_noticed_while_others_log_without_end() {
    let running = Running::start_with(|config| config.lost_after = Duration::from_millis(1500));
    let socket = running.push_socket();
    let id = TaskId::random();
    send(&socket, 1, task(Kind::Begin, &id, 0));
    let alive = TaskId::random();
    send(&socket, 2, task(Kind::Begin, &alive, 0));
    let mut offset = 0;
    let seen = eventually("the task is lost", || {
        offset += 1;
        send(&socket, 2, task(Kind::Event, &alive, offset));
        let seen = tasks(&running);
        if seen.contains("\"lost\"") {
            Ok(seen)
        } else {
            Err(seen)
        }
    });
    assert_eq!(seen.matches("\"running\"").count(), 1, "{seen}");
    drop(socket);

    // What was known of the newest tasks is known again.
    let running = running.restart();
    eventually("the tasks are listed", || {
        let seen = tasks(&running);
        let known = seen.contains(&id.to_string()) && seen.contains("\"lost\"");
        if known { Ok(()) } else { Err(seen) }
    });
    running.stop();
}

#[test]
fn a_full_store_does_not_keep_the_daemon_from_stopping() {
    let running = Running::start_with(|config| {
        config.store.reserve = u64::MAX;
        config.grace = Duration::from_secs(2);
    });
    let socket = running.push_socket();
    // More than all queues take.
    for offset in 0..16 {
        let record = Record {
            message: "x".repeat(15 << 20),
            offset,
            ..Record::default()
        };
        send(&socket, 1, record);
    }
    eventually("so many came that the receiver waits", || {
        let metrics = get(&running.daemon, "/metrics");
        let came: u64 = metrics
            .lines()
            .filter(|line| line.starts_with("distlogd_receiver_messages_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        if came >= 3 { Ok(()) } else { Err(came) }
    });
    let begun = Instant::now();
    running.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_request_that_is_never_finished_does_not_keep_the_daemon_from_stopping() {
    let running = Running::start();
    let mut half = TcpStream::connect(running.daemon.address("http").unwrap()).unwrap();
    half.write_all(b"GET /api/v1/tas").unwrap();
    tasks(&running);
    let begun = Instant::now();
    running.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    drop(half);
}

#[test]
fn a_condition_that_is_too_deep_is_refused_and_ends_nothing() {
    let running = Running::start();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    for filter in [
        format!("{}1 > 0", "1+".repeat(3000)),
        format!("fields{} > 1", ".a".repeat(3000)),
        format!("fields{} > 1", "[0]".repeat(2000)),
        format!("fields.a{} > 1", ".size()".repeat(1000)),
        format!("{}true", "true==".repeat(1000)),
        format!("{}true{}", "(".repeat(3000), ")".repeat(3000)),
    ] {
        let address = running.daemon.address("http").unwrap();
        let mut response = agent
            .get(format!("http://{address}/api/v1/tail"))
            .query("filter", &filter)
            .call()
            .unwrap();
        let said = response.body_mut().read_to_string().unwrap();
        assert_eq!(response.status().as_u16(), 400, "{said}");
        assert!(said.contains("nested too deeply"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(tasks(&running).starts_with("{\"items\":[],"));
    running.stop();
}

#[test]
fn a_daemon_that_does_not_start_lets_go_of_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wrong = config(folder.path());
    wrong.listen.http = Some(taken.local_addr().unwrap().to_string().into());
    assert!(Builder::new().start(&wrong).is_err());
    let daemon = Builder::new().start(&config(folder.path())).unwrap();
    daemon.stop();
}

/// The begin of a task and what was logged in it come in one batch, and nothing after.
#[test]
fn a_lost_task_lasted_to_its_last_record() {
    let running = Running::start_with(|config| config.lost_after = Duration::from_millis(100));
    let id = TaskId::random();
    let mut writer = BatchWriter::new();
    for (kind, offset) in [(Kind::Begin, 0), (Kind::Event, 5_000)] {
        let mut record = task(kind, &id, offset);
        record.source.producer = ProducerId::from_bytes([4; 16]);
        writer.push(&record);
    }
    let socket = running.push_socket();
    socket
        .send_multipart([b"TLB".to_vec(), writer.finish()], 0)
        .unwrap();
    eventually("the task is lost", || {
        let seen = tasks(&running);
        if seen.contains("\"lost\"") && seen.contains("\"duration_ns\":5000") {
            Ok(())
        } else {
            Err(seen)
        }
    });
    running.stop();
}
