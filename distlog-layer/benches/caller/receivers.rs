//! Receivers that are real but do nothing with what they get.

use std::hint::black_box;
use std::time::Instant;

use distlog_proto::session::{BatchDecision, Sessions, ToClient, ToDaemon};

/// A push receiver that only reads; its address.
pub(crate) fn push() -> String {
    let socket = zmq::Context::new().socket(zmq::PULL).expect("a socket");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let address = address(&socket);
    std::thread::spawn(move || {
        let mut message = zmq::Message::new();
        while socket.recv(&mut message, 0).is_ok() {
            black_box(message.len());
        }
    });
    address
}

/// A session receiver that acknowledges what it reads; its address.
pub(crate) fn session() -> String {
    let socket = zmq::Context::new().socket(zmq::ROUTER).expect("a socket");
    socket.bind("tcp://127.0.0.1:*").expect("a free port");
    let address = address(&socket);
    std::thread::spawn(move || {
        let mut sessions = Sessions::new(64 << 20);
        let mut answers = Vec::new();
        while let Ok(frames) = socket.recv_multipart(0) {
            let [peer, frame, ..] = &frames[..] else {
                continue;
            };
            let now = Instant::now();
            match ToDaemon::decode(frame).expect("what the client says") {
                ToDaemon::Hello(hello) => {
                    let asked = sessions.hello(peer.clone(), &hello, now, &mut answers);
                    if let Ok(Some(asked)) = asked {
                        sessions.resume_at(asked.session, asked.acked, now, &mut answers);
                    }
                }
                ToDaemon::Batch(batch) => match sessions.batch(peer, batch, now) {
                    BatchDecision::Take => sessions.durable(batch.session, batch.to, &mut answers),
                    other => panic!("a batch was not taken: {other:?}"),
                },
                ToDaemon::Ping(ping) => {
                    let answer = sessions.ping(peer, ping, now);
                    let answer = answer.unwrap_or_else(ToClient::Refused);
                    answers.push((peer.clone(), answer));
                }
                ToDaemon::Bye(bye) => _ = sessions.bye(peer, bye),
            }
            for (peer, answer) in answers.drain(..) {
                let mut frame = Vec::new();
                answer.encode(&mut frame);
                let _ = socket.send_multipart([peer, frame], 0);
            }
        }
    });
    address
}

fn address(socket: &zmq::Socket) -> String {
    socket
        .get_last_endpoint()
        .expect("an endpoint")
        .expect("a text")
}
