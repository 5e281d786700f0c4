//! Requests as they are written, and answers as they come.

use std::io::{Read, Write};
use std::net::TcpStream;

use distlog_testkit::Daemon;
use serde_json::Value;

/// What the daemon answered: status, head in lower case, and body.
pub struct Reply(pub u16, pub String, pub Vec<u8>);

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.1.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.2)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.2)))
    }

    /// What is wrong, as a problem says it.
    pub fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.1
        );
        assert_eq!(self.header("cache-control"), Some("no-store"), "{}", self.1);
        let problem = self.json();
        assert_eq!(problem["status"], self.0, "{problem:#}");
        assert_eq!(problem["type"], "about:blank");
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(
            problem["detail"].as_str().unwrap().len() > 20,
            "{problem:#}"
        );
        problem
    }
}

pub fn address(daemon: &Daemon) -> &str {
    daemon.http().strip_prefix("http://").unwrap()
}

/// Sends a request as it is written, and reads all that comes.
pub fn send(daemon: &Daemon, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address(daemon)).unwrap();
    // It may refuse before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&answer)));
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply(status, head, answer.split_off(end + 4))
}

/// Asks with headers. By HTTP 1.0 an answer ends where the connection does.
pub fn ask_with(daemon: &Daemon, path: &str, headers: &str) -> Reply {
    let host = address(daemon);
    let request = format!("GET {path} HTTP/1.0\r\nhost: {host}\r\n{headers}\r\n");
    send(daemon, request.as_bytes())
}

pub fn ask(daemon: &Daemon, path: &str) -> Reply {
    ask_with(daemon, path, "")
}
