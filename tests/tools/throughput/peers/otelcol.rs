//! The OpenTelemetry Collector: `tcplog` to `file`.

use std::process::Command;

use distlog_tests::bench::peer::find;

use super::{Form, Peer, Place};

const GET: &str = "no otelcol; `go run go.opentelemetry.io/collector/cmd/builder@v0.165.0 --config tests/otelcol/builder.yaml` \
                   builds one with the parts that are needed; its path in DISTLOG_BENCH_OTELCOL";

/// A line is only text for it.
pub const AS_TEXT: Peer = Peer {
    name: "OpenTelemetry Collector, lines as text",
    get: GET,
    share: 1,
    form: Form::Lines,
    // Lines of its file have many records each.
    mark: r#""body":"#,
    command: |place| command(place, "[]"),
};

/// It knows the fields.
pub const AS_FIELDS: Peer = Peer {
    name: "OpenTelemetry Collector, JSON parsed",
    command: |place| command(place, "[{ type: json_parser }]"),
    ..AS_TEXT
};

fn command(place: &Place, operators: &str) -> Option<Command> {
    let program = find("DISTLOG_BENCH_OTELCOL", "otelcol")?;
    let config = place.configure(&format!(
        "
receivers:
  tcplog: {{ listen_address: '127.0.0.1:{port}', operators: {operators} }}
exporters:
  file: {{ path: '{output}', flush_interval: 100ms }}
service:
  pipelines: {{ logs: {{ receivers: [tcplog], exporters: [file] }} }}
  telemetry: {{ metrics: {{ level: none }} }}
",
        port = place.port,
        output = place.output().display(),
    ));
    let mut command = Command::new(program);
    command.arg("--config").arg(config);
    Some(command)
}
