//! HTTP: the processor, and a client that does nothing but post the same bodies again. Both to a receiver that counts
//! and keeps nothing, in this process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use distlog_tests::bench::results;
use tokio::runtime::Runtime;

use super::{Options, Row, load, ours};

/// Bodies that are kept to be posted again.
const KEPT: usize = 32;
/// Requests of the processor that are under way at the same time, at most.
const REQUESTS: usize = 16;

/// JSON lines.
pub(super) fn lines(options: &Options) -> Result<Row, String> {
    measure("http", "/lines", "", options)
}

/// The bulk API of Elasticsearch.
pub(super) fn elasticsearch(options: &Options) -> Result<Row, String> {
    measure(
        "elasticsearch",
        "/_bulk",
        ", format: elasticsearch",
        options,
    )
}

fn measure(name: &'static str, path: &str, format: &str, options: &Options) -> Result<Row, String> {
    let receiver = Receiver::start();
    let folder = results::scratch_folder();
    let url = match format {
        "" => receiver.url(path),
        // The processor adds the path.
        _ => receiver.url(""),
    };
    let processor = format!("http: {{ url: '{url}'{format} }}");
    let cost = load(options, folder.path(), &ours(&processor));
    let (records, bytes, bodies) = receiver.take();
    let url = receiver.url(path);
    let (again, took) = repeat(&url, &bodies, records)?;
    let (records_again, ..) = receiver.take();
    if records_again != again {
        return Err(format!(
            "{again} records were posted again, {records_again} came"
        ));
    }
    Ok(Row {
        name,
        per_second: cost.rate(cost.written),
        daemon_cpu_per_million: cost.per_record(cost.daemon),
        bytes: bytes as f64 / records as f64,
        bulk: vec![(
            "a client of prebuilt bodies",
            again as f64 / took.as_secs_f64(),
        )],
    })
}

/// Posts the bodies by turns until so many records are sent, as many at the same time as the processor does. Gives how
/// many were sent and how long that took.
fn repeat(url: &str, bodies: &[Bytes], records: u64) -> Result<(u64, Duration), String> {
    if bodies.is_empty() {
        return Err("nothing came to the receiver".into());
    }
    let bulk = url.ends_with("/_bulk");
    let (next, sent) = (AtomicU64::new(0), AtomicU64::new(0));
    let client = || -> Result<(), String> {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        while sent.load(Ordering::Relaxed) < records {
            let turn = next.fetch_add(1, Ordering::Relaxed) as usize;
            let body = &bodies[turn % bodies.len()];
            sent.fetch_add(count(body, bulk), Ordering::Relaxed);
            let request = agent
                .post(url)
                .header("content-type", "application/x-ndjson");
            let answer = request.send(&body[..]);
            let mut answer = answer.map_err(|error| error.to_string())?;
            let read = answer.body_mut().read_to_vec();
            read.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..REQUESTS).map(|_| scope.spawn(client)).collect();
        let mut ends = clients.into_iter().map(|client| client.join());
        ends.try_for_each(|end| end.unwrap_or_else(|_| Err("a client panicked".into())))
    })?;
    Ok((sent.into_inner(), begun.elapsed()))
}

/// Records of a body: its lines, or half of them.
fn count(body: &[u8], bulk: bool) -> u64 {
    let lines = body.iter().filter(|byte| **byte == b'\n').count() as u64;
    if bulk { lines / 2 } else { lines }
}

/// Counts what is posted. It ends when it is dropped.
struct Receiver {
    address: SocketAddr,
    taken: Shared,
    _runtime: Runtime,
}

#[derive(Default)]
struct Taken {
    records: u64,
    bytes: u64,
    bodies: Vec<Bytes>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Taken>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, body: Bytes, bulk: bool) -> u64 {
        let records = count(&body, bulk);
        let mut taken = self.lock();
        taken.records += records;
        taken.bytes += body.len() as u64;
        if taken.bodies.len() < KEPT {
            taken.bodies.push(body);
        }
        records
    }
}

impl Receiver {
    fn start() -> Receiver {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let taken = Shared::default();
        let app = Router::new()
            .route("/lines", post(take_lines))
            .route("/_bulk", post(take_documents))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(taken.clone());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Receiver {
            address,
            taken,
            _runtime: runtime,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came since it was asked last: records, bytes, and some of the bodies.
    fn take(&self) -> (u64, u64, Vec<Bytes>) {
        let Taken {
            records,
            bytes,
            bodies,
        } = std::mem::take(&mut *self.taken.lock());
        (records, bytes, bodies)
    }
}

async fn take_lines(State(taken): State<Shared>, body: Bytes) {
    taken.add(body, false);
}

async fn take_documents(State(taken): State<Shared>, body: Bytes) -> String {
    let documents = taken.add(body, true);
    let items = vec![r#"{"create":{"status":201}}"#; documents as usize];
    format!(
        r#"{{"took":1,"errors":false,"items":[{}]}}"#,
        items.join(",")
    )
}
