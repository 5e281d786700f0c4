//! The processor with time of its own and real programs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Record, RecordRef, Source};
use distlog_testkit::eventually;
use serde_json::Value;

use super::alert::{Alert, Parts};
use super::clock::Reading;
use super::config::Config;
use crate::config;
use crate::intake;
use crate::processor::{Processor, Token};
use crate::self_telemetry::{AlertMetrics, Progress};
use crate::shutdown::{Phase, Shutdown};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}

/// Time that a test moves.
#[derive(Clone)]
struct Time(Arc<Mutex<Reading>>);

impl Time {
    fn new() -> Time {
        Time(Arc::new(Mutex::new(Reading {
            system: intake::now(),
            monotonic: Instant::now(),
        })))
    }

    fn now(&self) -> Reading {
        *self.0.lock().unwrap()
    }

    fn pass(&self, nanos: u64) {
        let mut reading = self.0.lock().unwrap();
        reading.system += nanos;
        reading.monotonic += Duration::from_nanos(nanos);
    }

    /// Somebody sets the system's clock.
    fn set(&self, system: u64) {
        self.0.lock().unwrap().system = system;
    }
}

/// An alert, the daemon around it, and a program that writes what it is told into a file.
struct Story {
    folder: tempfile::TempDir,
    config: Config,
    time: Time,
    alert: Option<Alert>,
    token: Option<Token>,
    metrics: AlertMetrics,
    progress: Arc<Progress>,
    shutdown: Shutdown,
}

/// Takes a notification, unless the file `away` is there.
const PROGRAM: &str = "cat > new.$$; [ ! -e away ] || { rm new.$$; echo away >&2; exit 7; }; \
    { cat new.$$; echo; } >> told; rm new.$$";

impl Story {
    fn new(keys: &str) -> Story {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display();
        let to = format!("to: [ {{ exec: {{ command: [sh, -c, '{PROGRAM}'], dir: '{dir}' }} }} ]");
        Story::to(folder, &format!("{keys}\n{to}"))
    }

    fn to(folder: tempfile::TempDir, config: &str) -> Story {
        let mut story = Story {
            folder,
            config: serde_saphyr::from_str(config).unwrap_or_else(|e| panic!("{e}\n{config}")),
            time: Time::new(),
            alert: None,
            token: None,
            metrics: AlertMetrics::default(),
            progress: Arc::default(),
            shutdown: Shutdown::default(),
        };
        story.start();
        story
    }

    /// As the worker: without a token it is flushed first.
    fn start(&mut self) {
        let time = self.time.clone();
        let parts = Parts {
            name: "errors",
            condition: "severity >= ERROR",
            token: self.token.as_ref(),
            metrics: self.metrics.clone(),
            progress: Arc::clone(&self.progress),
            runtime: runtime().handle(),
            shutdown: &self.shutdown,
            reading: Box::new(move || time.now()),
            read_to: Box::new(|now| now),
        };
        self.alert = Some(Alert::new(&self.config, parts).unwrap());
        if self.token.is_none() {
            self.flush();
        }
    }

    fn alert(&mut self) -> &mut Alert {
        self.alert.as_mut().unwrap()
    }

    fn flush(&mut self) {
        self.token = Some(self.alert().flush().unwrap());
    }

    /// Presents records of these services, which are so old.
    fn present(&mut self, services: &[&str], age: u64) {
        for service in services {
            let mut writer = BatchWriter::new();
            writer.push(&Record {
                time: self.time.now().system - age,
                source: Source {
                    service: (*service).to_owned(),
                    ..Source::default()
                },
                ..Record::default()
            });
            let bytes = writer.finish();
            let batch = BatchRef::parse(&bytes).unwrap();
            let records: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
            self.alert().process(&records).unwrap();
        }
    }

    /// As the worker does it while nothing comes.
    fn idle(&mut self) {
        self.alert().idle().unwrap();
        if self.alert().wants_flush() {
            self.flush();
        }
    }

    /// Killed: what the token does not have is gone.
    fn kill(&mut self) {
        self.alert = None;
        self.start();
    }

    /// Stopped and started again.
    fn restart(&mut self) {
        self.shutdown.advance(Phase::Workers);
        self.idle();
        while self.alert().wants_flush() {
            self.idle();
        }
        self.alert = None;
        self.shutdown = Shutdown::default();
        self.start();
    }

    /// What was told so far.
    fn told(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("told")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until so much was told, and stored as told, and says status and service of each.
    fn expect(&mut self, count: usize) -> Vec<String> {
        eventually("that it is told", || {
            self.idle();
            let told = self.told();
            let waits = self.progress.alert.get().unwrap().undelivered;
            match told.len() >= count && waits == 0 {
                true => Ok(()),
                false => Err(format!("{told:#?}, {waits} wait")),
            }
        });
        let told = self.told();
        assert_eq!(told.len(), count, "{told:#?}");
        let line = |one: &Value| {
            let service = one["commonLabels"]["service"].as_str().unwrap_or("–");
            format!("{} {service}", one["status"].as_str().unwrap())
        };
        told.iter().map(line).collect()
    }
}

#[test]
fn the_eleventh_error_fires_and_quiet_resolves_and_each_is_told_once_over_restarts() {
    let mut story = Story::new("count: '> 10'\nin: 5m\nby: [service]");
    story.present(&["shop"; 10], 0);
    story.present(&["mail"; 10], 0);
    story.flush();
    story.restart();
    story.idle();
    assert_eq!(story.told(), Vec::<Value>::new());
    story.present(&["shop"], 0);
    story.flush();
    assert_eq!(story.expect(1), ["firing shop"]);
    let status = story.progress.alert.get().unwrap();
    assert_eq!((status.firing, status.longest.len()), (1, 1));
    assert_eq!(status.longest[0].labels["service"], "shop");
    assert_eq!(status.longest[0].count, 11);
    story.restart();
    story.present(&["shop"; 5], 0);
    story.time.pass(4 * MINUTE);
    story.restart();
    story.time.pass(5 * MINUTE);
    // Too few since now, and five minutes later for long enough.
    story.idle();
    story.restart();
    story.time.pass(5 * MINUTE);
    assert_eq!(story.expect(2), ["firing shop", "resolved shop"]);
    let told = story.told();
    let [firing, resolved] = [0, 1].map(|n| &told[n]["alerts"][0]);
    assert_eq!(firing["startsAt"], resolved["startsAt"]);
    assert_eq!(firing["fingerprint"], resolved["fingerprint"]);
    assert_eq!(story.progress.alert.get().unwrap().firing, 0);
    assert_eq!(story.metrics.delivered.get(), 2);
}

#[test]
fn a_kill_at_any_step_loses_no_notification_and_makes_up_none() {
    for killed in 0..7 {
        let mut story = Story::new("count: '> 2'\nin: 1m\nresolve_after: 0s");
        let step = |story: &mut Story, n: usize| match n {
            // Since the last flush: presented again after a kill, as the worker does.
            0 => story.present(&["shop"; 3], 0),
            1 | 4 => story.flush(),
            2 | 5 => story.alert().idle().unwrap(),
            3 => story.time.pass(2 * MINUTE),
            _ => {}
        };
        for n in 0..7 {
            step(&mut story, n);
            if n == killed {
                story.kill();
                if n == 0 {
                    step(&mut story, 0);
                }
            }
        }
        let mut known = Vec::new();
        eventually("both are told", || {
            story.idle();
            let waits = story.progress.alert.get().unwrap().undelivered;
            known = story
                .told()
                .iter()
                .map(|one| {
                    let alert = &one["alerts"][0];
                    [&alert["status"], &alert["startsAt"]].map(ToString::to_string)
                })
                .collect();
            // What a kill has sent again is the same.
            let mut seen = HashSet::new();
            known.retain(|one| seen.insert(one.clone()));
            match known.len() >= 2 && waits == 0 {
                true => Ok(()),
                false => Err(format!("{known:?}, {waits} wait")),
            }
        });
        assert_eq!(known.len(), 2, "killed after step {killed}: {known:?}");
        let [firing, resolved] = [0, 1].map(|n| &known[n]);
        assert_eq!([&firing[0], &resolved[0]], ["\"firing\"", "\"resolved\""]);
        assert_eq!(firing[1], resolved[1], "of the same alert");
    }
}

#[test]
fn who_is_away_is_told_all_in_order_when_he_is_back_and_windows_go_on() {
    let mut story = Story::new("count: '>= 3'\nin: 1m\nresolve_after: 0s");
    let away = story.folder.path().join("away");
    std::fs::write(&away, "").unwrap();
    story.present(&["shop"; 3], 0);
    story.flush();
    eventually("a failed attempt", || {
        story.idle();
        match story.metrics.failed_attempts.get() {
            0 => Err(story.progress.alert.get()),
            _ => Ok(()),
        }
    });
    let error = story.progress.last_error.get().unwrap().message;
    assert!(error.contains("exit status: 7"), "{error}");
    story.time.pass(2 * MINUTE);
    story.idle();
    story.kill();
    story.present(&["shop"; 3], 0);
    story.flush();
    story.idle();
    assert_eq!(story.progress.alert.get().unwrap().undelivered, 3);
    std::fs::remove_file(&away).unwrap();
    let told = story.expect(3);
    assert_eq!(told, ["firing –", "resolved –", "firing –"]);
}

#[test]
fn missing_records_fire_without_any_record_and_not_for_the_time_that_nobody_listened() {
    let mut story = Story::new("count: '< 1'\nin: 5m\nby: [service]\nresolve_after: 0s");
    story.present(&["backup"], 0);
    story.time.pass(4 * MINUTE);
    story.idle();
    // Down for an hour: what came meanwhile comes now, and there is time for it.
    story.flush();
    story.time.pass(60 * MINUTE);
    story.kill();
    story.idle();
    story.time.pass(4 * MINUTE);
    story.present(&["backup"], MINUTE);
    story.time.pass(3 * MINUTE);
    story.idle();
    story.time.pass(MINUTE / 2);
    story.idle();
    assert_eq!(story.progress.alert.get().unwrap().firing, 0);
    story.time.pass(MINUTE);
    assert_eq!(story.expect(1), ["firing backup"]);
    // It keeps firing over a restart, though nobody knows yet what came meanwhile.
    story.time.pass(MINUTE);
    story.restart();
    story.idle();
    assert_eq!(story.progress.alert.get().unwrap().firing, 1);
    story.present(&["backup"], 0);
    assert_eq!(story.expect(2), ["firing backup", "resolved backup"]);
}

#[test]
fn who_sets_the_clock_fires_nothing_and_resolves_nothing() {
    let mut story = Story::new("count: '> 2'\nin: 5m");
    story.present(&["shop"; 3], 0);
    story.flush();
    story.expect(1);
    let day = 24 * 60 * MINUTE;
    let begin = story.time.now().system;
    for system in [begin + 400 * day, begin - 3 * day, begin] {
        story.time.set(system);
        story.idle();
        let status = story.progress.alert.get().unwrap();
        assert_eq!((status.firing, status.undelivered), (1, 0));
        assert_eq!(
            story.alert().count("[]"),
            3,
            "nothing slid out of the window"
        );
    }
    // A record from before the clock was set back is one of now.
    story.time.set(begin - day);
    story.time.pass(3 * MINUTE);
    story.present(&["shop"; 2], 0);
    assert_eq!(story.alert().count("[]"), 5);
    story.time.pass(3 * MINUTE);
    story.idle();
    assert_eq!(story.alert().count("[]"), 2);
}

#[test]
fn what_comes_after_an_outage_does_not_fire_for_what_is_long_over() {
    let mut story = Story::new("count: '> 10'\nin: 5m");
    for age in 0..60 {
        story.present(&["shop"; 5], (10 + age) * MINUTE);
    }
    story.flush();
    story.idle();
    assert_eq!(story.progress.alert.get().unwrap().firing, 0);
    assert_eq!(story.metrics.late.get(), 300);
    // Of the last minutes they count.
    story.present(&["shop"; 11], MINUTE);
    story.flush();
    assert_eq!(story.expect(1), ["firing –"]);
}

#[test]
fn an_alert_whose_condition_is_changed_resolves() {
    let mut story = Story::new("count: '> 2'\nin: 5m\nby: [service]\nlabels: { team: a }");
    story.present(&["shop"; 3], 0);
    story.flush();
    story.expect(1);
    let other = Story::new("count: '> 3'\nin: 5m\nlabels: { team: b }");
    story.config = Config {
        to: story.config.to.clone(),
        ..other.config.clone()
    };
    story.restart();
    assert_eq!(story.expect(2), ["firing shop", "resolved shop"]);
    assert_eq!(story.told()[1]["commonLabels"]["team"], "a");
}

#[test]
fn a_state_that_cannot_be_read_begins_anew() {
    let mut story = Story::new("count: '> 2'\nin: 5m");
    story.present(&["shop"; 2], 0);
    story.token = Some(Token(b"nonsense".to_vec()));
    story.kill();
    story.present(&["shop"; 2], 0);
    story.flush();
    assert_eq!(story.progress.alert.get().unwrap().firing, 0);
    story.present(&["shop"], 0);
    assert_eq!(story.expect(1), ["firing –"]);
}

#[test]
fn a_program_that_does_not_end_is_ended_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display();
    let program = "[ -e once ] || { touch once; exec sleep 1000; }; tee told > /dev/null";
    let config = format!(
        "count: '> 0'\nin: 1m\nto: [ {{ exec: {{ command: [sh, -c, '{program}'], dir: '{dir}', timeout: 300ms }} }} ]"
    );
    let mut story = Story::to(folder, &config);
    story.present(&["shop"], 0);
    story.flush();
    story.expect(1);
    let error = story.progress.last_error.get().unwrap().message;
    assert!(error.contains("did not end within 300ms"), "{error}");
}

#[test]
fn faults_are_said_all_at_once_with_their_places() {
    let text = "
processors:
  a:
    alert:
      count: 10
      in: 0s
      by: [servce, fields.a]
      labels: { 'a-b': x }
      page: logs.example
      to: []
  b:
    alert:
      count: '>= 0'
      in: 31d
      by: [fields.a.b, 'fields[\"a_b\"]']
      for: soon
      to: [ {}, { exec: { command: [] } }, { mail: x } ]
  c: { alert: { count: '> 1', in: 5m, to: [ { exec: { command: [x] } } ] } }
rules: [ { to: [a, b, c] } ]
";
    let faults = config::load(text, "distlogd.yaml", &[]).unwrap_err();
    let said = faults.faults.iter();
    let said: Vec<String> = said
        .map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message))
        .collect();
    let expected = [
        "5:14 found integer `10`, expected a comparison like '> 10'",
        "6:11 found string \"0s\", expected a duration from 1s to 30d",
        "7:12 unknown name `servce`: did you mean `service`?",
        "8:15 `a-b` is no name here",
        "9:13 found string \"logs.example\", expected the address of the page",
        "10:11 nobody is notified",
        "13:14 found string \">= 0\", expected a comparison",
        "14:11 found string \"31d\"",
        "15:11 `fields.a.b` and `fields[\"a_b\"]` would be one label, `fields_a_b`",
        "16:12 found string \"soon\", expected a duration",
        // Nothing is left of the list but what is wrong in it.
        "17:11 nobody is notified",
        "17:13 it does not say who is notified: expected `exec` or `http`",
        "17:17 it does not say who is notified",
        "17:36 the command is empty",
        "17:44 it does not say who is notified",
        "17:46 unknown key `mail`: expected one of `exec`, `http`",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{expected}\n{said}");
    }
    assert_eq!(said.len(), expected.len(), "{said:#?}");
}
