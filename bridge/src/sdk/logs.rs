//! [`LogExporter`].

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{self as sdk, LogBatch};
use prost::Message;

use super::exporter_handle::ExporterHandle;
use crate::receive;

/// Exports log records to distlogd: each is a record of the task that its span is. [`super::builder`] makes it.
#[derive(Debug)]
pub struct LogExporter {
    handle: ExporterHandle,
    resource: ResourceAttributesWithSchema,
}

impl LogExporter {
    pub(super) fn new(handle: ExporterHandle) -> LogExporter {
        LogExporter {
            handle,
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl sdk::LogExporter for LogExporter {
    /// Done when the daemon has acknowledged the records as durable, or when they are in the spool.
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let request = ExportLogsServiceRequest {
            resource_logs: group_logs_by_resource_and_scope(&batch, &self.resource),
        }
        .encode_to_vec();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_nanos() as u64);
        self.handle
            .export(move |take| receive::logs(&request, now, take))
            .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.handle.shutdown(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
        let source = ResourceLogs {
            resource: Some(opentelemetry_proto::tonic::resource::v1::Resource {
                attributes: self.resource.attributes.0.clone(),
                ..Default::default()
            }),
            schema_url: self.resource.schema_url.clone().unwrap_or_default(),
            scope_logs: Vec::new(),
        };
        self.handle.set_source(&source.encode_to_vec());
    }
}
