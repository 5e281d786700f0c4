//! A program that knows only OpenTelemetry: its SDK, and its exporter for OTLP. distlog is nothing but an address.
//!
//! ```sh
//! cargo run --release --features otel --bin otel_sdk -- grpc http://127.0.0.1:4317
//! cargo run --release --features otel --bin otel_sdk -- http http://127.0.0.1:4318
//! ```
//!
//! It prints the trace id: `distlogd tree ID` shows what it did.

use clap::{Parser, ValueEnum};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{error, info};
use tracing_subscriber::prelude::*;

#[derive(Parser)]
#[command(about = "A program with OpenTelemetry's SDK that logs to distlogd")]
struct Arguments {
    /// How OTLP travels.
    protocol: Transport,
    /// Address of distlogd's receiver for it.
    endpoint: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Grpc,
    Http,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn exporters(arguments: &Arguments) -> Result<(SpanExporter, LogExporter), Failure> {
    let endpoint = arguments.endpoint.trim_end_matches('/');
    Ok(match arguments.protocol {
        Transport::Grpc => (
            SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint)
                .build()?,
            LogExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint)
                .build()?,
        ),
        Transport::Http => (
            SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{endpoint}/v1/traces"))
                .build()?,
            LogExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(format!("{endpoint}/v1/logs"))
                .build()?,
        ),
    })
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    // The gRPC client needs a runtime as long as the program runs; the HTTP client must be made outside of one.
    let runtime = tokio::runtime::Runtime::new()?;
    let (spans, logs) = match arguments.protocol {
        Transport::Grpc => runtime.block_on(async { exporters(&arguments) })?,
        Transport::Http => exporters(&arguments)?,
    };
    let resource = Resource::builder().with_service_name("warehouse").build();
    let tracers = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(spans)
        .build();
    let loggers = SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(logs)
        .build();
    let bridge = OpenTelemetryTracingBridge::new(&loggers);
    // What the exporters' own libraries log is not exported: it would never end.
    let ours = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() == "otel_sdk");
    tracing_subscriber::registry()
        .with(bridge.with_filter(ours))
        .init();

    stock_the_shelf(&tracers.tracer("warehouse"));
    tracers.shutdown()?;
    loggers.shutdown()?;
    Ok(())
}

fn stock_the_shelf(tracer: &impl Tracer<Span: Send + Sync + 'static>) {
    tracer.in_span("stock the shelf", |context| {
        println!("trace {}", context.span().span_context().trace_id());
        info!(name: "shelf.empty", shelf = 3, "the shelf is empty");
        let counting = tracer
            .span_builder("count crates")
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new("crates", 12)]);
        let context = opentelemetry::Context::current_with_span(tracer.build(counting));
        let _current = context.clone().attach();
        context
            .span()
            .add_event("scanned", vec![KeyValue::new("pallet", "b7")]);
        error!(name: "crates.missing", missing = 2, "two crates are missing");
        context.span().set_status(Status::error("10 of 12 crates"));
    });
}
