//! A receiver of OTLP by gRPC, for what comes out of a daemon or another server.

use std::sync::{Arc, Mutex};

use distlog_testkit::eventually;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use tokio::runtime::Runtime;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::{Request, Response};

/// A span or log record with all that it came with.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    pub resource: Option<Resource>,
    pub resource_schema_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema_url: String,
    pub item: T,
}

#[derive(Default)]
struct Got {
    spans: Vec<Item<Span>>,
    logs: Vec<Item<LogRecord>>,
}

/// Runs until it is dropped.
pub struct Receiver {
    address: String,
    got: Arc<Mutex<Got>>,
    _runtime: Runtime,
}

impl Receiver {
    pub fn start() -> Receiver {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got: Arc<Mutex<Got>> = Arc::default();
        let service = Service(Arc::clone(&got));
        let server = Server::builder()
            .add_service(
                TraceServiceServer::new(service.clone())
                    .accept_compressed(CompressionEncoding::Gzip),
            )
            .add_service(
                LogsServiceServer::new(service).accept_compressed(CompressionEncoding::Gzip),
            );
        runtime.spawn(
            server.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
        );
        Receiver {
            address,
            got,
            _runtime: runtime,
        }
    }

    /// `http://host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for so many spans and log records, and gives them, ordered by what does not depend on the way: id and
    /// time.
    pub fn wait_for(&self, spans: usize, logs: usize) -> (Vec<Item<Span>>, Vec<Item<LogRecord>>) {
        eventually("what the receiver is to get", || {
            let got = self.got.lock().unwrap();
            if got.spans.len() < spans || got.logs.len() < logs {
                return Err((got.spans.len(), got.logs.len()));
            }
            let (mut spans, mut logs) = (got.spans.clone(), got.logs.clone());
            for span in &mut spans {
                // Means the same as none: unset.
                span.item
                    .status
                    .take_if(|status| *status == Status::default());
            }
            spans.sort_by(|a, b| a.item.span_id.cmp(&b.item.span_id));
            logs.sort_by_key(|log| (log.item.observed_time_unix_nano, log.item.time_unix_nano));
            Ok((spans, logs))
        })
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<Got>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, tonic::Status> {
        let mut got = self.0.lock().unwrap();
        for group in request.into_inner().resource_spans {
            for scoped in group.scope_spans {
                got.spans.extend(scoped.spans.into_iter().map(|item| Item {
                    resource: group.resource.clone(),
                    resource_schema_url: group.schema_url.clone(),
                    scope: scoped.scope.clone(),
                    scope_schema_url: scoped.schema_url.clone(),
                    item,
                }));
            }
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, tonic::Status> {
        let mut got = self.0.lock().unwrap();
        for group in request.into_inner().resource_logs {
            for scoped in group.scope_logs {
                let logs = scoped.log_records.into_iter();
                got.logs.extend(logs.map(|item| Item {
                    resource: group.resource.clone(),
                    resource_schema_url: group.schema_url.clone(),
                    scope: scoped.scope.clone(),
                    scope_schema_url: scoped.schema_url.clone(),
                    item,
                }));
            }
        }
        Ok(Response::new(Default::default()))
    }
}
