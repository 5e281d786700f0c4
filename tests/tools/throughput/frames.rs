//! What a client of the Python package sends: a frame that the package made, again and again, as fast as ZeroMQ takes
//! it.

use clap::ValueEnum;

use crate::client_processes::{self, Done};

/// How the package encodes a record.
#[derive(Debug, Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Frame {
    /// Topic `TLJ`.
    Json,
    /// Topic `TLP`.
    Pickle,
}

impl Frame {
    /// By which clients are told.
    pub fn name(self) -> &'static str {
        match self {
            Frame::Json => "json",
            Frame::Pickle => "pickle",
        }
    }

    /// Topic and body of a record inside a task with two fields, as the package wrote them.
    fn message(self) -> [&'static [u8]; 2] {
        match self {
            Frame::Json => [
                b"TLJ",
                include_bytes!("../../../python/tests/python/frames/task-1.TLJ"),
            ],
            Frame::Pickle => [
                b"TLP",
                include_bytes!("../../../python/tests/python/frames/task-1.TLP"),
            ],
        }
    }
}

/// Does it, in a process of its own.
pub fn run(address: &str, records: u64, frame: Frame) {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUSH).expect("a socket");
    socket
        .connect(address)
        .expect("the daemon's address is good");
    let message = frame.message();
    client_processes::ready();
    for _ in 0..records {
        socket.send_multipart(message, 0).expect("ZeroMQ takes it");
    }
    Done::now(None).say();
}
