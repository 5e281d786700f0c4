//! Programs with OpenTelemetry's SDKs, in Python and for Node.

use std::process::Command;

use distlog_testkit::{Daemon, Process};

/// An SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    Python,
    Node,
}

/// How OTLP travels, as `OTEL_EXPORTER_OTLP_PROTOCOL` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::HttpProtobuf => "http/protobuf",
            Protocol::HttpJson => "http/json",
        }
    }

    fn receiver(self, daemon: &Daemon) -> &str {
        match self {
            Protocol::Grpc => daemon.otlp_grpc(),
            Protocol::HttpProtobuf | Protocol::HttpJson => daemon.otlp_http(),
        }
    }
}

/// The script `otel_{name}` of an SDK, which sends to the daemon.
pub fn script(sdk: Sdk, name: &str, protocol: Protocol, daemon: &Daemon) -> Command {
    let folder = env!("CARGO_MANIFEST_DIR");
    let mut command = match sdk {
        Sdk::Python => {
            let python = std::env::var_os("DISTLOG_TEST_PYTHON").expect(
                "DISTLOG_TEST_PYTHON names a Python with opentelemetry-sdk and opentelemetry-exporter-otlp",
            );
            let mut command = Command::new(python);
            command
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .arg(format!("{folder}/python/otel_{name}.py"));
            command
        }
        Sdk::Node => {
            let modules = std::env::var_os("DISTLOG_TEST_NODE_MODULES").expect(
                "DISTLOG_TEST_NODE_MODULES names the folder node_modules with what tests/node/package.json lists",
            );
            let mut command = Command::new("node");
            command
                .env("NODE_PATH", modules)
                .arg(format!("{folder}/node/otel_{name}.js"));
            command
        }
    };
    command
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name())
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", protocol.receiver(daemon)),
        );
    command
}

/// Runs the script `otel_story` to its end, as service `shop`; gives the id of its trace.
pub fn tell(
    sdk: Sdk,
    protocol: Protocol,
    daemon: &Daemon,
    with: impl FnOnce(&mut Command),
) -> String {
    let mut command = script(sdk, "story", protocol, daemon);
    command.env("OTEL_SERVICE_NAME", "shop").env(
        "OTEL_RESOURCE_ATTRIBUTES",
        "team=core,deployment.environment.name=staging",
    );
    with(&mut command);
    let mut story = Process::start(&mut command);
    let trace_id = story.expect_stdout("the trace's id", |line| Some(line.to_owned()));
    assert!(story.wait().success(), "{:#?}", story.stderr());
    // What an SDK could not send, it says.
    assert_eq!(story.stderr(), Vec::<String>::new());
    trace_id
}
