//! Both ends of a session against a model: a network that loses, repeats and reorders messages, daemons that crash with
//! what is not durable, a client that dies and is followed by a drainer, and two daemons to choose from.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{
    BatchDecision, BatchHeader, ByeReason, Client, Sessions, ToClient, ToDaemon,
};
use proptest::prelude::*;

/// What outlives the client's process: its records, by their offsets, and what it knows to be durable.
#[derive(Default)]
struct Spool {
    /// Offset and end of each record.
    records: Vec<(u64, u64)>,
    head: u64,
    acked: u64,
    epoch: u64,
}

/// A message to a daemon, as it travels.
type Frames = (Vec<u8>, Vec<u64>);

struct Connection {
    id: u32,
    daemon: usize,
    to_daemon: VecDeque<Frames>,
    to_client: VecDeque<Vec<u8>>,
}

enum Item {
    Batch(u64, u64, u64, Vec<u64>),
    Stand(u64, u64),
}

/// A daemon with its store. What is durable stays when it crashes.
struct Daemon {
    sessions: Sessions<u32>,
    queue: VecDeque<Item>,
    appended: Vec<(u64, u64, Vec<u64>)>,
    /// Where the producer stands by what is appended.
    stands: u64,
    answers_due: Vec<(u64, Option<u64>)>,
    durable: Vec<(u64, u64, Vec<u64>)>,
    durable_stands: u64,
}

const BUDGET: u64 = 256 << 10;

impl Daemon {
    fn new() -> Daemon {
        Daemon {
            sessions: Sessions::new(BUDGET),
            queue: VecDeque::new(),
            appended: Vec::new(),
            stands: 0,
            answers_due: Vec::new(),
            durable: Vec::new(),
            durable_stands: 0,
        }
    }

    fn crash(&mut self) {
        self.sessions = Sessions::new(BUDGET);
        self.queue.clear();
        self.appended.clear();
        self.answers_due.clear();
        self.stands = self.durable_stands;
    }

    /// The store's thread takes one item.
    fn work(&mut self) {
        match self.queue.pop_front() {
            Some(Item::Batch(session, from, to, records)) => {
                assert_eq!(
                    from, self.stands,
                    "the daemon let a gap or a replay through"
                );
                self.stands = to;
                self.appended.push((from, to, records));
                self.answers_due.push((session, Some(to)));
            }
            Some(Item::Stand(session, acked)) => {
                self.stands = self.stands.max(acked);
                self.answers_due.push((session, None));
            }
            None => {}
        }
    }

    fn commit(&mut self, now: Instant, out: &mut Vec<(u32, ToClient<'static>)>) {
        let batches = std::mem::take(&mut self.appended);
        if let Some((_, to, _)) = batches.last() {
            self.durable_stands = *to;
        }
        self.durable.extend(batches);
        for (session, to) in std::mem::take(&mut self.answers_due) {
            match to {
                Some(to) => self.sessions.durable(session, to, out),
                None => self.sessions.resume_at(session, self.stands, now, out),
            }
        }
    }
}

struct World {
    now: Instant,
    spool: Spool,
    client: Client,
    connection: Option<Connection>,
    /// Connections that the client has given up; what is on its way may still arrive.
    old: Vec<Connection>,
    daemons: [Daemon; 2],
    connections: u32,
}

fn producer() -> ProducerId {
    ProducerId::from_bytes([7; 16])
}

fn client(acked: u64, now: Instant) -> Client {
    Client::new(producer(), acked, Duration::from_secs(5), now)
}

impl World {
    fn new() -> World {
        let now = Instant::now();
        World {
            now,
            spool: Spool::default(),
            client: client(0, now),
            connection: None,
            old: Vec::new(),
            daemons: [Daemon::new(), Daemon::new()],
            connections: 0,
        }
    }

    fn log(&mut self, size: u64) {
        // Some offsets are holes.
        let at = self.spool.head + if size.is_multiple_of(7) { 16 } else { 0 };
        let end = at + 16 * (1 + size);
        self.spool.records.push((at, end));
        self.spool.head = end;
    }

    fn connect(&mut self, daemon: usize) {
        self.old.extend(self.connection.take());
        self.connections += 1;
        self.spool.epoch += 1;
        let hello = self
            .client
            .hello(self.spool.epoch, self.spool.head, [0; 5], b"", self.now);
        let mut frame = Vec::new();
        ToDaemon::Hello(hello).encode(&mut frame);
        self.connection = Some(Connection {
            id: self.connections,
            daemon,
            to_daemon: VecDeque::from([(frame, Vec::new())]),
            to_client: VecDeque::new(),
        });
    }

    fn say(&mut self, message: ToDaemon<'_>, records: Vec<u64>) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let mut frame = Vec::new();
        message.encode(&mut frame);
        connection.to_daemon.push_back((frame, records));
    }

    /// Sends a batch of at most `most` records, if it may.
    fn send(&mut self, most: usize) -> bool {
        let from = self.client.next();
        let waiting: Vec<(u64, u64)> = self
            .spool
            .records
            .iter()
            .copied()
            .filter(|(at, _)| *at >= from)
            .take(most.max(1))
            .collect();
        let Some(&(_, to)) = waiting.last() else {
            return false;
        };
        if !self.client.may_send() {
            return false;
        }
        let header = self.client.batch(to);
        assert_eq!(header.from, from);
        self.say(
            ToDaemon::Batch(header),
            waiting.into_iter().map(|(at, _)| at).collect(),
        );
        true
    }

    fn hear(&mut self, frame: &[u8]) {
        let message = ToClient::decode(frame).unwrap();
        let result = self.client.receive(&message, self.spool.head, self.now);
        self.kept(self.client.acked());
        if result.is_err() {
            self.old.extend(self.connection.take());
        }
    }

    /// The client forgets what is acked: it must be durable somewhere.
    fn kept(&mut self, acked: u64) {
        assert!(acked >= self.spool.acked);
        for (at, _) in &self.spool.records {
            if (self.spool.acked..acked).contains(at) {
                let durable = self.daemons.iter().any(|daemon| {
                    daemon
                        .durable
                        .iter()
                        .any(|(_, _, records)| records.contains(at))
                });
                assert!(durable, "record {at} was acked and is nowhere");
            }
        }
        self.spool.acked = acked;
    }

    /// A daemon takes what came over a connection.
    fn take(&mut self, (frame, records): Frames, peer: u32, daemon: usize) {
        let now = self.now;
        let daemon_at = daemon;
        let daemon = &mut self.daemons[daemon];
        let mut out = Vec::new();
        match ToDaemon::decode(&frame).unwrap() {
            ToDaemon::Hello(hello) => match daemon.sessions.hello(peer, &hello, now, &mut out) {
                Ok(Some(asked)) => daemon
                    .queue
                    .push_back(Item::Stand(asked.session, asked.acked)),
                Ok(None) => {}
                Err(refused) => out.push((peer, ToClient::Refused(refused))),
            },
            ToDaemon::Batch(header) => match daemon.sessions.batch(&peer, header, now) {
                BatchDecision::Take => {
                    let BatchHeader { session, from, to } = header;
                    daemon
                        .queue
                        .push_back(Item::Batch(session, from, to, records));
                }
                BatchDecision::Replay(ack) => out.push((peer, ToClient::Ack(ack))),
                BatchDecision::Rewind(rewind) => out.push((peer, ToClient::Rewind(rewind))),
                BatchDecision::Ignore => {}
                BatchDecision::Refused(refused) => out.push((peer, ToClient::Refused(refused))),
            },
            ToDaemon::Ping(ping) => out.push((
                peer,
                daemon
                    .sessions
                    .ping(&peer, ping, now)
                    .unwrap_or_else(ToClient::Refused),
            )),
            ToDaemon::Bye(bye) => drop(daemon.sessions.bye(&peer, bye)),
        }
        self.answer(daemon_at, out);
    }

    fn answer(&mut self, daemon: usize, answers: Vec<(u32, ToClient<'static>)>) {
        for (peer, message) in answers {
            let mut frame = Vec::new();
            message.encode(&mut frame);
            if let Some(connection) = &mut self.connection
                && (connection.id, connection.daemon) == (peer, daemon)
            {
                connection.to_client.push_back(frame);
            }
        }
    }

    fn daemon_step(&mut self, daemon: usize, commit: bool) {
        let mut out = Vec::new();
        self.daemons[daemon].work();
        if commit {
            self.daemons[daemon].commit(self.now, &mut out);
        }
        self.daemons[daemon].sessions.tick(self.now, &mut out);
        self.answer(daemon, out);
    }

    fn check(&mut self) {
        match self.client.check(self.spool.head, [0; 5], self.now) {
            Ok(Some(ping)) => self.say(ToDaemon::Ping(ping), Vec::new()),
            Ok(None) => {}
            Err(_) => self.old.extend(self.connection.take()),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Log(size) => self.log(size),
            Step::Connect(daemon) => self.connect(daemon),
            Step::Send(most) => _ = self.send(most),
            Step::Move(daemon) => {
                if let Some(bye) = self.client.bye(ByeReason::Moving, [0; 5]) {
                    self.say(ToDaemon::Bye(bye), Vec::new());
                }
                self.connect(daemon);
            }
            Step::ClientDies => {
                // Whoever drains its spool knows what it had written down.
                self.old.extend(self.connection.take());
                self.client = client(self.spool.acked, self.now);
            }
            Step::DaemonDies(daemon) => {
                self.daemons[daemon].crash();
                for connection in self.connection.iter_mut().chain(&mut self.old) {
                    if connection.daemon == daemon {
                        connection.to_daemon.clear();
                        connection.to_client.clear();
                    }
                }
            }
            Step::Store(daemon, commit) => self.daemon_step(daemon, commit),
            Step::Time(ms) => {
                self.now += Duration::from_millis(ms);
                self.check();
            }
            Step::ToDaemon(fate, which) => {
                let old = self.old.len();
                let all = self.old.iter_mut().chain(&mut self.connection);
                let Some(connection) = all.cycle_to(which, old) else {
                    return;
                };
                let (peer, daemon) = (connection.id, connection.daemon);
                if let Some(frames) = fate.of(&mut connection.to_daemon) {
                    self.take(frames, peer, daemon);
                }
            }
            Step::ToClient(fate) => {
                let Some(connection) = &mut self.connection else {
                    return;
                };
                if let Some(frame) = fate.of(&mut connection.to_client) {
                    self.hear(&frame);
                }
            }
        }
    }

    /// Everything works again: all that was logged becomes durable.
    fn settle(&mut self) {
        self.old.clear();
        for _ in 0..3000 {
            if self.client.acked() == self.spool.head && self.client.is_joined() {
                return;
            }
            self.now += Duration::from_millis(50);
            if self.connection.is_none() {
                self.connect(0);
            }
            self.check();
            while self.send(3) {}
            while let Some(connection) = &mut self.connection
                && let Some(frames) = connection.to_daemon.pop_front()
            {
                let (peer, daemon) = (connection.id, connection.daemon);
                self.take(frames, peer, daemon);
            }
            for daemon in 0..2 {
                while !self.daemons[daemon].queue.is_empty() {
                    self.daemon_step(daemon, false);
                }
                self.daemon_step(daemon, true);
            }
            while let Some(connection) = &mut self.connection
                && let Some(frame) = connection.to_client.pop_front()
            {
                self.hear(&frame);
            }
        }
        panic!(
            "only {} of {} became durable: {:?}",
            self.client.acked(),
            self.spool.head,
            self.client
        );
    }

    /// Each store has a record once at most, in order; together they have all.
    fn judge(&self) {
        let mut found: BTreeMap<u64, usize> = BTreeMap::new();
        for daemon in &self.daemons {
            let mut last = 0;
            for (from, to, records) in &daemon.durable {
                assert!(*from >= last, "a store has a range twice");
                last = *to;
                for record in records {
                    assert!((*from..*to).contains(record));
                    *found.entry(*record).or_default() += 1;
                }
            }
        }
        let logged: Vec<u64> = self.spool.records.iter().map(|(at, _)| *at).collect();
        let stored: Vec<u64> = found.into_keys().collect();
        assert_eq!(logged, stored);
    }
}

/// Picks one of several connections.
trait Pick<T> {
    fn cycle_to(self, which: usize, old: usize) -> Option<T>;
}

impl<T, I: Iterator<Item = T>> Pick<T> for I {
    fn cycle_to(mut self, which: usize, old: usize) -> Option<T> {
        // Mostly the newest one.
        let at = if which < 6 { old } else { which % (old + 1) };
        self.nth(at)
    }
}

/// What the network does with a message.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Overtakes(usize),
    IsLost,
    ArrivesAndStays,
}

impl Fate {
    fn of<T: Clone>(self, queue: &mut VecDeque<T>) -> Option<T> {
        match self {
            Fate::Arrives => queue.pop_front(),
            Fate::Overtakes(by) => match queue.len() {
                0 => None,
                len => queue.remove(by % len),
            },
            Fate::IsLost => {
                queue.pop_front();
                None
            }
            Fate::ArrivesAndStays => queue.front().cloned(),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Log(u64),
    Connect(usize),
    Send(usize),
    Move(usize),
    ClientDies,
    DaemonDies(usize),
    Store(usize, bool),
    Time(u64),
    ToDaemon(Fate, usize),
    ToClient(Fate),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        20 => Just(Fate::Arrives),
        1 => (0usize..4).prop_map(Fate::Overtakes),
        1 => Just(Fate::IsLost),
        1 => Just(Fate::ArrivesAndStays),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0u64..4000).prop_map(Step::Log),
        2 => (0usize..2).prop_map(Step::Connect),
        12 => (1usize..4).prop_map(Step::Send),
        1 => (0usize..2).prop_map(Step::Move),
        1 => Just(Step::ClientDies),
        1 => (0usize..2).prop_map(Step::DaemonDies),
        12 => (0usize..2, any::<bool>()).prop_map(|(daemon, commit)| Step::Store(daemon, commit)),
        4 => (1u64..1500).prop_map(Step::Time),
        16 => (fate(), 0usize..9).prop_map(|(fate, which)| Step::ToDaemon(fate, which)),
        16 => fate().prop_map(Step::ToClient),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_record_is_stored_once(steps in proptest::collection::vec(step(), 1..250)) {
        let mut world = World::new();
        world.connect(0);
        for step in &steps {
            world.step(step);
        }
        world.settle();
        world.judge();
    }
}
