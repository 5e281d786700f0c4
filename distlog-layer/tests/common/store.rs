//! A session receiver that keeps its promises: the daemon's state machine over a store in memory, in a thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_proto::session::{
    BatchDecision, Bye, ByeReason, Dropped, EndReason, Sessions, ToClient, ToDaemon,
};
use distlog_proto::{ProducerId, Record};

use super::LONG;
use super::scripted_daemon::records;

/// For a client to read what is said at last.
const LAST_WORDS: Duration = Duration::from_millis(200);

pub struct Store {
    pub address: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    kept: Mutex<Kept>,
    /// Nothing more is stored, though it is taken.
    stuck: AtomicBool,
    /// Ends: `true` for saying so before.
    end: Mutex<Option<bool>>,
}

/// What a store has; it can be given to the next one.
#[derive(Default, Clone)]
pub struct Kept {
    pub records: Vec<Record>,
    pub stands: HashMap<ProducerId, u64>,
    /// Each hello, with its epoch.
    pub hellos: Vec<(ProducerId, u64)>,
    pub byes: Vec<(ProducerId, ByeReason, Dropped)>,
}

impl Kept {
    pub fn messages(&self) -> Vec<&str> {
        self.records.iter().map(|r| r.message.as_str()).collect()
    }

    pub fn epochs(&self, producer: ProducerId) -> Vec<u64> {
        let hellos = self.hellos.iter();
        hellos
            .filter(|(who, _)| *who == producer)
            .map(|(_, epoch)| *epoch)
            .collect()
    }
}

impl Store {
    pub fn tcp() -> Store {
        Store::at("tcp://127.0.0.1:*", Kept::default())
    }

    pub fn at(address: &str, kept: Kept) -> Store {
        let scripted = super::scripted_daemon::ScriptedDaemon::at(address);
        let state = Arc::new(State {
            kept: Mutex::new(kept),
            ..State::default()
        });
        let address = scripted.address.clone();
        let thread = {
            let state = Arc::clone(&state);
            std::thread::spawn(move || run(scripted.into_socket(), &state))
        };
        Store {
            address,
            state,
            thread: Some(thread),
        }
    }

    /// An address where nobody is.
    pub fn nowhere(address: String) -> Store {
        Store {
            address,
            state: Arc::default(),
            thread: None,
        }
    }

    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.state.kept.lock().unwrap()
    }

    /// Waits until it has what is wanted.
    pub fn until(&self, what: &str, fits: impl Fn(&Kept) -> bool) {
        let deadline = Instant::now() + LONG;
        loop {
            let kept = self.kept();
            if fits(&kept) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not within {LONG:?}: {what}; there are {:?}, hellos {:?}, byes {:?}",
                kept.messages(),
                kept.hellos,
                kept.byes
            );
            drop(kept);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn until_message(&self, message: &str) {
        self.until(message, |kept| kept.messages().contains(&message));
    }

    /// From now on takes batches and makes none durable.
    pub fn stick(&self) {
        self.state.stuck.store(true, Ordering::SeqCst);
    }

    /// Says that it stops, and does.
    pub fn close(self) -> Kept {
        self.end(true)
    }

    /// Is gone without a word.
    pub fn die(self) -> Kept {
        self.end(false)
    }

    fn end(mut self, says: bool) -> Kept {
        *self.state.end.lock().unwrap() = Some(says);
        self.thread.take().unwrap().join().unwrap();
        self.kept().clone()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.state.end.lock().unwrap().get_or_insert(false);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(socket: zmq::Socket, state: &State) {
    let mut sessions = Sessions::new(64 << 20);
    let mut answers = Vec::new();
    loop {
        if let Some(says) = *state.end.lock().unwrap() {
            if says {
                sessions.closing(&mut answers);
                say(&socket, &mut answers);
                // A client drops what it has not read when the connection breaks, so it is given the time to read.
                let end = Instant::now() + LAST_WORDS;
                while Instant::now() < end {
                    let _ =
                        socket.poll(zmq::POLLIN, 10).unwrap() > 0 && socket.recv_bytes(0).is_ok();
                }
            }
            return;
        }
        let now = Instant::now();
        sessions.tick(now, &mut answers);
        if socket.poll(zmq::POLLIN, 5).unwrap() > 0 {
            let frames = socket.recv_multipart(0).unwrap();
            hear(&mut sessions, state, &frames, now, &mut answers);
        }
        say(&socket, &mut answers);
    }
}

type Answers = Vec<(Vec<u8>, ToClient<'static>)>;

fn hear(
    sessions: &mut Sessions<Vec<u8>>,
    state: &State,
    frames: &[Vec<u8>],
    now: Instant,
    answers: &mut Answers,
) {
    let peer = frames[0].clone();
    let mut kept = state.kept.lock().unwrap();
    let answer = match ToDaemon::decode(&frames[1]).unwrap() {
        ToDaemon::Hello(hello) => match sessions.hello(peer.clone(), &hello, now, answers) {
            Ok(None) => None,
            Ok(Some(asked)) => {
                kept.hellos.push((hello.producer, hello.epoch));
                let stands = kept.stands.entry(hello.producer).or_default();
                *stands = asked.acked.max(*stands);
                sessions.resume_at(asked.session, *stands, now, answers);
                None
            }
            Err(refused) => Some(ToClient::Refused(refused)),
        },
        ToDaemon::Batch(header) => match sessions.batch(&peer, header, now) {
            BatchDecision::Take if state.stuck.load(Ordering::SeqCst) => None,
            BatchDecision::Take => {
                let producer = sessions.producer(header.session).unwrap();
                let records = records(&frames[2]);
                for record in &records {
                    assert!((header.from..header.to).contains(&record.offset));
                    assert_eq!(record.source.producer, producer);
                }
                kept.records.extend(records);
                kept.stands.insert(producer, header.to);
                sessions.durable(header.session, header.to, answers);
                None
            }
            BatchDecision::Replay(ack) => Some(ToClient::Ack(ack)),
            BatchDecision::Rewind(rewind) => Some(ToClient::Rewind(rewind)),
            BatchDecision::Ignore => None,
            BatchDecision::Refused(refused) => Some(ToClient::Refused(refused)),
        },
        ToDaemon::Ping(ping) => Some(
            sessions
                .ping(&peer, ping, now)
                .unwrap_or_else(ToClient::Refused),
        ),
        ToDaemon::Bye(bye @ Bye { dropped, .. }) => {
            if let Some(ended) = sessions.bye(&peer, bye)
                && let EndReason::Bye(reason) = ended.reason
            {
                kept.byes.push((ended.producer, reason, dropped));
            }
            None
        }
    };
    answers.extend(answer.map(|answer| (peer, answer)));
}

fn say(socket: &zmq::Socket, answers: &mut Answers) {
    for (peer, answer) in answers.drain(..) {
        let mut frame = Vec::new();
        answer.encode(&mut frame);
        socket.send_multipart([peer, frame], 0).unwrap();
    }
}
