//! A session receiver that the test speaks for: a real ROUTER socket, each word of which is said by hand.

use std::time::{Duration, Instant};

use distlog_proto::session::{
    Ack, BatchHeader, Bye, Closing, Dropped, Ping, Refused, Rewind, ToClient, ToDaemon, VERSION,
    Welcome,
};
use distlog_proto::{BatchRef, ProducerId, Record};

use super::LONG;

pub struct ScriptedDaemon {
    socket: zmq::Socket,
    pub address: String,
}

/// Who spoke, on which connection.
pub type Peer = Vec<u8>;

/// What a client said.
#[derive(Debug, Clone)]
pub enum Heard {
    Hello(Hello),
    Batch(Batch),
    Ping(Ping),
    Bye(Bye),
}

#[derive(Debug, Clone)]
pub struct Hello {
    pub version: u32,
    pub producer: ProducerId,
    pub epoch: u64,
    pub acked: u64,
    pub head: u64,
    pub dropped: Dropped,
    pub service: String,
}

#[derive(Debug, Clone)]
pub struct Batch {
    pub header: BatchHeader,
    pub bytes: Vec<u8>,
    pub records: Vec<Record>,
}

impl ScriptedDaemon {
    pub fn tcp() -> ScriptedDaemon {
        ScriptedDaemon::at("tcp://127.0.0.1:*")
    }

    pub fn at(address: &str) -> ScriptedDaemon {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::ROUTER).unwrap();
        socket.set_linger(0).unwrap();
        // An address that somebody just left may need a moment.
        let deadline = Instant::now() + LONG;
        while let Err(error) = socket.bind(address) {
            assert!(Instant::now() < deadline, "{address}: {error}");
            std::thread::yield_now();
        }
        let address = socket.get_last_endpoint().unwrap().unwrap();
        ScriptedDaemon { socket, address }
    }

    pub fn into_socket(self) -> zmq::Socket {
        self.socket
    }

    /// What comes next, within the time.
    pub fn hear(&self, timeout: Duration) -> Option<(Peer, Heard)> {
        let millis = timeout.as_millis() as i64;
        if self.socket.poll(zmq::POLLIN, millis).unwrap() == 0 {
            return None;
        }
        let frames = self.socket.recv_multipart(0).unwrap();
        let heard = match ToDaemon::decode(&frames[1]).unwrap() {
            ToDaemon::Hello(hello) => Heard::Hello(Hello {
                version: hello.version,
                producer: hello.producer,
                epoch: hello.epoch,
                acked: hello.acked,
                head: hello.head,
                dropped: hello.dropped,
                service: BatchRef::parse(hello.source)
                    .unwrap()
                    .source()
                    .service
                    .to_owned(),
            }),
            ToDaemon::Batch(header) => Heard::Batch(Batch {
                header,
                records: records(&frames[2]),
                bytes: frames[2].clone(),
            }),
            ToDaemon::Ping(ping) => Heard::Ping(ping),
            ToDaemon::Bye(bye) => Heard::Bye(bye),
        };
        Some((frames[0].clone(), heard))
    }

    /// The next that is no ping.
    pub fn word(&self) -> (Peer, Heard) {
        loop {
            match self.hear(LONG).expect("the client says something") {
                (_, Heard::Ping(_)) => {}
                word => return word,
            }
        }
    }

    /// A hello, on a connection that nothing was said on.
    pub fn hello(&self) -> (Peer, Hello) {
        match self.word() {
            (peer, Heard::Hello(hello)) => (peer, hello),
            (_, other) => panic!("no hello: {other:?}"),
        }
    }

    /// A batch of the session.
    pub fn batch(&self, session: u64) -> Batch {
        match self.word() {
            (_, Heard::Batch(batch)) if batch.header.session == session => batch,
            (_, other) => panic!("no batch of {session}: {other:?}"),
        }
    }

    pub fn ping(&self) -> Ping {
        match self.hear(LONG).expect("a ping") {
            (_, Heard::Ping(ping)) => ping,
            (_, other) => panic!("no ping: {other:?}"),
        }
    }

    pub fn bye(&self) -> Bye {
        match self.word() {
            (_, Heard::Bye(bye)) => bye,
            (_, other) => panic!("no bye: {other:?}"),
        }
    }

    pub fn say(&self, peer: &Peer, what: &ToClient<'_>) {
        let mut frame = Vec::new();
        what.encode(&mut frame);
        self.socket.send_multipart([peer, &frame], 0).unwrap();
    }

    pub fn welcome(&self, peer: &Peer, hello: &Hello, session: u64, stored_to: u64, credit: u64) {
        let welcome = Welcome {
            version: VERSION,
            session,
            epoch: hello.epoch,
            stored_to,
            credit,
        };
        self.say(peer, &ToClient::Welcome(welcome));
    }

    pub fn ack(&self, peer: &Peer, session: u64, stored_to: u64, credit: u64) {
        let ack = Ack {
            session,
            stored_to,
            credit,
        };
        self.say(peer, &ToClient::Ack(ack));
    }

    pub fn rewind(&self, peer: &Peer, session: u64, received_to: u64, stored_to: u64) {
        let rewind = Rewind {
            session,
            received_to,
            stored_to,
            credit: u64::MAX,
        };
        self.say(peer, &ToClient::Rewind(rewind));
    }

    pub fn refuse(&self, peer: &Peer, refused: Refused<'static>) {
        self.say(peer, &ToClient::Refused(refused));
    }

    pub fn closing(&self, peer: &Peer, session: u64) {
        self.say(peer, &ToClient::Closing(Closing { session }));
    }
}

pub fn records(batch: &[u8]) -> Vec<Record> {
    BatchRef::parse(batch)
        .unwrap()
        .records()
        .map(|record| record.unwrap().to_record())
        .collect()
}
