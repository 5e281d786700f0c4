//! A client of the session receiver that says whatever it is told to, over a raw socket.

use std::time::Duration;

use distlog_proto::session::{
    Ack, BatchHeader, Bye, ByeReason, Dropped, Hello, NO_FILTER, Ping, Refused, RefusedReason,
    Rewind, ToClient, ToDaemon, VERSION, Welcome,
};
use distlog_proto::wire::{self, BatchWriter};
use distlog_proto::{ProducerId, Record, Source};
use distlogd::daemon::Daemon;

pub fn id(n: u8) -> ProducerId {
    ProducerId::from_bytes([n; 16])
}

pub fn source(producer: ProducerId) -> Source {
    Source {
        producer,
        host: "here".into(),
        process_id: 77,
        service: "shop".into(),
        ..Source::default()
    }
}

/// A batch with these records; their source is made right.
pub fn body(producer: ProducerId, records: Vec<Record>) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    for mut record in records {
        record.source = source(producer);
        writer.push(&record);
    }
    writer.finish()
}

pub fn record(offset: u64, message: &str) -> Record {
    Record {
        offset,
        message: message.into(),
        time: 1_700_000_000_000_000_000 + offset,
        ..Record::default()
    }
}

/// One connection, of one producer.
pub struct Client {
    pub socket: zmq::Socket,
    pub producer: ProducerId,
    /// What the last welcome said.
    pub session: u64,
    pub stored_to: u64,
    pub credit: u64,
    /// It says that it has records up to here.
    pub waiting: u64,
}

impl Client {
    pub fn connect(context: &zmq::Context, daemon: &Daemon, producer: ProducerId) -> Client {
        Client::connect_to(context, daemon.address("session").unwrap(), producer)
    }

    pub fn connect_to(context: &zmq::Context, endpoint: &str, producer: ProducerId) -> Client {
        let socket = context.socket(zmq::DEALER).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_rcvtimeo(60_000).unwrap();
        socket.connect(endpoint).unwrap();
        Client {
            socket,
            producer,
            session: 0,
            stored_to: 0,
            credit: 0,
            waiting: 1 << 40,
        }
    }

    /// Connects and is welcomed.
    pub fn join(
        context: &zmq::Context,
        daemon: &Daemon,
        producer: ProducerId,
        epoch: u64,
    ) -> Client {
        let mut client = Client::connect(context, daemon, producer);
        client.hello(epoch, 0);
        client.welcomed();
        client
    }

    pub fn say(&self, said: &ToDaemon<'_>) {
        let mut frame = Vec::new();
        said.encode(&mut frame);
        self.socket.send(frame, 0).unwrap();
    }

    pub fn hello(&self, epoch: u64, acked: u64) {
        let mut about = Vec::new();
        wire::encode::source(&mut about, &source(self.producer));
        self.say(&ToDaemon::Hello(Hello {
            version: VERSION,
            producer: self.producer,
            epoch,
            acked,
            head: self.waiting,
            dropped: [0; 5],
            source: &about,
        }));
    }

    pub fn welcomed(&mut self) -> Welcome {
        match self.hear() {
            ToClient::Welcome(welcome) => {
                self.session = welcome.session;
                self.stored_to = welcome.stored_to;
                self.credit = welcome.credit;
                welcome
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends records that cover these offsets.
    pub fn send(&self, from: u64, to: u64, records: Vec<Record>) {
        self.send_as(self.session, from, to, body(self.producer, records));
    }

    pub fn send_as(&self, session: u64, from: u64, to: u64, body: Vec<u8>) {
        let mut frame = Vec::new();
        ToDaemon::Batch(BatchHeader { session, from, to }).encode(&mut frame);
        self.socket.send_multipart([frame, body], 0).unwrap();
    }

    pub fn ping(&self, dropped: Dropped) {
        self.ping_of(dropped, NO_FILTER);
    }

    /// A ping that says which levels it applies.
    pub fn ping_levels(&self, levels: u64) {
        self.ping_of([0; 5], levels);
    }

    fn ping_of(&self, dropped: Dropped, levels: u64) {
        self.say(&ToDaemon::Ping(Ping {
            session: self.session,
            sent: 0,
            head: self.waiting,
            dropped,
            levels,
        }));
    }

    pub fn bye(&self, reason: ByeReason) {
        self.say(&ToDaemon::Bye(Bye {
            session: self.session,
            reason,
            dropped: [0; 5],
        }));
    }

    /// The next thing that the daemon says.
    #[track_caller]
    pub fn hear(&self) -> ToClient<'static> {
        let frame = self.socket.recv_bytes(0).expect("the daemon says nothing");
        assert!(
            !self.socket.get_rcvmore().unwrap(),
            "an answer is one frame"
        );
        ToClient::decode(&frame).unwrap().into_owned()
    }

    /// Whether nothing is said for a while.
    pub fn hears_nothing(&self, time: Duration) -> bool {
        let timeout = i64::try_from(time.as_millis()).unwrap();
        self.socket.poll(zmq::POLLIN, timeout).unwrap() == 0
    }

    /// Waits until all before is acked; other words that may come before are passed over.
    #[track_caller]
    pub fn acked(&mut self, to: u64) {
        while self.stored_to < to {
            match self.hear() {
                ToClient::Ack(Ack {
                    stored_to, credit, ..
                })
                | ToClient::Rewind(Rewind {
                    stored_to, credit, ..
                }) => {
                    (self.stored_to, self.credit) = (stored_to, credit);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.stored_to, to, "more is acked than was sent");
    }

    /// Waits until the daemon refuses.
    #[track_caller]
    pub fn refused(&self) -> (RefusedReason, String, u64) {
        loop {
            match self.hear() {
                ToClient::Refused(Refused {
                    reason,
                    detail,
                    epoch,
                }) => {
                    return (reason, detail.into_owned(), epoch);
                }
                ToClient::Ack(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
