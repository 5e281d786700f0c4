//! Processor `http` over TLS, with a certificate of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::{open, records};
use crate::processor::{Error, Processor};
use crate::processors::http::Config;
use crate::processors::http::config::Format;
use crate::processors::http_client::Tls;

struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority {
            folder: TempDir::new().unwrap(),
            issuer,
        }
    }

    fn file(&self, name: &str, text: &str) -> Option<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    }

    /// Certificate and key for a name.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A server that takes only clients that this authority knows.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.issuer.pem())).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let (certificate, key) = self.sign("localhost");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![der(&certificate)], key);
        Arc::new(config.unwrap())
    }
}

/// Answers one request well, and gives its body. Connections that come to nothing are passed over.
fn answer_one(listener: &TcpListener, tls: &Arc<ServerConfig>) -> String {
    loop {
        let stream = listener.accept().unwrap().0;
        let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, stream));
        let mut length = None;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = Some(value.trim().parse().unwrap());
            }
        }
        if let Some(length) = length {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            return String::from_utf8(body).unwrap();
        }
    }
}

#[test]
fn both_sides_show_who_they_are() {
    let authority = Authority::new();
    let tls = authority.server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}/in",
        listener.local_addr().unwrap().port()
    );
    let server = std::thread::spawn(move || answer_one(&listener, &tls));
    let mut config = Config::new(&url, Format::Ndjson);
    config.tls.ca = authority.file("ca.pem", &authority.issuer.pem());
    let present = |config: &Config| {
        let mut http = open(config);
        records(1..3, |records| http.process(records))?;
        http.flush()
    };
    // Whom it does not know it does not take anything from.
    assert!(matches!(present(&config), Err(Error::Retry { .. })));
    // Who is not signed by our authority gets nothing.
    let stranger = Tls {
        ca: authority.file("other.pem", &Authority::new().issuer.pem()),
        ..Tls::default()
    };
    let wrong = Config {
        tls: stranger,
        ..config.clone()
    };
    match present(&wrong) {
        Err(Error::Retry { reason, .. }) => assert!(reason.contains("certificate"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let (certificate, key) = authority.sign("distlogd");
    config.tls.cert = authority.file("cert.pem", &certificate);
    config.tls.key = authority.file("key.pem", &key);
    present(&config).unwrap();
    assert_eq!(server.join().unwrap().lines().count(), 2);
}
