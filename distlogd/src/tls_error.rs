//! Errors of TLS: found behind others, and certificates in plain words.

use std::io;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};

/// The error of TLS that is behind an error of a connection.
pub(crate) fn of_tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error);
        }
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// That a certificate is not valid now, in words.
pub(crate) fn outside(why: &CertificateError) -> Option<String> {
    match why {
        CertificateError::Expired => Some("has expired".into()),
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("has expired, {}", date(*not_after)))
        }
        CertificateError::NotValidYet => Some("is not valid yet".into()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("is not valid yet, from {} on", date(*not_before)))
        }
        _ => None,
    }
}

/// A time, in words.
pub(crate) fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).map_or_else(String::new, |time| {
        time.format("%Y-%m-%d %H:%M UTC").to_string()
    })
}
