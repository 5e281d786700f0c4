//! The exec processor, with real programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::processor::{Error, Processor, Token};
use crate::processors::exec::{Config, Plugin};
use crate::shutdown::{Phase, Shutdown};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Record, RecordRef, Severity, Source};

fn config(command: &[&str]) -> Config {
    Config {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        env: Default::default(),
        dir: None,
        in_flight: 10_000,
        timeout: Duration::from_secs(20),
    }
}

/// A Python program that is handed every `n` and `record`, with `out` to answer.
fn python(body: &str, args: &[&Path]) -> Config {
    let program = format!(
        "import json, sys, time, os\ndef out(text): print(text, flush=True)\nfor line in sys.stdin:\n    entry = json.loads(line)\n    n, record = entry['n'], entry['record']\n    {}\n",
        body.replace('\n', "\n    ")
    );
    let mut command = vec!["python3", "-c", program.as_str()];
    command.extend(args.iter().map(|path| path.to_str().unwrap()));
    config(&command)
}

fn start(name: &str, config: &Config) -> Result<Plugin, Error> {
    Plugin::start(name, config, &Shutdown::default())
}

fn present(plugin: &mut Plugin, numbers: impl Iterator<Item = u64>) -> Result<(), Error> {
    let numbers: Vec<u64> = numbers.collect();
    let mut writer = BatchWriter::new();
    for number in &numbers {
        writer.push(&Record {
            message: format!("message {number}"),
            severity: Severity::ERROR,
            source: Source {
                service: "orders".into(),
                ..Source::default()
            },
            ..Record::default()
        });
    }
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let mut records: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
    records
        .iter_mut()
        .zip(&numbers)
        .for_each(|(record, number)| record.store_number = *number);
    plugin.process(&records)
}

fn reason(error: Error) -> String {
    assert!(matches!(error, Error::Retry { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn records_go_in_and_acknowledgements_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let config = python(
        "open(sys.argv[1], 'a').write(f\"{n} {record['message']} {record['levelno']}\\n\"); out(n)",
        &[&seen],
    );
    let mut plugin = start("mine", &config).unwrap();
    // Numbers have holes where rules sent records elsewhere.
    present(&mut plugin, [3, 4, 9].into_iter()).unwrap();
    assert_eq!(plugin.flush().unwrap(), Token::default());
    assert_eq!(
        fs::read_to_string(&seen).unwrap(),
        "3 message 3 40\n4 message 4 40\n9 message 9 40\n"
    );
}

#[test]
fn one_answer_may_stand_for_many_and_the_number_in_flight_is_bounded() {
    let mut config = python("if n % 10 == 0: out(n)", &[]);
    config.in_flight = 15;
    let mut plugin = start("mine", &config).unwrap();
    present(&mut plugin, 1..=5_000).unwrap();
    plugin.flush().unwrap();
}

#[test]
fn rejected_records_are_told_once_and_the_others_are_done() {
    let config = python(
        "out(json.dumps({'reject': n, 'reason': 'odd'}) if n % 2 else n)",
        &[],
    );
    let mut plugin = start("mine", &config).unwrap();
    present(&mut plugin, 1..7).unwrap();
    let Err(Error::Reject { numbers, reason }) = plugin.flush() else {
        panic!("nothing was rejected")
    };
    assert_eq!((numbers, reason.as_str()), (vec![1, 3, 5], "odd"));
    plugin.flush().unwrap();
}

#[test]
fn a_program_that_dies_is_started_again_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (once, seen) = (dir.path().join("once"), dir.path().join("seen"));
    let body = "if n == 3 and not os.path.exists(sys.argv[1]):\n    open(sys.argv[1], 'w'); print('ouch', file=sys.stderr); sys.exit(7)\nopen(sys.argv[2], 'a').write(f'{n}\\n'); out(n)";
    let mut plugin = start("mine", &python(body, &[&once, &seen])).unwrap();
    let error = present(&mut plugin, 1..6)
        .and_then(|()| plugin.flush())
        .unwrap_err();
    let text = reason(error);
    assert!(
        text.contains("exit status: 7") && text.ends_with("said last: ouch"),
        "{text}"
    );
    // As the worker does: from the last flush on.
    present(&mut plugin, 1..6).unwrap();
    plugin.flush().unwrap();
    assert_eq!(fs::read_to_string(&seen).unwrap(), "1\n2\n1\n2\n3\n4\n5\n");
}

#[test]
fn a_program_that_does_not_answer_or_read_is_given_up() {
    for body in ["pass", "time.sleep(60)"] {
        let mut config = python(body, &[]);
        config.timeout = Duration::from_millis(300);
        let mut plugin = start("mine", &config).unwrap();
        let begun = Instant::now();
        // More than fits into the pipe.
        let error = present(&mut plugin, 1..5_000)
            .and_then(|()| plugin.flush())
            .unwrap_err();
        let text = reason(error);
        assert!(
            text.contains("neither read nor acknowledged anything for 300ms"),
            "{text}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "it ended in time"
        );
    }
}

#[test]
fn nonsense_is_no_answer_and_does_no_harm() {
    let body = "out('hello'); out('{'); out(99999999); out(-1); out('x' * 200000); os.write(1, b'\\xff\\n'); out(n)";
    let mut plugin = start("mine", &python(body, &[])).unwrap();
    present(&mut plugin, 1..50).unwrap();
    plugin.flush().unwrap();
}

#[test]
fn a_number_that_was_never_sent_acknowledges_nothing() {
    let mut config = python("out(99999999)", &[]);
    config.timeout = Duration::from_millis(500);
    let mut plugin = start("mine", &config).unwrap();
    let text = reason(
        present(&mut plugin, 1..3)
            .and_then(|()| plugin.flush())
            .unwrap_err(),
    );
    assert!(text.contains("started again"), "{text}");
}

#[test]
fn at_the_end_input_is_closed_and_the_program_may_finish() {
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let program = format!(
        "import sys\nfor line in sys.stdin: print(__import__('json').loads(line)['n'], flush=True)\nopen({:?}, 'w').write('finished')",
        done
    );
    let mut plugin = start("mine", &config(&["python3", "-c", &program])).unwrap();
    present(&mut plugin, 1..3).unwrap();
    plugin.flush().unwrap();
    drop(plugin);
    assert_eq!(fs::read_to_string(&done).unwrap(), "finished");
}

#[test]
fn a_program_that_does_not_want_to_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let program = "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\nos.rename(sys.argv[1] + '.new', sys.argv[1])\nwhile True: time.sleep(1)";
    let plugin = start(
        "mine",
        &config(&["python3", "-c", program, pid.to_str().unwrap()]),
    )
    .unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !pid.exists() {
        assert!(Instant::now() < until, "it does not start");
        std::thread::yield_now();
    }
    let process = PathBuf::from(format!("/proc/{}", fs::read_to_string(&pid).unwrap()));
    assert!(process.exists());
    drop(plugin);
    assert!(!process.exists());
}

/// The worker hangs in it as long as the grace period lasts.
#[test]
fn a_program_that_answers_nothing_is_ended_when_the_daemon_stops_at_once() {
    let shutdown = Shutdown::default();
    let config = python("pass", &[]);
    let mut plugin = Plugin::start("mine", &config, &shutdown).unwrap();
    present(&mut plugin, 1..3).unwrap();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        shutdown.advance(Phase::Abort);
    });
    let begun = Instant::now();
    let text = reason(plugin.flush().unwrap_err());
    assert_eq!(text, "the daemon stops");
    assert!(begun.elapsed() < config.timeout / 2, "it was not given up");
    stopping.join().unwrap();
}

#[test]
fn a_program_that_is_not_there_is_said_in_one_line() {
    let Err(error) = start("mine", &config(&["/no/such/program", "x"])) else {
        panic!("it started")
    };
    let text = reason(error);
    assert!(
        text.starts_with("cannot start `/no/such/program x`: ") && !text.contains('\n'),
        "{text}"
    );
}

#[test]
fn the_example_in_python_counts_and_counts_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("errors.json");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/plugins/count_errors.py");
    let config = config(&[
        "python3",
        program.to_str().unwrap(),
        counts.to_str().unwrap(),
    ]);
    let mut plugin = start("errors", &config).unwrap();
    present(&mut plugin, 1..4).unwrap();
    plugin.flush().unwrap();
    drop(plugin);
    // The daemon crashed before it stored its cursor: they come again.
    let mut plugin = start("errors", &config).unwrap();
    present(&mut plugin, 1..6).unwrap();
    plugin.flush().unwrap();
    let counts: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&counts).unwrap()).unwrap();
    assert_eq!(counts["errors"]["orders"], 5);
}
