//! Certificates and keys in PEM files: of receivers with TLS, of processors, of the command line.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {path} cannot be used: {reason}")]
pub(crate) struct FileError {
    pub(crate) what: &'static str,
    pub(crate) path: String,
    pub(crate) reason: String,
}

impl FileError {
    pub(crate) fn new(what: &'static str, path: &Path, reason: impl ToString) -> FileError {
        FileError {
            what,
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|error| FileError::new(what, path, error))
}

/// The certificates of a file, at least one.
///
/// # Errors
/// If it cannot be read, or holds none.
pub(crate) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = read(what, path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let parsed = parsed.map_err(|error| FileError::new(what, path, error))?;
    if parsed.is_empty() {
        return Err(FileError::new(what, path, "it holds no certificate"));
    }
    Ok(parsed)
}

/// The first private key of a file.
///
/// # Errors
/// If it cannot be read, or holds none.
pub(crate) fn private_key(
    what: &'static str,
    path: &Path,
) -> Result<PrivateKeyDer<'static>, FileError> {
    use rustls::pki_types::pem::Error;
    let pem = read(what, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        Error::NoItemsFound => {
            let why =
                "it holds no private key (one with a password has to be decrypted: openssl pkey)";
            FileError::new(what, path, why)
        }
        error => FileError::new(what, path, error),
    })
}

/// The authorities of a file.
///
/// # Errors
/// If it cannot be read, holds none, or one that cannot be an authority.
pub(crate) fn authorities(what: &'static str, path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, path)? {
        roots
            .add(certificate)
            .map_err(|error| FileError::new(what, path, error))?;
    }
    Ok(roots)
}

/// The cryptography. Named, because a program that holds two libraries for it has no default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
