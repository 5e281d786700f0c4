//! TLS as the processor speaks it, for both ways a request can travel.

use std::path::Path;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::config::Tls;
use super::fault::{OpenError, with_causes};
use crate::certificates::{FileError, authorities, certificates, private_key, provider};

impl From<FileError> for OpenError {
    fn from(error: FileError) -> OpenError {
        OpenError::Tls {
            what: error.what,
            path: error.path,
            reason: error.reason,
        }
    }
}

fn unusable(what: &'static str, path: &Path, error: &dyn std::error::Error) -> OpenError {
    FileError::new(what, path, with_causes(error)).into()
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| unusable(what, path, &error))
}

/// For HTTP.
pub(super) fn rustls_config(tls: &Tls) -> Result<ClientConfig, OpenError> {
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
        _ => Err(OpenError::HalfAnIdentity),
    }
}

/// For gRPC.
pub(super) fn tonic_config(tls: &Tls) -> Result<ClientTlsConfig, OpenError> {
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
pub(super) fn no_roots() -> Result<ClientConfig, OpenError> {
    builder().map(|builder| {
        builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    })
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, OpenError> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Tls {
            what: "the set of",
            path: "protocols".into(),
            reason: with_causes(&error),
        })
}
