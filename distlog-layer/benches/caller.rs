//! What logging costs the calling thread, side by side with other ways, in nanoseconds per operation.
//!
//! ```sh
//! cargo bench -p distlog-layer
//! ```
//!
//! Each row is the best of several rounds, as others on the machine only ever make a round slower. Every receiver is
//! real: a PULL socket that reads, a session door that acknowledges, a file that is written.

use std::hint::black_box;
use std::time::{Duration, Instant};

use distlog_layer::{Builder, ConnectError, DistlogLayer, Guard, Overflow, builder, task};
use distlog_proto::session::{Sessions, ToClient, ToDaemon, Verdict};
use tracing::{Dispatch, debug, dispatcher::with_default, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// Enough to fill the ring several times: its pages are then there, as in every program that has run for a while.
const ROUNDS: u32 = 40;
const EACH: u32 = 20_000;

/// Nanoseconds per call, of the best round.
fn measure(mut work: impl FnMut(u32)) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..EACH).for_each(&mut work);
        best = best.min(start.elapsed());
        // What the round left is written meanwhile, so that no round waits for the one before.
        std::thread::sleep(Duration::from_millis(30));
    }
    best.as_nanos() as f64 / f64::from(EACH)
}

struct Row {
    name: &'static str,
    event: f64,
    span: f64,
    disabled: Option<f64>,
}

fn row(name: &'static str, dispatch: &Dispatch) -> Row {
    with_default(dispatch, || {
        let user = black_box(String::from("leo"));
        let event = task!(user, "handle order {}", 7).in_scope(|| {
            measure(|i| {
                info!(
                    item = i,
                    user = user.as_str(),
                    ratio = 0.5,
                    "taken from the shelf"
                )
            })
        });
        let span = measure(|i| drop(info_span!("fetch", item = i, user = user.as_str())));
        let disabled = measure(|i| debug!(item = i, user = user.as_str(), "not wanted"));
        Row {
            name,
            event,
            span,
            disabled: Some(disabled),
        }
    })
}

/// fastrace is no layer of `tracing`; this is what its own macros make of the same work.
fn fastrace_row() -> Row {
    use fastrace::prelude::*;

    struct Nowhere;
    impl fastrace::collector::Reporter for Nowhere {
        fn report(&mut self, spans: Vec<SpanRecord>) {
            black_box(spans);
        }
    }

    fastrace::set_reporter(Nowhere, fastrace::collector::Config::default());
    let user = black_box(String::from("leo"));
    let properties = |i: u32| [("item", i.to_string()), ("user", user.clone())];
    // It hands a root's spans over when the root ends, so each round has as many roots as a service has requests.
    let in_roots = |work: &dyn Fn(u32)| {
        measure(|i| {
            if i % 100 == 0 {
                let root = Span::root("handle order", SpanContext::random());
                let _parent = root.set_local_parent();
                (0..100).for_each(work);
            }
        })
    };
    let event = in_roots(&|i| {
        LocalSpan::add_event(Event::new("taken from the shelf").with_properties(|| {
            let [item, user] = properties(i);
            [item, user, ("ratio", 0.5.to_string())]
        }));
    });
    let span = in_roots(&|i| {
        drop(LocalSpan::enter_with_local_parent("fetch").with_properties(|| properties(i)))
    });
    fastrace::flush();
    Row {
        name: "fastrace",
        event,
        span,
        disabled: None,
    }
}

/// A push door that only reads; its address.
fn push_door() -> String {
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

/// A session door that acknowledges what it reads; its address.
fn session_door() -> String {
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
                        sessions.stands(asked.session, asked.acked, now, &mut answers);
                    }
                }
                ToDaemon::Batch(batch) => match sessions.batch(peer, batch, now) {
                    Verdict::Take => sessions.durable(batch.session, batch.to, &mut answers),
                    other => panic!("{other:?}"),
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

fn distlog_row(
    name: &'static str,
    connect: impl FnOnce(Builder) -> Result<(DistlogLayer, Guard), ConnectError>,
) -> Row {
    let builder = builder().overflow(Overflow::Block(Duration::from_secs(1)));
    let (layer, guard) = connect(builder).expect("a layer");
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(layer);
    let row = row(name, &Dispatch::new(subscriber));
    assert_eq!(guard.dropped().total(), 0, "dropping would be cheating");
    row
}

fn main() {
    // `cargo test --benches` only looks whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (push, session) = (push_door(), session_door());
    let spool = tempfile::tempdir().expect("a directory");

    let mut rows = Vec::new();
    let registry = Dispatch::new(tracing_subscriber::registry().with(LevelFilter::INFO));
    rows.push(row("Registry alone", &registry));
    rows.push(distlog_row("distlog, push", |builder| {
        builder.connect_push(push)
    }));
    rows.push(distlog_row("distlog, session", |builder| {
        builder.connect(session.as_str())
    }));
    rows.push(distlog_row("distlog, session, spool", |builder| {
        builder.spool(spool.path()).connect(session.as_str())
    }));

    let file = tempfile::tempfile().expect("a file");
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(file);
    let json = tracing_subscriber::fmt::layer().json().with_writer(writer);
    rows.push(row(
        "fmt().json() + appender",
        &Dispatch::new(
            tracing_subscriber::registry()
                .with(LevelFilter::INFO)
                .with(json),
        ),
    ));
    drop(guard);
    rows.push(fastrace_row());

    println!(
        "{:<26} {:>14} {:>18} {:>14}",
        "ns per operation", "event+3 fields", "span begin+end", "disabled event"
    );
    for row in &rows {
        let disabled = row
            .disabled
            .map_or_else(|| "-".to_owned(), |ns| format!("{ns:.1}"));
        println!(
            "{:<26} {:>14.1} {:>18.1} {disabled:>14}",
            row.name, row.event, row.span
        );
    }
    if let [_, distlog, others @ ..] = rows.as_slice() {
        for other in others {
            let name = format!("{} / push", other.name);
            println!(
                "{name:<34} {:>6.1} {:>18.1}",
                other.event / distlog.event,
                other.span / distlog.span
            );
        }
    }
}
