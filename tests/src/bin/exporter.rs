//! A program with OpenTelemetry's SDK and exporters with a spool: `e2e-exporter ADDRESSES SPOOL [FIRST]`.
//!
//! The addresses are those of session receivers, separated by commas. Prints the id of its trace; then for each line of
//! the input makes as many spans as the line says, each with a log record, with the numbers from FIRST (0) on, and
//! prints each number once both are exported. At the end of the input, or a line that is no number, it shuts down, and
//! prints `closed` if everything has been acknowledged.

use std::io::BufRead;
use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, addresses, spool, rest @ ..] = &arguments[..] else {
        panic!("ADDRESSES SPOOL [FIRST]")
    };
    let mut next: i64 = rest.first().map_or(0, |first| first.parse().unwrap());
    let addresses: Vec<&str> = addresses.split(',').collect();
    let (spans, logs) = distlog_bridge::sdk::builder()
        .heartbeat(Duration::from_millis(500))
        .spool(spool)
        .connect(addresses)
        .unwrap();
    let resource = Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
        .build();
    // What is exported when a span ends or a record is emitted is exported when that returns.
    let traces = SdkTracerProvider::builder()
        .with_simple_exporter(spans)
        .with_resource(resource.clone())
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_simple_exporter(logs)
        .with_resource(resource)
        .build();
    let (tracer, logger) = (traces.tracer("orders"), logs.logger("orders"));
    let serve = Context::new().with_span(tracer.start("serve"));
    serve.span().end();
    println!("{}", serve.span().span_context().trace_id());
    for line in std::io::stdin().lock().lines() {
        let Ok(more) = line.unwrap().parse::<u64>() else {
            break;
        };
        for _ in 0..more {
            let work = tracer
                .span_builder("work")
                .with_attributes([KeyValue::new("n", next)])
                .start_with_context(&tracer, &serve);
            let work = serve.with_span(work);
            {
                let _guard = work.clone().attach();
                let mut record = logger.create_log_record();
                record.set_severity_number(Severity::Info);
                record.set_body("working".into());
                record.add_attribute("n", AnyValue::Int(next));
                logger.emit(record);
            }
            work.span().end();
            println!("{next}");
            next += 1;
        }
    }
    let closed = [traces.shutdown(), logs.shutdown()];
    if closed.iter().all(Result::is_ok) {
        println!("closed");
    }
}
