//! Processor `otlp` over TLS, with certificates of an authority of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, Store, whole};
use crate::processor::Error;
use crate::processors::http_client::{Tls, TlsError};
use crate::processors::otlp::{Config, OpenError, Protocol, open};
use distlog_testkit::otlp::Collector;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority {
            dir: TempDir::new().unwrap(),
            issuer,
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn ca(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    /// Certificate and key for a name.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn collector(&self, clients: Option<&Authority>) -> Collector {
        let (certificate, key) = self.sign("localhost");
        let mut tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
        if let Some(clients) = clients {
            tls = tls.client_ca_root(Certificate::from_pem(clients.issuer.pem()));
        }
        Collector::start_with(Some(tls), "127.0.0.1:0")
    }
}

fn config(collector: &Collector, tls: Tls) -> Config {
    Config {
        tls,
        ..Config::new(format!("https://localhost:{}", collector.address.port()))
    }
}

#[test]
fn a_receiver_that_the_authority_signed_is_trusted() {
    let authority = Authority::new();
    let collector = authority.collector(None);
    let store = Store::of(&whole(1));
    let tls = Tls {
        ca: Some(authority.ca()),
        ..Tls::default()
    };
    assert!(
        Delivery::new(&store, &config(&collector, tls))
            .run()
            .retries
            .is_empty()
    );
    assert_eq!((collector.spans().len(), collector.logs().len()), (1, 1));
}

#[test]
fn a_receiver_that_somebody_else_signed_gets_nothing() {
    let collector = Authority::new().collector(None);
    let store = Store::of(&whole(1));
    let other = Authority::new();
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let tls = Tls {
            ca: Some(other.ca()),
            ..Tls::default()
        };
        let config = Config {
            protocol,
            ..config(&collector, tls)
        };
        match Delivery::new(&store, &config).attempt(1, 4) {
            Err(Error::Retry { reason, .. }) => assert!(reason.contains("certificate"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(collector.spans().is_empty());
}

#[test]
fn a_receiver_that_asks_who_is_there_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let collector = authority.collector(Some(&clients));
    let store = Store::of(&whole(1));
    let ca = Some(authority.ca());
    let stranger = config(
        &collector,
        Tls {
            ca: ca.clone(),
            ..Tls::default()
        },
    );
    assert!(matches!(
        Delivery::new(&store, &stranger).attempt(1, 4),
        Err(Error::Retry { .. })
    ));

    let (certificate, key) = clients.sign("distlogd");
    let (cert, key) = (
        Some(clients.file("cert.pem", &certificate)),
        Some(clients.file("key.pem", &key)),
    );
    let known = config(&collector, Tls { ca, cert, key });
    assert!(Delivery::new(&store, &known).run().retries.is_empty());
    assert_eq!(collector.spans().len(), 1);
}

/// Answers two requests by HTTP over TLS and says what they were to.
fn answer_two(listener: TcpListener, tls: Arc<ServerConfig>) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let stream = listener.accept().unwrap().0;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut stream = BufReader::new(StreamOwned::new(
            ServerConnection::new(Arc::clone(&tls)).unwrap(),
            stream,
        ));
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                break; // The client opened another connection.
            }
            lines.push(line.trim().to_owned());
            loop {
                let mut header = String::new();
                stream.read_line(&mut header).unwrap();
                match header.trim().to_ascii_lowercase().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().unwrap(),
                    Some(_) => {}
                    None => break,
                }
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            if lines.len() == 2 {
                break;
            }
        }
    }
    lines
}

#[test]
fn http_goes_over_tls_too() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let certificates = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let tls =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let server = std::thread::spawn(move || answer_two(listener, Arc::new(tls)));
    let store = Store::of(&whole(1));
    let tls = Tls {
        ca: Some(authority.ca()),
        ..Tls::default()
    };
    let config = Config {
        protocol: Protocol::HttpProtobuf,
        tls,
        ..Config::new(endpoint)
    };
    let mut delivery = Delivery::new(&store, &config);
    delivery.attempt(1, 4).unwrap();
    let mut lines = server.join().unwrap();
    lines.sort();
    assert_eq!(
        lines,
        ["POST /v1/logs HTTP/1.1", "POST /v1/traces HTTP/1.1"]
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign("distlogd");
    let good = authority.file("cert.pem", &certificate);
    let empty = authority.file("empty.pem", "nothing");
    let missing = authority.dir.path().join("missing.pem");
    let fault = |tls: Tls, protocol: Protocol| {
        let config = Config {
            tls,
            protocol,
            ..Config::new("https://localhost:1")
        };
        open(
            "test",
            &config,
            &crate::self_telemetry::Metrics::default(),
            &super::threads(),
            &super::runtime(),
            Box::new(Store::default()),
        )
        .err()
        .unwrap()
    };
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let text = fault(
            Tls {
                ca: Some(missing.clone()),
                ..Tls::default()
            },
            protocol,
        )
        .to_string();
        assert!(
            text.starts_with("the authority ")
                && text.contains("missing.pem cannot be used: No such file"),
            "{text}"
        );
        let text = fault(
            Tls {
                ca: Some(empty.clone()),
                ..Tls::default()
            },
            protocol,
        )
        .to_string();
        assert!(text.contains("empty.pem cannot be used"), "{text}");
        let half = fault(
            Tls {
                cert: Some(good.clone()),
                ..Tls::default()
            },
            protocol,
        );
        assert!(
            matches!(half, OpenError::Tls(TlsError::HalfAnIdentity)),
            "{half}"
        );
        let no_key = Tls {
            cert: Some(good.clone()),
            key: Some(empty.clone()),
            ..Tls::default()
        };
        let text = fault(no_key, protocol).to_string();
        assert!(
            text.starts_with("the key ") && text.contains("empty.pem"),
            "{text}"
        );
    }
}
