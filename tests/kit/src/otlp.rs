//! A real receiver of OTLP by gRPC that does as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// Answers one request: so many items rejected and why, or an error.
pub type Answer = Result<(i64, &'static str), Status>;
/// Looks at the spans of a request and says what is wrong with them.
pub type Judge = Box<dyn Fn(&[Span]) -> Result<(), Status> + Send>;

/// What came, and how the next requests are answered.
#[derive(Default)]
pub struct Seen {
    /// Requests with spans that were taken.
    pub traces: Vec<ExportTraceServiceRequest>,
    /// Requests with log records that were taken.
    pub logs: Vec<ExportLogsServiceRequest>,
    /// The headers of each of them.
    pub metadata: Vec<MetadataMap>,
    /// How the next requests are answered; beyond these, well.
    pub trace_answers: VecDeque<Answer>,
    /// The same for log records.
    pub log_answers: VecDeque<Answer>,
    /// Requests with log records, also those that were refused.
    pub log_calls: usize,
    /// Refuses requests by their spans.
    pub judge: Option<Judge>,
    /// Nothing is answered before so many requests were there at the same time.
    pub hold_until: usize,
}

#[derive(Clone)]
struct Service {
    seen: Arc<Mutex<Seen>>,
    busy: Arc<AtomicUsize>,
    /// The most requests that were there at the same time.
    busiest: watch::Sender<usize>,
}

/// Runs until it is dropped.
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    service: Service,
    runtime: Option<Runtime>,
}

impl Collector {
    /// Starts without TLS, on a free port.
    pub fn start() -> Collector {
        Collector::start_with(None, "127.0.0.1:0")
    }

    /// Starts at an address.
    pub fn start_with(tls: Option<ServerTlsConfig>, address: &str) -> Collector {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service {
            seen: Arc::default(),
            busy: Arc::default(),
            busiest: watch::Sender::new(0),
        };
        let traces = TraceServiceServer::new(service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip);
        let logs = LogsServiceServer::new(service.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        runtime.spawn(
            server
                .add_service(traces)
                .add_service(logs)
                .serve_with_incoming(incoming),
        );
        Collector {
            address,
            service,
            runtime: Some(runtime),
        }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has seen. It answers nobody while this is held.
    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.service.seen.lock().unwrap()
    }

    /// The most requests that were there at the same time.
    pub fn busiest(&self) -> usize {
        *self.service.busiest.borrow()
    }

    /// All spans, in the order in which they came.
    pub fn spans(&self) -> Vec<Span> {
        let seen = self.seen();
        let scopes = seen
            .traces
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// All log records, in the order in which they came.
    pub fn logs(&self) -> Vec<LogRecord> {
        let seen = self.seen();
        let scopes = seen
            .logs
            .iter()
            .flat_map(|request| &request.resource_logs)
            .flat_map(|resource| &resource.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// An attribute; what is no string, as `Debug` shows it.
pub fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    match attributes
        .iter()
        .find(|a| a.key == name)?
        .value
        .as_ref()?
        .value
        .as_ref()?
    {
        Value::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

/// The body of a log record; what is no string, as `Debug` shows it.
pub fn body(log: &LogRecord) -> String {
    match log.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

impl Service {
    async fn work(&self) {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.busiest
            .send_modify(|busiest| *busiest = busy.max(*busiest));
        let hold_until = self.seen.lock().unwrap().hold_until;
        let mut busiest = self.busiest.subscribe();
        busiest
            .wait_for(|busiest| *busiest >= hold_until)
            .await
            .unwrap();
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.work().await;
        let (metadata, _, request) = request.into_parts();
        let mut seen = self.seen.lock().unwrap();
        if let Some(judge) = &seen.judge {
            let scopes = request
                .resource_spans
                .iter()
                .flat_map(|resource| &resource.scope_spans);
            judge(
                &scopes
                    .flat_map(|scope| scope.spans.clone())
                    .collect::<Vec<_>>(),
            )?;
        }
        let (rejected_spans, message) = seen.trace_answers.pop_front().unwrap_or(Ok((0, "")))?;
        seen.metadata.push(metadata);
        seen.traces.push(request);
        let partial_success = (!message.is_empty()).then(|| ExportTracePartialSuccess {
            rejected_spans,
            error_message: message.into(),
        });
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success,
        }))
    }
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.work().await;
        let (metadata, _, request) = request.into_parts();
        let mut seen = self.seen.lock().unwrap();
        seen.log_calls += 1;
        let (rejected_log_records, message) =
            seen.log_answers.pop_front().unwrap_or(Ok((0, "")))?;
        seen.metadata.push(metadata);
        seen.logs.push(request);
        let partial_success = (!message.is_empty()).then(|| ExportLogsPartialSuccess {
            rejected_log_records,
            error_message: message.into(),
        });
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}
