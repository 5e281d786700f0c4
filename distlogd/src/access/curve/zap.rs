//! [`Zap`]: answers libzmq, which asks for the key of each connection, and reports who was refused.
//!
//! What ends before keys are compared (plain text, a wrong key of the daemon, altered bytes) is not reported. Only
//! libzmq's monitor tells of it, and with a monitor of such failures libzmq 4.3.5 keeps a connection with an altered
//! message, unread and for ever: it takes the error for a full queue (`errno` after
//! `event_handshake_failed_protocol`, `curve_mechanism_base_t::decode`).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_client::{Curve, KeyPair, PublicKey};

use super::clients::Clients;
use super::guarded::GuardedSocket;
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::self_telemetry::RejectedInput;

const NAME: &str = "the check of keys";
/// Where libzmq asks, within each context (ZAP).
const ADDRESS: &str = "inproc://zeromq.zap.01";
/// Interval at which the thread checks whether it is to end.
const TICK: Duration = Duration::from_millis(100);
/// Interval at which folders of keys are checked for changes.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Time for a handshake, in milliseconds.
const HANDSHAKE_MS: i32 = 10_000;

/// The keys of one receiver.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverKeys {
    /// Its name, also the ZAP domain of its socket.
    receiver: &'static str,
    own: KeyPair,
    clients: Arc<Clients>,
}

impl ReceiverKeys {
    /// Sets up a socket that is not bound yet.
    ///
    /// # Errors
    /// What libzmq says.
    pub(crate) fn set_on(&self, socket: &zmq::Socket) -> Result<(), zmq::Error> {
        socket.set_curve_server(true)?;
        socket.set_curve_secretkey(self.own.expose_secret())?;
        socket.set_zap_domain(self.receiver)?;
        socket.set_handshake_ivl(HANDSHAKE_MS)
    }
}

/// The thread that answers. Without it libzmq lets every key in, so it runs longer than the receivers.
pub(crate) struct Zap {
    requests: Option<zmq::Socket>,
    receivers: Vec<ReceiverKeys>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Zap {
    /// For a context without bound sockets.
    ///
    /// # Errors
    /// In words for people: libzmq lacks CURVE, or gives no socket.
    pub(crate) fn open(context: &zmq::Context) -> Result<Zap, String> {
        Curve::check_supported().map_err(|_| {
            "this distlogd was built with a libzmq without CURVE: build it from its repository, whose zmq-sys has it"
        })?;
        let open = || {
            let requests = context.socket(zmq::REP)?;
            requests.set_linger(0)?;
            requests.bind(ADDRESS)?;
            Ok(requests)
        };
        Ok(Zap {
            requests: Some(open().map_err(|error: zmq::Error| error.to_string())?),
            receivers: Vec::new(),
            stop: Arc::default(),
            thread: None,
        })
    }

    /// Reads the keys of a receiver, whose socket is then to be guarded.
    ///
    /// # Errors
    /// If they cannot be read, in words for people.
    pub(crate) fn read(
        &self,
        receiver: &'static str,
        (key, clients): (&Path, &Path),
    ) -> Result<ReceiverKeys, String> {
        Ok(ReceiverKeys {
            receiver,
            own: KeyPair::read(key).map_err(|error| error.to_string())?,
            clients: self.clients(clients)?,
        })
    }

    /// The keys of a folder, which several receivers may share.
    fn clients(&self, folder: &Path) -> Result<Arc<Clients>, String> {
        let mut known = self.receivers.iter().map(|known| &known.clients);
        match known.find(|known| known.folder() == folder) {
            Some(known) => Ok(Arc::clone(known)),
            None => Clients::open(folder).map(Arc::new),
        }
    }

    /// Answers for the socket of a receiver, from its start on.
    pub(crate) fn guard(&mut self, socket: zmq::Socket, keys: ReceiverKeys) -> GuardedSocket {
        let clients = Arc::clone(&keys.clients);
        self.receivers.push(keys);
        GuardedSocket::new(socket, Some(clients))
    }
}

impl Receiver for Zap {
    /// Nobody connects to it from outside.
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let Some(requests) = self.requests.take() else {
            return Ok(());
        };
        let answering = Answering {
            requests,
            receivers: std::mem::take(&mut self.receivers),
            rejected: Arc::clone(&context.rejected),
            stop: Arc::clone(&self.stop),
        };
        let supervisor = context.supervisor;
        let thread = std::thread::Builder::new().name("keys".into());
        self.thread = Some(thread.spawn(move || {
            let _watched = supervisor.watch(NAME);
            if let Err(error) = answering.run() {
                tracing::error!("{NAME} has failed: {error}");
                supervisor.fail(NAME);
            }
        })?);
        Ok(())
    }

    /// It takes nothing that must be stored.
    fn is_stopped(&self) -> bool {
        true
    }

    fn wait(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The supervisor hears of a panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Answering {
    requests: zmq::Socket,
    receivers: Vec<ReceiverKeys>,
    rejected: Arc<RejectedInput>,
    stop: Arc<AtomicBool>,
}

impl Answering {
    fn run(self) -> Result<(), zmq::Error> {
        let mut looked = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let mut items = [self.requests.as_poll_item(zmq::POLLIN)];
            match zmq::poll(&mut items, TICK.as_millis() as i64) {
                Ok(_) | Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(error),
            }
            if looked.elapsed() >= LOOK_INTERVAL {
                looked = Instant::now();
                self.receivers.iter().for_each(|one| one.clients.look());
            }
            while let Ok(request) = self.requests.recv_multipart(zmq::DONTWAIT) {
                let answer = self.answer(&request);
                self.requests.send_multipart(answer, 0)?;
            }
        }
        Ok(())
    }

    /// Version, request id, status code and text, user id (a key's text, which messages then have) and metadata.
    fn answer(&self, request: &[Vec<u8>]) -> [Vec<u8>; 6] {
        let [_, id, domain, address, _, mechanism, credentials @ ..] = request else {
            let id = request.get(1).cloned().unwrap_or_default();
            return answer(&id, "500", "");
        };
        if mechanism == b"NULL" {
            // libzmq also asks for sockets without keys. To one with keys it admits no connection without.
            return answer(id, "200", "");
        }
        let receiver = self
            .receivers
            .iter()
            .find(|one| one.receiver.as_bytes() == domain);
        let key = match credentials {
            [key] if mechanism == b"CURVE" => <[u8; 32]>::try_from(&key[..]).ok(),
            _ => None,
        };
        let (Some(keys), Some(key)) = (receiver, key.map(PublicKey::from)) else {
            return answer(id, "400", "");
        };
        if keys.clients.has(key) {
            return answer(id, "200", &key.to_string());
        }
        let peer = String::from_utf8_lossy(address);
        let detail = format_args!(
            "the key {key} is not in {}",
            keys.clients.folder().display()
        );
        self.rejected
            .report(keys.receiver, "unknown key", Some(&peer), detail);
        answer(id, "400", "")
    }
}

fn answer(id: &[u8], status: &str, user: &str) -> [Vec<u8>; 6] {
    let text = if status == "200" { "OK" } else { "unknown key" };
    [
        b"1.0".into(),
        id.into(),
        status.into(),
        text.into(),
        user.into(),
        Vec::new(),
    ]
}
