//! What a client of the syslog daemons writes: the same records as lines of JSON, over TCP, as fast as it can.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::net::TcpStream;

use distlog_tests::bench::system;

use crate::client_processes::{self, Done};

/// Does it, in a process of its own.
pub fn run(address: &str, records: u64) {
    let stream = TcpStream::connect(address).expect("the daemon listens");
    let mut out = BufWriter::with_capacity(64 << 10, stream);
    let process = std::process::id();
    let mut line = String::new();
    client_processes::ready();
    for n in 0..records {
        let level = if n.is_multiple_of(10) { "WARN" } else { "INFO" };
        line.clear();
        writeln!(
            line,
            r#"{{"time":{},"level":"{level}","target":"load","process":{process},"message":"handled order {n}","n":{n},"user":"leo","amount":12.5}}"#,
            system::now(),
        )
        .expect("memory takes everything");
        out.write_all(line.as_bytes()).expect("the daemon takes it");
    }
    out.flush().expect("the daemon takes it");
    Done::now(None).say();
}
