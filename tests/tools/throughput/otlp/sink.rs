//! A receiver that counts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// When nothing comes for so long, nothing will.
const SILENCE: Duration = Duration::from_secs(15);

/// Runs until it is dropped.
pub struct Sink {
    address: SocketAddr,
    counter: Counter,
    _runtime: Runtime,
}

#[derive(Clone, Default)]
struct Counter(Arc<AtomicU64>);

impl Sink {
    pub fn start() -> Sink {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let counter = Counter::default();
        let traces = TraceServiceServer::new(counter.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(64 << 20);
        let logs = LogsServiceServer::new(counter.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(64 << 20);
        let server = Server::builder().add_service(traces).add_service(logs);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Sink {
            address,
            counter,
            _runtime: runtime,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until so many items have come, or none comes any more: how many did, and how long it took since `begun`.
    pub fn wait_for(&self, items: u64, begun: Instant) -> (u64, Duration) {
        let mut last = (0, Instant::now());
        loop {
            let count = self.counter.0.load(Ordering::Relaxed);
            if count != last.0 {
                last = (count, Instant::now());
            }
            if count >= items || last.1.elapsed() > SILENCE {
                return (count, last.1 - begun);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[tonic::async_trait]
impl TraceService for Counter {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let groups = &request.get_ref().resource_spans;
        let scopes = groups.iter().flat_map(|group| &group.scope_spans);
        let count: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Counter {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let groups = &request.get_ref().resource_logs;
        let scopes = groups.iter().flat_map(|group| &group.scope_logs);
        let count: usize = scopes.map(|scope| scope.log_records.len()).sum();
        self.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(Response::new(Default::default()))
    }
}
