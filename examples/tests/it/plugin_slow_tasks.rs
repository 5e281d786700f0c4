//! The plugin in Rust, run by a daemon's processor `exec`. The records come by a receiver of the test's own.

use std::io;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, Record, Source};
use distlog_testkit::eventually;
use distlogd::daemon::Builder;
use distlogd::receiver::{Endpoint, Receiver, ReceiverContext};

/// Hands over one batch and is done.
struct OneBatch(Vec<u8>);

impl Receiver for OneBatch {
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let left_out = context.submit("test", std::mem::take(&mut self.0)).unwrap();
        assert_eq!(left_out, None);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        true
    }

    fn wait(&mut self) {}
}

#[test]
fn slow_tasks_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slow.txt");
    let config = format!(
        "
listen: {{ push: off, session: off, otlp_grpc: off, otlp_http: off, http: off }}
store: {{ path: {} }}
processors:
  slow: {{ exec: {{ command: [{}, '200', {}], in_flight: 100, timeout: 20s }} }}
rules: [ {{ to: [slow] }} ]",
        dir.path().join("store").display(),
        env!("CARGO_BIN_EXE_plugin_slow_tasks"),
        path.display()
    );
    let config = Builder::new().parse_config(&config, "test.yaml").unwrap();
    let mut batch = BatchWriter::new();
    for (offset, (message, millis)) in (0..).zip([("quick", 20), ("slow", 350), ("slower", 1200)]) {
        batch.push(&Record {
            offset,
            source: Source {
                service: "orders".into(),
                ..Source::default()
            },
            kind: Kind::End,
            outcome: Outcome::Ok,
            message: message.into(),
            duration: millis * 1_000_000,
            ..Record::default()
        });
    }
    let builder = Builder::new().receiver(OneBatch(batch.finish()));
    let daemon = builder.start(&config).unwrap();
    eventually("the slow ones are written down", || {
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        if written == "   350 ms  orders  slow  ok\n  1200 ms  orders  slower  ok\n" {
            Ok(())
        } else {
            Err(written)
        }
    });
    assert!(daemon.stop().left.is_empty());
}
