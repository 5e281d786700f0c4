//! A client and a server made with tonic, each with the layer added and nothing else: one tree.

use distlog_layer::{FutureExt, task};
use distlog_testkit::Daemon;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tower::Layer;
use tracing::info;
use tracing_subscriber::prelude::*;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

/// Any service would do; this one is generated already. It takes requests and refuses every second.
struct Service;

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        info!("asked");
        if request.into_inner().resource_spans.is_empty() {
            return Err(Status::internal("nothing to take"));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Runs a program of that service in this thread, with a runtime of its own.
fn run<R>(push: &str, service: &str, program: impl Future<Output = R>) -> R {
    let (layer, guard) = distlog_layer::builder()
        .service(service)
        .connect_push(push)
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry()
        .with(layer.with_filter(tracing_subscriber::filter::LevelFilter::INFO));
    let result = tracing::subscriber::with_default(subscriber, || runtime.block_on(program));
    drop(runtime);
    drop(guard);
    result
}

#[test]
fn a_call_by_grpc_is_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (address, addressed) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let push = daemon.push().to_owned();
    let server = std::thread::spawn(move || {
        run(&push, "server", async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            let server = Server::builder()
                .layer(distlog_layer::tower::server())
                .add_service(TraceServiceServer::new(Service))
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
                    drop(stopped.await)
                });
            server.await.unwrap();
        });
    });
    let endpoint = Endpoint::from_shared(format!("http://{}", addressed.recv().unwrap())).unwrap();
    let id = run(daemon.push(), "client", async {
        let job = task!("ask twice");
        let id = job.id().unwrap();
        async {
            let channel = distlog_layer::tower::client().layer(endpoint.connect_lazy());
            let mut client = TraceServiceClient::new(channel);
            let full = ExportTraceServiceRequest {
                resource_spans: vec![Default::default()],
            };
            client.export(full).await.unwrap();
            client
                .export(ExportTraceServiceRequest::default())
                .await
                .unwrap_err();
        }
        .in_task(job)
        .await;
        id
    });
    stop.send(()).unwrap();
    server.join().unwrap();

    let id = id.to_string();
    let tree = daemon.tree(&id, |tree| {
        let text = tree.to_string();
        // Both answers, each with its record: client and server send for themselves.
        !text.contains("running")
            && text.matches("\"kind\":\"server\"").count() == 2
            && text.matches("\"message\":\"asked").count() == 2
    });
    let calls: Vec<_> = tree["tasks"][0]["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item.get("task"))
        .collect();
    assert_eq!(calls.len(), 2, "{tree:#}");
    for (call, outcome) in calls.into_iter().zip(["ok", "failed"]) {
        assert_eq!(
            (&call["kind"], &call["service"], &call["outcome"]),
            (&"client".into(), &"client".into(), &outcome.into()),
            "{call:#}"
        );
        let answer = &call["items"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|item| item.get("task"))
            .unwrap_or_else(|| panic!("{tree:#}"));
        assert_eq!(
            (&answer["kind"], &answer["service"], &answer["outcome"]),
            (&"server".into(), &"server".into(), &outcome.into()),
            "{answer:#}"
        );
        assert!(answer["items"].to_string().contains("asked"));
    }
}
