//! TLS of a receiver: certificates, which are read anew when their files change, and what is wrong with them.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};

use crate::certificates::{FileError, authorities, certificates, private_key, provider};
use crate::config::receivers::Tls;
use crate::tls_error::{date, outside};

/// The files are looked at not more often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A certificate that ends sooner is warned of.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 86_400);

const CERT: &str = "the certificate";
const KEY: &str = "the key";
const CLIENT_CA: &str = "the authority of clients";

/// Has the certificates of one receiver. They are looked at when somebody connects.
pub(crate) struct Certificates {
    receiver: &'static str,
    files: Tls,
    /// What is spoken over TLS, as clients may ask for it (ALPN).
    protocol: &'static [u8],
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    /// What the files were when they were read last, also in vain.
    versions: [Version; 3],
    looked: Instant,
}

/// Changes when a file is written or replaced.
type Version = Option<(SystemTime, u64, u64)>;

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.files).finish()
    }
}

impl Certificates {
    /// Reads them.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(crate) fn open(
        receiver: &'static str,
        files: &Tls,
        protocol: &'static [u8],
    ) -> Result<Certificates, FileError> {
        let versions = versions(files);
        let config = Arc::new(config(files, protocol)?);
        Ok(Certificates {
            receiver,
            files: files.clone(),
            protocol,
            state: Mutex::new(State {
                config,
                versions,
                looked: Instant::now(),
            }),
        })
    }

    /// For the next connection. Files that changed are read anew; if they cannot be used, it stays as it was.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK_INTERVAL {
            return Arc::clone(&state.config);
        }
        state.looked = Instant::now();
        let versions = versions(&self.files);
        if versions != state.versions {
            state.versions = versions;
            let (receiver, cert) = (self.receiver, self.files.cert.display());
            match config(&self.files, self.protocol) {
                Ok(config) => {
                    state.config = Arc::new(config);
                    tracing::info!(
                        receiver,
                        "the certificate {cert} changed: it is used from now on"
                    );
                    for finding in check(&self.files) {
                        tracing::warn!(receiver, "{}", finding.message);
                    }
                }
                Err(error) => tracing::warn!(
                    receiver,
                    "files of TLS changed, and {error}; what was read before stays in use"
                ),
            }
        }
        Arc::clone(&state.config)
    }
}

fn versions(files: &Tls) -> [Version; 3] {
    let version = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    let client_ca = files.client_ca.as_deref();
    [
        version(&files.cert),
        version(&files.key),
        client_ca.and_then(version),
    ]
}

fn config(files: &Tls, protocol: &[u8]) -> Result<ServerConfig, FileError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| FileError::new(CERT, &files.cert, error))?;
    let builder = match &files.client_ca {
        Some(path) => {
            let roots = Arc::new(authorities(CLIENT_CA, path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let verifier = verifier.map_err(|error| FileError::new(CLIENT_CA, path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let (chain, key) = (
        certificates(CERT, &files.cert)?,
        private_key(KEY, &files.key)?,
    );
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            let why = format!("it does not belong to {CERT} {}", files.cert.display());
            FileError::new(KEY, &files.key, why)
        }
        error => FileError::new(CERT, &files.cert, error),
    })?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// Something about the files of TLS.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The key of the configuration that names the file.
    pub(crate) key: &'static str,
    pub(crate) message: String,
    /// The receiver cannot be opened with it.
    pub(crate) fatal: bool,
}

/// What is wrong with the files.
pub(crate) fn check(files: &Tls) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fatal = |key, error: FileError| {
        findings.push(Finding {
            key,
            message: error.to_string(),
            fatal: true,
        });
    };
    let chain = certificates(CERT, &files.cert);
    let key = private_key(KEY, &files.key);
    let roots = files.client_ca.as_deref();
    let roots = roots.map(|path| authorities(CLIENT_CA, path)).transpose();
    let chain = match (chain, key, roots) {
        (Ok(chain), Ok(_), Ok(_)) => {
            if let Err(error) = config(files, b"") {
                fatal(if error.what == KEY { "key" } else { "cert" }, error);
            }
            Some(chain)
        }
        (chain, key, roots) => {
            let chain = chain.map_err(|error| fatal("cert", error)).ok();
            _ = key.map_err(|error| fatal("key", error));
            _ = roots.map_err(|error| fatal("client_ca", error));
            chain
        }
    };
    let first = chain.as_ref().and_then(|chain| chain.first());
    if let Some(why) = first.and_then(|certificate| validity(certificate, UnixTime::now())) {
        findings.push(Finding {
            key: "cert",
            message: format!("{CERT} {} {why}", files.cert.display()),
            fatal: false,
        });
    }
    findings
}

/// What is wrong with a certificate at that time, if clients refuse it then or soon.
fn validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).ok()?;
    let roots = Arc::new(roots);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    let (verifier, name) = (verifier.ok()?, ServerName::try_from("localhost").ok()?);
    // The times are looked at before anything else.
    let at = |time| verifier.verify_server_cert(certificate, &[], &name, &[], time);
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + EXPIRES_SOON);
    match (at(now), at(soon)) {
        (Err(Error::InvalidCertificate(why)), _) if outside(&why).is_some() => outside(&why),
        (_, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }))) => {
            Some(format!("expires soon, {}", date(not_after)))
        }
        _ => None,
    }
}
