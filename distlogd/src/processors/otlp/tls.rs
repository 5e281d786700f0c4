//! Certificates and keys from their files, for both ways a request can travel.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::config::Tls;
use super::fault::{OpenError, with_causes};

fn unusable(what: &'static str, path: &Path, error: &dyn std::error::Error) -> OpenError {
    OpenError::Tls {
        what,
        path: path.display().to_string(),
        reason: with_causes(error),
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, OpenError> {
    std::fs::read(path).map_err(|error| unusable(what, path, &error))
}

fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let pem = read(what, path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let parsed = parsed.map_err(|error| unusable(what, path, &error))?;
    if parsed.is_empty() {
        return Err(OpenError::Tls {
            what,
            path: path.display().to_string(),
            reason: "it holds no certificate".into(),
        });
    }
    Ok(parsed)
}

/// For HTTP.
pub(super) fn rustls_config(tls: &Tls) -> Result<ClientConfig, OpenError> {
    let builder = builder()?;
    let builder = match &tls.ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("the authority", path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable("the authority", path, &error))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder
            .with_native_roots()
            .map_err(|error| unusable("the authorities of", Path::new("the system"), &error))?,
    };
    match (&tls.cert, &tls.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let pem = read("the key", key)?;
            let parsed = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable("the key", key, &error))?;
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
    // Named, because a program that holds two libraries for it has no default.
    let provider = Arc::new(crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Tls {
            what: "the set of",
            path: "protocols".into(),
            reason: with_causes(&error),
        })
}
