//! Where the database is, as a command says it.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::super::DatabaseError;
use crate::processors::postgres::config::{Config, Tls};
use crate::processors::postgres::url::Url;

/// How long connecting, or one step of reading, may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a URL of PostgreSQL. Beside the options of the processor's URL it takes `schema`, and `sslrootcert`, `sslcert`
/// and `sslkey`, which name files. Without a password in it, `password` is taken.
///
/// # Errors
/// If it is none.
pub(super) fn config(from: &str, password: Option<&str>) -> Result<Config, DatabaseError> {
    let (base, query) = from.split_once('?').unwrap_or((from, ""));
    let (mut schema, mut tls) = (None, Tls::default());
    let mut options = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let decoded = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "schema" => schema = Some(decoded()),
            "sslrootcert" => tls.ca = Some(decoded().into()),
            "sslcert" => tls.cert = Some(decoded().into()),
            "sslkey" => tls.key = Some(decoded().into()),
            _ => options.push(option),
        }
    }
    let text = match options.is_empty() {
        true => base.to_owned(),
        false => format!("{base}?{}", options.join("&")),
    };
    let mut url = text
        .parse::<Url>()
        .map_err(|error| DatabaseError::Url(format!("{error}")))?;
    if let Some(password) = password {
        url.or_password(password);
    }
    let tls = (tls != Tls::default()).then_some(tls);
    Config::to_read(url, schema, TIMEOUT, tls).map_err(|error| DatabaseError::Url(error.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::postgres::url::SslMode;

    #[test]
    fn a_url_names_the_schema_and_certificates_too() {
        let url =
            "postgres://me:hunter2@h/logs?schema=other&connect_timeout=3&sslrootcert=%2Fca.pem";
        let config = config(url, Some("unused")).unwrap();
        assert_eq!(config.schema, "other");
        assert_eq!(config.tls.ca.as_deref(), Some("/ca.pem".as_ref()));
        assert_eq!(config.url.ssl_mode(), SslMode::VerifyFull);
        let library = config.url.to_config(TIMEOUT);
        assert_eq!(library.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_password_may_come_from_elsewhere() {
        let config = config("postgres://me@h/logs", Some("geheim")).unwrap();
        assert_eq!(config.schema, "distlog");
        let library = config.url.to_config(TIMEOUT);
        assert_eq!(library.get_password(), Some(&b"geheim"[..]));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, reason) in [
            ("postgres://me:hunter2@h/db?schema=My", "lower-case"),
            ("postgres://me:hunter2@h/db?sslmode=on", "expected disable"),
            ("postgres://me:hunter2@h/db?sslcert=a", "belong together"),
        ] {
            let error = config(text, None).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
