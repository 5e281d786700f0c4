//! TLS, with real processes: an authority of the test signs certificates for the daemon and for clients.

mod altered;
mod clients;
mod server;

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use distlog_testkit::Daemon;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::DISTLOGD;

/// All receivers by TCP speak TLS.
const LISTEN: &str = "{ push: off, session: off, otlp_grpc: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem } }, \
                      otlp_http: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem } }, \
                      http: { bind: 'localhost:0', tls: { cert: cert.pem, key: key.pem } } }";

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Pair {
    cert: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, name: &str) -> Pair {
        self.sign_until(name, 4000)
    }

    /// Holds until the begin of a year.
    fn sign_until(&self, name: &str, year: i32) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        Pair {
            cert: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Pair {
    fn write(&self, folder: &Path, name: &str) {
        // The key comes first: as long as the two do not fit, the old ones are used.
        fs::write(folder.join(format!("{name}key.pem")), &self.key).unwrap();
        fs::write(folder.join(format!("{name}cert.pem")), &self.cert).unwrap();
    }
}

/// A daemon with a certificate for `localhost`, and the authority, whose certificate is in `ca.pem`.
fn start(folder: &Path) -> (Daemon, Authority) {
    let authority = Authority::new("ours");
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    authority.sign("localhost").write(folder, "");
    let daemon = Daemon::listening(DISTLOGD, &[], folder, LISTEN, "");
    assert!(
        daemon.http().starts_with("https://localhost:"),
        "{}",
        daemon.http()
    );
    (daemon, authority)
}

fn run(daemon: &Daemon, arguments: &[&str]) -> Output {
    run_at(daemon.http(), daemon.folder(), arguments)
}

/// Runs `distlogd find` against a daemon.
fn run_at(url: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(DISTLOGD)
        .current_dir(folder)
        .args(["find", "--url", url])
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn bare(address: &str) -> &str {
    address.strip_prefix("https://").unwrap_or(address)
}

fn pem(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.pem"))
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts `ca.pem` and shows the certificate `NAMEcert.pem`, if there is a name.
fn connect(folder: &Path, address: &str, name: Option<&str>) -> Stream {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(pem(folder, "ca")).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match name {
        Some(name) => {
            let chain = CertificateDer::from_pem_file(pem(folder, &format!("{name}cert"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(pem(folder, &format!("{name}key"))).unwrap();
            config.with_client_auth_cert(vec![chain], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, TcpStream::connect(bare(address)).unwrap())
}

/// Sends a request and reads the answer.
fn talk(stream: &mut Stream, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Who closes without a word of TLS has said all of it.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof || answer.is_empty() => {
            return Err(error);
        }
        _ => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(folder: &Path, address: &str, path: &str, name: Option<&str>) -> io::Result<String> {
    let host = bare(address);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    talk(&mut connect(folder, address, name), &request)
}
