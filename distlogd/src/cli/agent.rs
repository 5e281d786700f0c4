//! The HTTP client of the commands: authorities and certificates for https, and why there is no connection.

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use super::DaemonArgs;
use super::answer::Error;

type Builder = ConfigBuilder<AgentScope>;

/// A client for the daemon that the arguments name.
///
/// # Errors
/// If a file cannot be used.
pub(super) fn agent(daemon: &DaemonArgs) -> Result<Agent, Error> {
    let builder = Agent::config_builder().http_status_as_error(false);
    let builder = if daemon.url.starts_with("https://") {
        with_tls(builder, daemon)?
    } else {
        // A proxy of the environment would read the token.
        builder.proxy(None)
    };
    Ok(builder.build().into())
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Builder, _: &DaemonArgs) -> Result<Builder, Error> {
    let why = "this distlogd is built without TLS, the feature `tls`: it asks by http:// alone";
    Err(Error::Wrong(why.to_owned()))
}

#[cfg(feature = "tls")]
fn with_tls(builder: Builder, daemon: &DaemonArgs) -> Result<Builder, Error> {
    use ureq::tls::{Certificate, ClientCert, PrivateKey, TlsConfig, TlsProvider};

    use crate::certificates::{FileError, certificates, provider};

    let wrong = |error: FileError| Error::Wrong(error.to_string());
    let owned = |der: &rustls::pki_types::CertificateDer<'_>| Certificate::from_der(der).to_owned();
    let roots = match &daemon.ca {
        Some(file) => certificates("the authority", file).map_err(wrong)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let roots: Vec<_> = roots.iter().map(owned).collect();
    let client = match (&daemon.client_cert, &daemon.client_key) {
        (Some(cert), Some(key)) => {
            const KEY: &str = "the key of the client";
            let chain = certificates("the certificate of the client", cert).map_err(wrong)?;
            let chain: Vec<_> = chain.iter().map(owned).collect();
            let pem = std::fs::read(key);
            let pem = pem.map_err(|error| wrong(FileError::new(KEY, key, error)))?;
            let key = PrivateKey::from_pem(&pem)
                .map_err(|error| wrong(FileError::new(KEY, key, error)))?;
            Some(ClientCert::new_with_certs(&chain, key))
        }
        _ => None,
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider())
        .root_certs(roots.into_iter().into())
        .client_cert(client)
        .build();
    Ok(builder.tls_config(tls))
}

/// Why there is no connection, and what to do.
pub(super) fn in_words(error: &ureq::Error) -> String {
    #[cfg(feature = "tls")]
    if let Some(error) = of_tls(error) {
        return tls_in_words(error);
    }
    error.to_string()
}

#[cfg(feature = "tls")]
fn of_tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => crate::tls_error::of_tls(error),
        _ => None,
    }
}

#[cfg(feature = "tls")]
fn tls_in_words(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, CertificateError, Error};

    match error {
        Error::InvalidCertificate(why) => match (crate::tls_error::outside(why), why) {
            (Some(why), _) => format!("its certificate {why}"),
            (None, CertificateError::UnknownIssuer) => {
                "nobody who is trusted has signed its certificate: `--ca FILE` names the authority that has".to_owned()
            }
            (
                None,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => "its certificate is for another name: ask by a name that stands in it".to_owned(),
            // An authority's own certificate, as `openssl req -x509` makes it where nothing else is said.
            (None, why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
                "it shows the certificate of an authority, which no server may: sign another one by it, or make it with \
                 `-addext basicConstraints=critical,CA:FALSE`"
                    .to_owned()
            }
            (None, why) => format!("its certificate cannot be trusted: {why}"),
        },
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it asks for a certificate: `--client-cert FILE --client-key FILE` show one".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!("it refuses the connection ({alert:?}): its log says why")
        }
        Error::InvalidMessage(_) => "it speaks no TLS: ask by http://".to_owned(),
        Error::DecryptError => "what it sent was changed on the way, or cut off".to_owned(),
        error => error.to_string(),
    }
}
