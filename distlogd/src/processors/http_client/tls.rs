//! TLS as processors speak it, for both ways a request can travel.

use std::path::Path;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
#[cfg(feature = "otlp-export")]
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::config::Tls;
use crate::certificates::{FileError, authorities, certificates, private_key, provider};
use crate::processors::causes::with_causes;

/// Why there is no TLS with these certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key cannot be used.
    #[error("{what} {path} cannot be used: {reason}")]
    File {
        /// What it is.
        what: &'static str,
        /// Its file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Only one of certificate and key is there.
    #[error("`cert` and `key` belong together: one of them is missing")]
    HalfAnIdentity,
}

impl From<FileError> for TlsError {
    fn from(error: FileError) -> TlsError {
        TlsError::File {
            what: error.what,
            path: error.path,
            reason: error.reason,
        }
    }
}

fn unusable(what: &'static str, path: &Path, error: &dyn std::error::Error) -> TlsError {
    FileError::new(what, path, with_causes(error)).into()
}

#[cfg(feature = "otlp-export")]
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| unusable(what, path, &error))
}

/// For HTTP.
pub(super) fn rustls_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let builder = builder()?;
    let builder = match &tls.ca {
        Some(path) => builder.with_root_certificates(authorities("the authority", path)?),
        None => builder
            .with_native_roots()
            .map_err(|error| unusable("the authorities of", Path::new("the system"), &error))?,
    };
    match (&tls.cert, &tls.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let parsed = private_key("the key", key)?;
            builder
                .with_client_auth_cert(certificates("the certificate", cert)?, parsed)
                .map_err(|error| unusable("the certificate", cert, &error))
        }
        _ => Err(TlsError::HalfAnIdentity),
    }
}

/// For gRPC.
#[cfg(feature = "otlp-export")]
pub(crate) fn tonic_config(tls: &Tls) -> Result<ClientTlsConfig, TlsError> {
    // Tells what is wrong with each file, which tonic does not.
    rustls_config(tls)?;
    let mut config = match &tls.ca {
        Some(path) => ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("the authority", path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        config = config.identity(Identity::from_pem(
            read("the certificate", cert)?,
            read("the key", key)?,
        ));
    }
    Ok(config)
}

/// For HTTP without TLS.
pub(super) fn no_roots() -> Result<ClientConfig, TlsError> {
    builder().map(|builder| {
        builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    })
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::File {
            what: "the set of",
            path: "protocols".into(),
            reason: with_causes(&error),
        })
}
