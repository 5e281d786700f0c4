//! Certificates of clients, at each port.

use distlog_bridge::otlp::collector::trace::v1::trace_service_client::TraceServiceClient;
use distlog_testkit::eventually;
use prost::Message;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use super::*;
use crate::kit::otlp::{runtime, span, traces};

const LISTEN: &str = "{ push: off, session: off, \
    otlp_grpc: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem, client_ca: clients.pem } }, \
    otlp_http: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem, client_ca: clients.pem } }, \
    http: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem, client_ca: clients.pem } } }";

/// Who comes: nobody, and by whom his certificate is signed.
const CLIENTS: [(Option<&str>, bool); 4] = [
    (None, false),
    (Some("foreign"), false),
    (Some("old"), false),
    (Some("good"), true),
];

fn by_http(daemon: &Daemon, name: Option<&str>) -> bool {
    let body = traces(vec![span(1, None, name.unwrap_or("nobody"))]).encode_to_vec();
    let host = bare(daemon.otlp_http());
    let request = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = connect(daemon.folder(), daemon.otlp_http(), name);
    let sent = stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.write_all(&body));
    let mut answer = Vec::new();
    sent.and_then(|()| stream.read_to_end(&mut answer))
        .is_ok_and(|_| answer.starts_with(b"HTTP/1.1 200 "))
}

fn by_grpc(daemon: &Daemon, name: Option<&str>) -> bool {
    let read = |name: &str| fs::read(pem(daemon.folder(), name)).unwrap();
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("ca")));
    if let Some(name) = name {
        let (cert, key) = (read(&format!("{name}cert")), read(&format!("{name}key")));
        tls = tls.identity(Identity::from_pem(cert, key));
    }
    let endpoint = format!("https://{}", bare(daemon.otlp_grpc()));
    runtime().block_on(async {
        let channel = Channel::from_shared(endpoint).unwrap().tls_config(tls);
        let Ok(channel) = channel.unwrap().connect().await else {
            return false;
        };
        let request = traces(vec![span(1, None, name.unwrap_or("nobody"))]);
        TraceServiceClient::new(channel)
            .export(request)
            .await
            .is_ok()
    })
}

#[test]
fn only_those_whom_the_authority_knows_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    fs::write(folder.join("ca.pem"), ours.pem()).unwrap();
    fs::write(folder.join("clients.pem"), clients.pem()).unwrap();
    ours.sign("localhost").write(folder, "");
    clients.sign("shop").write(folder, "good");
    clients.sign_until("shop", 2020).write(folder, "old");
    // The daemon trusts this authority for nobody.
    ours.sign("shop").write(folder, "foreign");
    let mut daemon = Daemon::listening(DISTLOGD, &[], folder, LISTEN, "");
    for (name, good) in CLIENTS {
        assert_eq!(by_http(&daemon, name), good, "{name:?} by HTTP");
        assert_eq!(by_grpc(&daemon, name), good, "{name:?} by gRPC");
        let mut arguments = vec!["--ca".to_owned(), "ca.pem".to_owned()];
        if let Some(name) = name {
            arguments.extend(["--client-cert".to_owned(), format!("{name}cert.pem")]);
            arguments.extend(["--client-key".to_owned(), format!("{name}key.pem")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&daemon, &arguments);
        let code = if good { 0 } else { 1 };
        assert_eq!(
            output.status.code(),
            Some(code),
            "{name:?} {}",
            said(&output)
        );
    }
    let text = said(&run(&daemon, &["--ca", "ca.pem"]));
    assert!(text.contains("it asks for a certificate"), "{text}");
    let reasons = [
        "it shows no certificate",
        "its certificate is not signed by an authority of `client_ca`",
        "its certificate has expired, 2020-01-01 00:00 UTC",
    ];
    eventually("it says who is refused", || {
        let said = daemon.process().stderr();
        let missing = reasons
            .iter()
            .find(|reason| !said.iter().any(|line| line.contains(**reason)));
        missing.map_or(Ok(()), |missing| Err(format!("{missing}: {said:?}")))
    });
    let found = get(folder, daemon.http(), "/api/v1/records", Some("good")).unwrap();
    for (name, good) in CLIENTS {
        let message = format!(r#""message":"{}""#, name.unwrap_or("nobody"));
        assert_eq!(found.contains(&message), good, "{message}: {found}");
    }
}
