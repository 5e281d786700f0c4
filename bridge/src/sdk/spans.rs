//! [`SpanExporter`].

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{self as sdk, SpanData};
use prost::Message;

use super::exporter_handle::ExporterHandle;
use crate::receive;

/// Exports spans to distlogd: each is a task, its events are the task's records. [`super::builder`] makes it.
#[derive(Debug)]
pub struct SpanExporter {
    handle: ExporterHandle,
    resource: ResourceAttributesWithSchema,
}

impl SpanExporter {
    pub(super) fn new(handle: ExporterHandle) -> SpanExporter {
        SpanExporter {
            handle,
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl sdk::SpanExporter for SpanExporter {
    /// Done when the daemon has acknowledged the spans as durable, or when they are in the spool.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        }
        .encode_to_vec();
        self.handle
            .export(move |take| receive::traces(&request, take))
            .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.handle.shutdown(timeout)
    }

    /// Waits until what other threads export is durable, or has failed.
    fn force_flush(&self) -> OTelSdkResult {
        self.handle.flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
        let groups = group_spans_by_resource_and_scope(Vec::new(), &self.resource);
        let source = groups.first().map(ResourceSpans::encode_to_vec);
        self.handle.set_source(&source.unwrap_or_default());
    }
}
