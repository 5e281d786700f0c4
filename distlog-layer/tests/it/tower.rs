//! A request's way through two services over real HTTP: axum serves, hyper calls.
#![cfg(feature = "tower")]
#![allow(missing_docs)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::*;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use axum::routing::get;
use distlog_layer::{Flush, FutureExt, RemoteParent, Trust, builder, import_task, task};
use distlog_proto::{Kind, Outcome, Record, SpanKind, Value};
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceBuilder, ServiceExt};
use tracing::info;
use tracing_subscriber::prelude::*;

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

type HttpClient =
    distlog_layer::tower::Client<Client<hyper_util::client::legacy::connect::HttpConnector, Body>>;

fn client() -> HttpClient {
    let http = Client::builder(TokioExecutor::new()).build_http();
    ServiceBuilder::new()
        .layer(distlog_layer::tower::client())
        .service(http)
}

fn request(address: SocketAddr, path: &str) -> Request<Body> {
    Request::get(format!("http://{address}{path}?secret=1"))
        .body(Body::empty())
        .unwrap()
}

/// Runs `work` on a runtime of one thread, whose layer's records are returned.
async fn records_of<F: Future<Output = ()>>(work: F) -> Vec<Record> {
    let daemon = Daemon::tcp();
    let (layer, guard) = builder().connect_push(daemon.address.clone()).unwrap();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    work.await;
    info!("THE LAST");
    assert_eq!(guard.close(LONG), Flush::Flushed);
    daemon.until_message("THE LAST")
}

#[tokio::test]
async fn one_request_is_one_tree() {
    let records = records_of(async {
        let inner = Router::new()
            .route("/stock", get(|| async { info!("looking into the stock") }))
            .route("/broken", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .layer(distlog_layer::tower::server());
        let inner = serve(inner).await;
        let outer = Router::new()
            .route(
                "/order",
                get(move || async move {
                    info!("asking for the stock");
                    let found = client()
                        .ready()
                        .await
                        .unwrap()
                        .call(request(inner, "/stock"))
                        .await
                        .unwrap();
                    assert_eq!(found.status(), 200);
                    client()
                        .ready()
                        .await
                        .unwrap()
                        .call(request(inner, "/broken"))
                        .await
                        .unwrap()
                        .status()
                }),
            )
            .layer(distlog_layer::tower::server());
        let outer = serve(outer).await;
        async {
            let answer = client()
                .ready()
                .await
                .unwrap()
                .call(request(outer, "/order"))
                .await
                .unwrap();
            assert_eq!(answer.status(), 503);
        }
        .in_task(task!("buy"))
        .await;
    })
    .await;

    let top = id(records.begin("buy"));
    let call = records.begin("call GET 127.0.0.1/order");
    assert_eq!(id(call), format!("{top}/1"));
    assert_eq!(
        (call.span_kind, call.name.as_str()),
        (SpanKind::Client, "GET")
    );
    let answer = records.begin("answer GET /order");
    assert!(
        id(answer).starts_with(&format!("{top}/1/1.")),
        "{}",
        id(answer)
    );
    assert_eq!(answer.span_kind, SpanKind::Server);
    assert_eq!(task(answer).parent_span_id, Some(task(call).span_id));
    assert_eq!(id(records.with_message("asking for the stock")), id(answer));
    let broken = records.begin("answer GET /broken");
    assert_eq!(task(broken).trace_id, task(call).trace_id);
    assert!(
        id(broken).starts_with(&format!("{}/2/1.", id(answer))),
        "{}",
        id(broken)
    );
    assert_eq!(records.outcome("answer GET /stock").0, Outcome::Ok);
    let failed = (Outcome::Failed, "503 Service Unavailable".to_owned());
    assert_eq!(records.outcome("answer GET /broken"), failed);
    assert_eq!(records.outcome("call GET 127.0.0.1/broken"), failed);
    assert_eq!(records.outcome("call GET 127.0.0.1/order"), failed);
    assert_eq!(records.outcome("buy").0, Outcome::Ok);
    let end = task(records.end("answer GET /broken"));
    assert_eq!(
        end.context.get("http.response.status_code"),
        Some(&Value::I64(503))
    );
    assert_eq!(
        end.context.get("url.path"),
        Some(&Value::Str("/broken".into()))
    );
    assert!(
        !format!("{records:?}").contains("secret"),
        "queries are not logged"
    );
}

/// A body in pieces, each of which `piece` makes; then trailers, if there are any.
fn streamed(
    pieces: usize,
    trailers: Option<HeaderMap>,
    mut piece: impl FnMut(usize) + Send + 'static,
) -> Body {
    let frames = (0..pieces).map(move |number| {
        piece(number);
        Frame::data(Bytes::from_static(b"piece"))
    });
    let frames = frames.chain(trailers.map(Frame::trailers));
    Body::new(StreamBody::new(futures_util::stream::iter(
        frames.map(Ok::<_, Infallible>),
    )))
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn called(request: Request<Body>, client: &mut HttpClient) -> Vec<u8> {
    let answer = client.ready().await.unwrap().call(request).await.unwrap();
    answer
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec()
}

#[tokio::test]
async fn a_kept_connection_keeps_no_task_running() {
    let records = records_of(async {
        let app = Router::new()
            .route("/stock", get(|| async { "three left" }))
            .layer(distlog_layer::tower::server());
        let address = serve(app).await;
        let mut client = client();
        for n in 1..=3 {
            let call = called(request(address, "/stock"), &mut client);
            let body = call.in_task(task!("request {n}")).await;
            assert_eq!(body, b"three left");
            info!("done {n}");
        }
        info!("the pool still has the connection");
        drop(client);
    })
    .await;
    let position = |wanted: &Record| records.iter().position(|r| std::ptr::eq(r, wanted));
    for n in 1..=3 {
        let done = records.with_message(&format!("done {n}"));
        let request = records.end(&format!("request {n}"));
        assert!(position(request) < position(done), "{n}");
        assert!(
            request.duration <= done.time - records.begin(&format!("request {n}")).time + 5_000_000
        );
        let calls = records.iter().filter(|r| {
            r.kind == Kind::End && task(r).parent_span_id == Some(task(request).span_id)
        });
        let calls: Vec<_> = calls.collect();
        assert_eq!(calls.len(), 1, "{n}");
        assert!(position(calls[0]) < position(done), "{n}");
    }
    let servers = records
        .iter()
        .filter(|r| r.kind == Kind::End && r.message == "answer GET /stock");
    assert_eq!(servers.count(), 3);
}

#[tokio::test]
async fn a_task_lasts_as_long_as_its_response() {
    const PAUSE: Duration = Duration::from_millis(30);
    let records = records_of(async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("7"));
        trailers.insert("grpc-message", HeaderValue::from_static("not%20yours"));
        let mut grpc = ServiceBuilder::new()
            .layer(distlog_layer::tower::server())
            .service(tower::service_fn(move |_: Request<Body>| {
                let trailers = trailers.clone();
                async move {
                    let body = streamed(2, Some(trailers), |piece| {
                        std::thread::sleep(PAUSE);
                        info!(piece, "wrote");
                    });
                    Ok::<_, Infallible>(Response::new(body))
                }
            }));
        let call = Request::post("/shop.Orders/List").body(Body::empty());
        let answer = grpc.ready().await.unwrap().call(call.unwrap()).await;
        answer.unwrap().into_body().collect().await.unwrap();

        let noticed = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&noticed);
        let app = Router::new()
            .route(
                "/broken",
                get(|| async {
                    let first = async { Ok(Frame::data(Bytes::from_static(b"a"))) };
                    let then = async {
                        // The server sends what it has.
                        tokio::task::yield_now().await;
                        Err("the disk is gone")
                    };
                    let frames = futures_util::stream::once(first);
                    let frames = frames.chain(futures_util::stream::once(then));
                    Body::new(StreamBody::new(frames))
                }),
            )
            .route(
                "/endless",
                get(move || async move {
                    let gone = OnDrop(gone);
                    streamed(usize::MAX, None, move |_| _ = &gone)
                }),
            )
            .route("/head", get(|| async { streamed(3, None, |_| ()) }))
            .layer(distlog_layer::tower::server());
        let address = serve(app).await;
        let mut client = client();
        let broken = client
            .ready()
            .await
            .unwrap()
            .call(request(address, "/broken"))
            .await;
        broken.unwrap().into_body().collect().await.unwrap_err();
        let endless = client
            .ready()
            .await
            .unwrap()
            .call(request(address, "/endless"))
            .await;
        let mut body = endless.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        let head = Request::head(format!("http://{address}/head")).body(Body::empty());
        client
            .ready()
            .await
            .unwrap()
            .call(head.unwrap())
            .await
            .unwrap();
        drop(
            client
                .ready()
                .await
                .unwrap()
                .call(request(address, "/endless")),
        );
        // The server notices when it writes.
        while !noticed.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let listed = records.end("answer POST /shop.Orders/List");
    assert!(listed.duration >= 2 * PAUSE.as_nanos() as u64);
    assert_eq!(
        records.outcome("answer POST /shop.Orders/List"),
        (Outcome::Failed, "gRPC status 7: not yours".into())
    );
    assert_eq!(id(records.with_message("wrote")), id(listed));
    let broken = (Outcome::Failed, "the disk is gone".to_owned());
    assert_eq!(records.outcome("answer GET /broken"), broken);
    assert_eq!(
        records.outcome("call GET 127.0.0.1/broken").0,
        Outcome::Failed
    );
    assert_eq!(records.outcome("answer GET /endless").0, Outcome::Cancelled);
    assert_eq!(records.outcome("call GET 127.0.0.1/endless").0, Outcome::Ok);
    assert_eq!(records.outcome("answer HEAD /head").0, Outcome::Ok);
    assert_eq!(records.outcome("call HEAD 127.0.0.1/head").0, Outcome::Ok);
    let calls = records
        .iter()
        .filter(|r| r.kind == Kind::End && r.message == "call GET 127.0.0.1/endless");
    let outcomes: Vec<Outcome> = calls.map(|r| r.outcome).collect();
    assert_eq!(outcomes, [Outcome::Ok, Outcome::Cancelled]);
}

#[tokio::test]
async fn strangers_get_the_place_that_the_policy_gives() {
    const CALLER: &str = "00-e252a11fd33d483dba08bc8f642b2f10-00f067aa0ba902b7-00";
    let records = records_of(async {
        for (name, trust) in [
            ("continue", Trust::Continue),
            ("link", Trust::Link),
            ("restart", Trust::Restart),
        ] {
            let service = tower::service_fn(|_: Request<Body>| async {
                Ok::<_, Infallible>(Response::new(Body::empty()))
            });
            let mut service = ServiceBuilder::new()
                .layer(distlog_layer::tower::server().trust(trust))
                .service(service);
            let request = Request::get(format!("/{name}"))
                .header("traceparent", CALLER)
                .header("tracestate", "vendor=x")
                .body(Body::empty())
                .unwrap();
            service.ready().await.unwrap().call(request).await.unwrap();
        }
    })
    .await;
    let continued = task(records.begin("answer GET /continue"));
    assert_eq!(
        continued.trace_id.to_hex(),
        "e252a11fd33d483dba08bc8f642b2f10"
    );
    assert_eq!(
        continued.parent_span_id.unwrap().to_string(),
        "00f067aa0ba902b7"
    );
    assert!(
        continued.path.starts_with("~00f067aa0ba902b7/"),
        "{}",
        continued.path
    );
    assert_eq!(
        (continued.flags, continued.trace_state.as_str()),
        (0, "vendor=x")
    );
    let linked = records.begin("answer GET /link");
    assert_ne!(task(linked).trace_id, continued.trace_id);
    assert_eq!(task(linked).parent_span_id, None);
    assert_eq!(
        (linked.links[0].trace_id, linked.links[0].span_id),
        (continued.trace_id, continued.parent_span_id.unwrap())
    );
    let restarted = records.begin("answer GET /restart");
    assert_ne!(task(restarted).trace_id, continued.trace_id);
    assert!(restarted.links.is_empty());
}

#[tokio::test]
async fn connections_and_grpc_fail_visibly() {
    let records = records_of(async {
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        client()
            .ready()
            .await
            .unwrap()
            .call(request(closed, "/gone"))
            .await
            .unwrap_err();
        let grpc = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(
                Response::builder()
                    .header("grpc-status", "5")
                    .body(Body::empty())
                    .unwrap(),
            )
        });
        let mut grpc = ServiceBuilder::new()
            .layer(distlog_layer::tower::server())
            .service(grpc);
        grpc.call(
            Request::post("/shop.Orders/Get")
                .body(Body::empty())
                .unwrap(),
        )
        .await
        .unwrap();
    })
    .await;
    assert_eq!(
        records.outcome("call GET 127.0.0.1/gone").0,
        Outcome::Failed
    );
    assert_eq!(
        records.outcome("answer POST /shop.Orders/Get"),
        (Outcome::Failed, "gRPC status 5".into())
    );
}

#[tokio::test]
async fn headers_go_by_hand_too() {
    let mut sent = HeaderMap::new();
    let records = records_of(async {
        sent = task!("caller").foreign_headers();
        import_task!(RemoteParent::from_headers(&sent, Trust::Continue), "callee").in_scope(|| ());
        import_task!(
            RemoteParent::from_headers(&HeaderMap::new(), Trust::Continue),
            "nobody called"
        )
        .in_scope(|| ());
    })
    .await;
    let caller = task(records.begin("caller"));
    let traceparent = format!("00-{}-{}-03", caller.trace_id.to_hex(), caller.span_id);
    assert_eq!(sent["traceparent"], traceparent.as_str());
    assert_eq!(sent["tracestate"], "distlog=1");
    let callee = task(records.begin("callee"));
    assert!(callee.path.starts_with("1."), "{}", callee.path);
    assert_eq!(
        (callee.parent_span_id, callee.trace_id),
        (Some(caller.span_id), caller.trace_id)
    );
    assert_eq!(task(records.begin("nobody called")).path, "");
}

#[tokio::test]
async fn server_tasks_are_named_after_the_method_and_the_route_where_it_is_known() {
    let records = records_of(async {
        let inner = Router::new().route("/{id}/items", get(|| async { "items" }));
        let app = Router::new()
            .route("/orders/{id}", get(|| async { "order" }))
            .nest("/shop", inner)
            .layer(distlog_layer::tower::server());
        let address = serve(app).await;
        for path in ["/orders/17", "/shop/3/items", "/nowhere"] {
            client()
                .ready()
                .await
                .unwrap()
                .call(request(address, path))
                .await
                .unwrap();
        }
    })
    .await;
    for (path, route) in [
        ("/orders/17", Some("/orders/{id}")),
        ("/shop/3/items", Some("/shop/{id}/items")),
        ("/nowhere", None),
    ] {
        // The router is asked only with the feature.
        let route = route.filter(|_| cfg!(feature = "axum"));
        let begin = records.begin(&format!("answer GET {path}"));
        assert_eq!(
            begin.name,
            route.map_or("GET".into(), |route| format!("GET {route}"))
        );
        let said = task(begin).context.get("http.route").cloned();
        assert_eq!(said, route.map(|route| Value::Str(route.into())));
    }
}
