//! Agents publish to NATS JetStream, hubs take from it: nothing is lost, and nothing is there twice, whoever is killed.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::{Command, Stdio};

use distlog_testkit::{Daemon, Nats, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// A record's producer and offset.
type Key = (String, u64);

/// A daemon that publishes what it stores, and writes it to a file.
fn agent(folder: &Path, name: &str, nats: &Nats, replicas: usize) -> Daemon {
    let config = format!(
        "processors:
  hub: {{ nats: {{ url: {}, stream: distlog, partitions: 8, replicas: {replicas} }} }}
  all: {{ file: {{ path: all.jsonl }} }}
rules: [{{ to: [hub, all] }}]",
        nats.urls()
    );
    start(folder, name, &config)
}

/// A daemon that takes from the stream what falls to it, and writes it to a file.
fn hub(folder: &Path, name: &str, nats: &Nats) -> Daemon {
    let config = format!(
        "sources: {{ hub: {{ nats: {{ url: {}, stream: distlog, group: hub, lease: 2s }} }} }}
processors: {{ all: {{ file: {{ path: all.jsonl }} }} }}
rules: [{{ to: [all] }}]",
        nats.urls()
    );
    start(folder, name, &config)
}

pub(crate) fn start(folder: &Path, name: &str, config: &str) -> Daemon {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).unwrap();
    Daemon::start(DISTLOGD, &[], &own, config)
}

/// A program that runs tasks, as many as it is told.
pub(crate) struct Load {
    program: Process,
    tasks: u64,
}

impl Load {
    /// It sends to the first of these daemons that answers.
    pub(crate) fn start(agents: &[&Daemon]) -> Load {
        let sessions: Vec<&str> = agents.iter().map(|agent| agent.session()).collect();
        let mut command = Command::new(CLIENT);
        command
            .arg(format!("session={}", sessions.join(",")))
            .args(["batch", "tasks"]);
        command.env("WAIT", "1").stdin(Stdio::piped());
        Load {
            program: Process::start(&mut command),
            tasks: 0,
        }
    }

    /// Runs so many more.
    pub(crate) fn run(&mut self, tasks: u64) {
        self.program.say(&tasks.to_string());
        self.tasks += tasks;
        let done = format!("{} 0", self.tasks);
        self.program
            .expect_stdout("its tasks", |line| (line == done).then_some(()));
    }

    /// How many it has run.
    pub(super) fn tasks(&self) -> u64 {
        self.tasks
    }

    /// Waits until the agents have all.
    pub(crate) fn arrive(&mut self) {
        let before = self.program.stdout().len();
        self.program.say("arrive");
        eventually("all at the agents", || {
            let lines = self.program.stdout().len();
            if lines > before {
                Ok(())
            } else {
                Err(self.program.stderr())
            }
        });
    }
}

/// The records in a daemon's file, each with how often it is there.
fn keys(daemon: &Daemon) -> HashMap<Key, usize> {
    let mut keys = HashMap::new();
    // The last line may be half written.
    for line in daemon.lines("all.jsonl") {
        let Ok(record) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let own = &record["distlog"];
        let producer = own["producer"]
            .as_str()
            .unwrap_or_else(|| panic!("{line}"))
            .to_owned();
        *keys
            .entry((producer, own["offset"].as_u64().unwrap_or_default()))
            .or_default() += 1;
    }
    keys
}

/// Waits until the agents have three records of each task, and the hubs what the agents have and nothing else. No hub
/// has a record twice; gives how many are in several hubs.
pub(super) fn compare(tasks: u64, agents: &[&Daemon], hubs: &[&Daemon]) -> usize {
    let (found, all) = arrived(tasks, agents, hubs);
    for (hub, found) in hubs.iter().zip(&found) {
        let twice = found.values().filter(|count| **count > 1).count();
        assert_eq!(twice, 0, "in {}", hub.folder().display());
    }
    found.iter().map(HashMap::len).sum::<usize>() - all
}

/// Waits as [`compare`]; gives what each hub has how often, and how much there is.
fn arrived(tasks: u64, agents: &[&Daemon], hubs: &[&Daemon]) -> (Vec<HashMap<Key, usize>>, usize) {
    eventually("what the agents have, at the hubs", || {
        let expected: HashSet<Key> = agents
            .iter()
            .flat_map(|agent| keys(agent).into_keys())
            .collect();
        let found: Vec<HashMap<Key, usize>> = hubs.iter().map(|hub| keys(hub)).collect();
        let all: HashSet<Key> = found
            .iter()
            .flat_map(|found| found.keys().cloned())
            .collect();
        if expected.len() as u64 >= 3 * tasks && all == expected {
            return Ok((found, all.len()));
        }
        let missing = expected.difference(&all).count();
        let counts: Vec<usize> = found.iter().map(HashMap::len).collect();
        let (expected, tasks) = (expected.len(), 3 * tasks);
        Err(format!(
            "{missing} of {expected} (at least {tasks}) are missing, hubs have {counts:?}"
        ))
    })
}

/// How many partitions a hub reads, as it says.
fn partitions(hub: &mut Daemon) -> usize {
    let lines = hub.process().stderr();
    let said = lines.iter().rev().find_map(|line| {
        let (_, rest) = line.split_once("reads the partitions ")?;
        rest.split_once(" of the stream")
    });
    said.map_or(0, |(list, _)| {
        if list == "none" {
            0
        } else {
            list.split(", ").count()
        }
    })
}

fn shares(hubs: &mut [&mut Daemon], expected: &[usize]) {
    eventually("the partitions' shares", || {
        let shares: Vec<usize> = hubs.iter_mut().map(|hub| partitions(hub)).collect();
        if shares == expected {
            Ok(())
        } else {
            Err(shares)
        }
    });
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn what_agents_publish_is_in_one_of_the_hubs_once_also_when_hubs_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, "");
    // The hub is there before the stream.
    let mut first = hub(folder, "first", &nats);
    let agents = [agent(folder, "a", &nats, 1), agent(folder, "b", &nats, 1)];
    let mut loads = [Load::start(&[&agents[0]]), Load::start(&[&agents[1]])];
    loads.iter_mut().for_each(|load| load.run(2000));
    shares(&mut [&mut first], &[8]);
    // One is added under load.
    let mut second = hub(folder, "second", &nats);
    loads.iter_mut().for_each(|load| load.run(2000));
    shares(&mut [&mut first, &mut second], &[4, 4]);
    loads.iter_mut().for_each(|load| load.run(2000));
    // One is stopped.
    assert!(first.stop().success());
    loads.iter_mut().for_each(|load| load.run(2000));
    loads.iter_mut().for_each(Load::arrive);
    shares(&mut [&mut second], &[8]);
    let [a, b] = &agents;
    let tasks = loads.iter().map(|load| load.tasks).sum();
    let several = compare(tasks, &[a, b], &[&first, &second]);
    assert_eq!(
        several, 0,
        "partitions were given back with all that was stored"
    );
    // A trace is in one hub, but for what came while its partition moved.
    first.restart();
    shares(&mut [&mut first, &mut second], &[4, 4]);
    loads.iter_mut().for_each(|load| load.run(500));
    loads.iter_mut().for_each(Load::arrive);
    let tasks = loads.iter().map(|load| load.tasks).sum();
    assert_eq!(compare(tasks, &[a, b], &[&first, &second]), 0);
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_hub_and_an_agent_that_are_killed_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, "");
    let mut agent = agent(folder, "agent", &nats, 1);
    let mut hubs = [hub(folder, "first", &nats), hub(folder, "second", &nats)];
    let mut load = Load::start(&[&agent]);
    load.run(1000);
    let [first, second] = &mut hubs;
    shares(&mut [first, second], &[4, 4]);
    for _ in 0..3 {
        load.run(2000);
        first.kill();
        load.run(2000);
        // The other one takes over what the dead one had.
        shares(&mut [second], &[8]);
        agent.kill();
        agent.restart();
        load.run(2000);
        first.restart();
        shares(&mut [first, second], &[4, 4]);
        load.arrive();
        let several = compare(load.tasks, &[&agent], &[first, second]);
        println!("in both hubs: {several}");
    }
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_stream_s_leader_that_is_killed_under_load_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut nats = Nats::start(folder, 3, "");
    let agent = agent(folder, "agent", &nats, 3);
    let mut hubs = [hub(folder, "first", &nats), hub(folder, "second", &nats)];
    let mut load = Load::start(&[&agent]);
    load.run(1000);
    let [first, second] = &mut hubs;
    shares(&mut [first, second], &[4, 4]);
    for _ in 0..3 {
        load.run(2000);
        let leader = nats.leader("distlog");
        nats.kill(leader);
        load.run(4000);
        nats.restart(leader);
        load.run(2000);
    }
    load.arrive();
    let several = compare(load.tasks, &[&agent], &[first, second]);
    println!("in both hubs: {several}");
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_stream_that_is_full_has_agents_wait_until_hubs_have_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, "");
    let config = format!(
        "processors:
  hub:
    nats: {{ url: {}, stream: distlog, partitions: 2, duplicate_window: 1s, keep: {{ size: 400KiB }} }}
  all: {{ file: {{ path: all.jsonl }} }}
rules: [{{ to: [hub, all] }}]",
        nats.urls()
    );
    let mut agent = start(folder, "agent", &config);
    let mut load = Load::start(&[&agent]);
    load.run(2000);
    load.arrive();
    said(&mut agent, "is full (", 1);
    let hub = hub(folder, "hub", &nats);
    // It was full for longer than it knows what it has; the agent knows it.
    compare(load.tasks, &[&agent], &[&hub]);
}

/// As after a time without servers that was longer than a lease: who comes back needs fewer than before.
#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn a_partition_that_is_a_hub_s_and_is_not_read_by_it_goes_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, "");
    let _agent = agent(folder, "agent", &nats, 1);
    let hubs = ["first", "second"].map(|name| hub(folder, name, &nats));
    let each_has_four = || {
        let read = hubs
            .each_ref()
            .map(|hub| hub.metric("distlogd_source_partitions{source=\"hub\"}"));
        if read == [4.0; 2] { Ok(()) } else { Err(read) }
    };
    eventually("four partitions for each", each_has_four);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bucket = runtime.block_on(async {
        let client = async_nats::connect(nats.address(0)).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        jetstream.get_key_value("distlog-groups").await.unwrap()
    });
    let place = |partition: u16| {
        let entry = runtime.block_on(bucket.entry(format!("hub.p.{partition}")));
        let entry = entry.unwrap().unwrap();
        let value: Value = serde_json::from_slice(&entry.value).unwrap();
        (value, entry.revision)
    };
    let (one, _) = place(0);
    let (taken, other) = (1..8)
        .map(|partition| (partition, place(partition).0))
        .find(|(_, other)| other["owner"] != one["owner"])
        .unwrap();
    eventually("the partition in the name of the other", || {
        let (mut value, revision) = place(taken);
        value["owner"] = one["owner"].clone();
        let key = format!("hub.p.{taken}");
        let written = bucket.update(key, value.to_string().into(), revision);
        runtime.block_on(written)
    });
    eventually("the partition with whom it was", || {
        let (value, _) = place(taken);
        match value["owner"] == other["owner"] {
            true => Ok(()),
            false => Err(value),
        }
    });
    eventually("four partitions for each again", each_has_four);
}

/// What agents and hubs need to be allowed, as the documentation says.
const RIGHTS: &str = "authorization { users: [
  { user: agent, password: 'right-one', permissions: {
    publish: ['distlog.*', '$JS.API.STREAM.INFO.distlog', '$JS.API.STREAM.CREATE.distlog'], subscribe: '_INBOX.>' } }
  { user: hub, password: 'right-one', permissions: {
    publish: ['$JS.API.>', '$KV.distlog-groups.>'], subscribe: '_INBOX.>' } }
] }
";

/// Waits until a daemon has said something so often. It never says a password.
pub(super) fn said(daemon: &mut Daemon, part: &str, count: usize) {
    eventually(part, || {
        let lines = daemon.process().stderr();
        let found = lines.iter().filter(|line| line.contains(part)).count();
        assert!(
            !lines.iter().any(|line| line.contains("-one")),
            "{lines:#?}"
        );
        if found == count { Ok(()) } else { Err(lines) }
    });
}

#[test]
#[ignore = "needs nats-server: see .ci/run"]
fn who_is_refused_or_finds_another_stream_says_so_once_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nats = Nats::start(folder, 1, RIGHTS);
    let at = nats.address(0);
    let server = |user: &str, password: &str, stream: &str| {
        format!("url: 'nats://{at}', user: {user}, password: {password}, stream: {stream}")
    };
    let agent = |password: &str, partitions: u16| {
        format!(
            "sources: {{ in: {{ nats: {{ {}, group: hub }} }} }}
processors:
  hub: {{ nats: {{ {}, partitions: {partitions} }} }}
  all: {{ file: {{ path: all.jsonl }} }}
rules: [{{ to: [hub, all] }}]",
            server("hub", password, "other"),
            server("agent", password, "distlog"),
        )
    };
    let mut wrong = start(folder, "wrong", &agent("wrong-one", 4));
    let refused = |user: &str| {
        format!("NATS at {at} refuses the user `{user}` with the password of `password`: ")
    };
    said(&mut wrong, &refused("agent"), 1);
    said(&mut wrong, &refused("hub"), 1);
    // It has tried more often, and says no more.
    eventually("attempts", || {
        let retries = wrong.metric("distlogd_processor_retries_total{processor=\"hub\"}");
        if retries >= 4.0 { Ok(()) } else { Err(retries) }
    });
    said(&mut wrong, &refused("agent"), 1);
    said(&mut wrong, &refused("hub"), 1);

    let mut right = start(folder, "right", &agent("right-one", 4));
    said(
        &mut right,
        &format!("publishes to the stream distlog at {at}, 4 partitions"),
        1,
    );
    said(&mut right, &format!("there is no stream other at {at}"), 1);
    let mut other = start(folder, "other", &agent("right-one", 8));
    let differs = "is there with other settings: partitions 4, not 8; change the configuration";
    said(&mut other, differs, 1);

    let hub = format!(
        "sources: {{ in: {{ nats: {{ {}, group: hub }} }} }}
processors: {{ all: {{ file: {{ path: all.jsonl }} }} }}
rules: [{{ to: [all] }}]",
        server("hub", "right-one", "distlog")
    );
    let hub = start(folder, "hub", &hub);
    let mut load = Load::start(&[&right]);
    load.run(1000);
    load.arrive();
    assert_eq!(compare(load.tasks, &[&right], &[&hub]), 0);
}
