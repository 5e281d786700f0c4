//! NATS JetStream on one server: the processor, and a client that publishes messages of the same size, many at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use distlog_testkit::Nats;
use distlog_tests::bench::results;

use super::{Options, Row, load, ours};

/// The program of the server.
const PROGRAM: &str = "DISTLOG_TEST_NATS_SERVER";
const STREAM: &str = "distlog";
/// Bytes of messages that are published and not acknowledged, as the processor has them by default.
const IN_FLIGHT: usize = 16 << 20;

pub(super) fn measure(options: &Options) -> Result<Row, String> {
    if std::env::var_os(PROGRAM).is_none() {
        return Err(format!("{PROGRAM} names no nats-server"));
    }
    let folder = results::scratch_folder();
    let server = Nats::start(folder.path(), 1, "");
    let processor = format!("nats: {{ url: {}, stream: {STREAM} }}", server.urls());
    let cost = load(options, folder.path(), &ours(&processor));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let bulk = runtime
        .block_on(publish(&server.address(0)))
        .map_err(|error| error.to_string())?;
    let records = cost.records as f64;
    Ok(Row {
        name: "nats",
        per_second: cost.rate(cost.written),
        daemon_cpu_per_million: cost.per_record(cost.daemon),
        bytes: bulk.bytes as f64 / records,
        bulk: vec![(
            "prebuilt messages of the size",
            records / bulk.took.as_secs_f64(),
        )],
    })
}

/// What publishing took.
struct Bulk {
    bytes: u64,
    took: Duration,
}

/// Publishes as many messages of the same size as are in the stream to another one like it.
async fn publish(at: &str) -> Result<Bulk, async_nats::Error> {
    let client = async_nats::connect(format!("nats://{at}")).await?;
    let context = jetstream::new(client);
    let state = context
        .get_stream(STREAM)
        .await?
        .cached_info()
        .state
        .clone();
    context.delete_stream(STREAM).await?;
    let config = stream::Config {
        name: "bulk".into(),
        subjects: vec!["bulk.>".into()],
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let size = (state.bytes / state.messages.max(1)) as usize;
    let body = bytes::Bytes::from(vec![b'x'; size]);
    let mut waiting = VecDeque::new();
    let begun = Instant::now();
    for _ in 0..state.messages {
        if waiting.len() * size >= IN_FLIGHT
            && let Some(oldest) = waiting.pop_front()
        {
            let oldest: jetstream::context::PublishAckFuture = oldest;
            oldest.await?;
        }
        waiting.push_back(context.publish("bulk.0", body.clone()).await?);
    }
    for answer in waiting {
        answer.await?;
    }
    Ok(Bulk {
        bytes: state.bytes,
        took: begun.elapsed(),
    })
}
