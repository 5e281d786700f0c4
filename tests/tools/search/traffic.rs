//! Sends what the generator makes, by OTLP over HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message;
use ureq::Agent;

use crate::expected::Expected;
use crate::generator::Generator;

/// When a store has no room, a connection waits so long.
const RETRY_DELAY: Duration = Duration::from_millis(20);
/// Answers that say so.
const NO_ROOM: [u16; 2] = [429, 503];

/// Where to send.
#[derive(Debug, Clone)]
pub struct Target {
    /// Logs.
    pub logs: String,
    /// Spans, if they are sent.
    pub spans: Option<String>,
}

/// What was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// What the store must know now.
    pub expected: Expected,
    /// Bytes of all requests.
    pub bytes: u64,
}

/// A client that gives each answer, and keeps its connections.
pub fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into()
}

/// Sends everything; each connection sends the next request when the one before is answered.
pub fn send(generator: &Generator, connections: usize, target: &Target) -> Sent {
    let next = AtomicU64::new(0);
    let connection = || {
        let agent = agent();
        let mut sent = Sent::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= generator.requests() {
                return sent;
            }
            let logs = generator
                .request(number, &mut sent.expected)
                .encode_to_vec();
            sent.bytes += post(&agent, &target.logs, &logs);
            if let Some(url) = &target.spans {
                let spans = generator.spans(number, &mut sent.expected).encode_to_vec();
                sent.bytes += post(&agent, url, &spans);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(connection)).collect();
        threads
            .into_iter()
            .fold(Sent::default(), |mut all, thread| {
                let sent = thread.join().expect("a connection sends everything");
                all.expected.merge(sent.expected);
                all.bytes += sent.bytes;
                all
            })
    })
}

/// Sends a request until it is taken; gives its length.
fn post(agent: &Agent, url: &str, body: &[u8]) -> u64 {
    loop {
        let request = agent.post(url).content_type("application/x-protobuf");
        let mut answer = request.send(body).expect("the store answers");
        // Read to its end, so that the connection can be used again.
        let said = answer.body_mut().read_to_vec().expect("the store answers");
        let status = answer.status();
        if status.is_success() {
            return body.len() as u64;
        }
        let said = String::from_utf8_lossy(&said);
        assert!(
            NO_ROOM.contains(&status.as_u16()),
            "{url} answered {status}: {said}"
        );
        std::thread::sleep(RETRY_DELAY);
    }
}
