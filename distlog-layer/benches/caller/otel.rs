//! OpenTelemetry's SDK with batch processors whose exporter drops what it gets.

use std::hint::black_box;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::{logs, trace};
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::measure::Plan;
use crate::operation::{Part, rows};
use crate::table::Table;

/// With room for a round: what a full queue drops costs nothing.
const QUEUE: usize = 1 << 16;
const DELAY: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct Discard;

impl trace::SpanExporter for Discard {
    async fn export(&self, batch: Vec<trace::SpanData>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

impl logs::LogExporter for Discard {
    async fn export(&self, batch: logs::LogBatch<'_>) -> OTelSdkResult {
        black_box(batch.iter().count());
        Ok(())
    }
}

/// Events as log records, by opentelemetry-appender-tracing.
pub(crate) fn logs(plan: &Plan, table: &mut Table) {
    let config = logs::BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = logs::BatchLogProcessor::builder(Discard)
        .with_batch_config(config)
        .build();
    let provider = logs::SdkLoggerProvider::builder()
        .with_log_processor(processor)
        .build();
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(OpenTelemetryTracingBridge::new(&provider));
    rows(
        "opentelemetry-appender-tracing",
        Part::Events,
        &Dispatch::new(subscriber),
        plan,
        table,
    );
}

/// Spans, by tracing-opentelemetry. Not events: it keeps them with their span, and no more than 128 each.
pub(crate) fn spans(plan: &Plan, table: &mut Table) {
    let config = trace::BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_scheduled_delay(DELAY)
        .build();
    let processor = trace::BatchSpanProcessor::builder(Discard)
        .with_batch_config(config)
        .build();
    let provider = trace::SdkTracerProvider::builder()
        .with_span_processor(processor)
        .build();
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("caller")));
    rows(
        "tracing-opentelemetry",
        Part::Spans,
        &Dispatch::new(subscriber),
        plan,
        table,
    );
}
