//! Where the database is, as a command says it.

use http::HeaderValue;
use http::header::HeaderMap;
use percent_encoding::percent_decode_str;

use super::super::DatabaseError;
use crate::processors::clickhouse::config::is_name;
use crate::processors::http_client::{Tls, Url};

/// Of a URL that names none.
const DATABASE: &str = "distlog";

/// What a URL says.
#[derive(Debug)]
pub(super) struct Address {
    /// Of the HTTP interface.
    pub(super) url: Url,
    pub(super) database: String,
    /// User and password of each request. They are not printed.
    pub(super) headers: HeaderMap,
    pub(super) tls: Tls,
}

/// User and password from elsewhere, where a URL has none.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// Reads `clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`. `clickhouses` and `https` are by TLS,
/// `?ca=FILE&cert=FILE&key=FILE` names certificates.
///
/// # Errors
/// If it is none.
pub(super) fn address(from: &str, other: Credentials) -> Result<Address, DatabaseError> {
    let wrong = |what: &str| {
        Err(DatabaseError::Url(format!(
            "the URL of ClickHouse {what}: expected one like clickhouse://USER:PASSWORD@HOST:8123/DATABASE, or \
             clickhouses://HOST:8443/DATABASE with TLS"
        )))
    };
    let Some((scheme, rest)) = from.split_once("://") else {
        return wrong("has no //");
    };
    let (scheme, port) = match scheme {
        "clickhouse" => ("http", Some(8123)),
        "clickhouses" => ("https", Some(8443)),
        "http" | "https" => (scheme, None),
        _ => return wrong("begins otherwise"),
    };
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    if host.is_empty() {
        return wrong("names no host");
    }
    let database = match path.trim_end_matches('/') {
        "" => DATABASE,
        path => path,
    };
    if !is_name(database) {
        return wrong("has no name of a database behind its host");
    }
    // The colons of an address of IPv6 stand in brackets.
    let end = host.rsplit(']').next().unwrap_or(host);
    let said = end.split_once(':').map(|(_, port)| port.parse::<u16>());
    let host = match (said, port) {
        (Some(Err(_)), _) => return wrong("has no number as its port"),
        (None, Some(port)) => format!("{host}:{port}"),
        (Some(Ok(_)), _) | (None, None) => host.to_owned(),
    };
    let Ok(url) = format!("{scheme}://{host}").parse::<Url>() else {
        return wrong("is not understood");
    };
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        Some((user, password)) => (Some(decoded(user)), Some(decoded(password))),
        None => (None, None),
    };
    let mut headers = HeaderMap::new();
    for (name, value, other) in [
        ("x-clickhouse-user", user, other.user),
        ("x-clickhouse-key", password, other.password),
    ] {
        let Some(value) = value.filter(|value| !value.is_empty()).or(other) else {
            continue;
        };
        let Ok(mut value) = HeaderValue::from_str(&value) else {
            return wrong("has a user or a password with line breaks");
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let Some(tls) = certificates(options) else {
        return wrong("has an option that is none of ca, cert, key");
    };
    Ok(Address {
        url,
        database: database.to_owned(),
        headers,
        tls,
    })
}

fn certificates(options: &str) -> Option<Tls> {
    let mut tls = Tls::default();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=')?;
        let place = match name {
            "ca" => &mut tls.ca,
            "cert" => &mut tls.cert,
            "key" => &mut tls.key,
            _ => return None,
        };
        *place = Some(decoded(value).into());
    }
    Some(tls)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str) -> Result<Address, DatabaseError> {
        address(from, Credentials::default())
    }

    #[test]
    fn a_url_says_where_and_who() {
        for (from, url, database) in [
            ("clickhouse://h", "http://h:8123/", "distlog"),
            ("clickhouse://h:9/logs", "http://h:9/", "logs"),
            ("clickhouses://[::1]/logs/", "https://[::1]:8443/", "logs"),
            ("clickhouse://[::1]:9", "http://[::1]:9/", "distlog"),
            ("https://h/logs?ca=%2Fca.pem", "https://h/", "logs"),
        ] {
            let address = read(from).unwrap();
            assert_eq!(
                (address.url.to_string().as_str(), address.database.as_str()),
                (url, database)
            );
        }
        let address = read("clickhouse://leo:hunter%40@h/x").unwrap();
        assert_eq!(address.headers["x-clickhouse-user"], "leo");
        assert_eq!(address.headers["x-clickhouse-key"], "hunter@");
        assert!(!format!("{address:?}").contains("hunter"));
        let other = Credentials {
            user: Some("other".to_owned()),
            password: Some("geheim".to_owned()),
        };
        let address = super::address("clickhouse://leo@h/x", other).unwrap();
        assert_eq!(address.headers["x-clickhouse-user"], "leo");
        assert_eq!(address.headers["x-clickhouse-key"], "geheim");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (from, reason) in [
            ("clickhouse:h", "has no //"),
            ("clickhouse://me:hunter2@/x", "names no host"),
            ("clickhouse://me:hunter2@h/a-b", "no name of a database"),
            (
                "clickhouse://me:hunter2@h/a?secure=1",
                "none of ca, cert, key",
            ),
            ("clickhouse://me:hunter2@h:x/a", "no number as its port"),
            ("clickhouse://me:hunter2@h h/a", "not understood"),
            ("clickhouse://me:hunter2%0a@h/a", "line breaks"),
        ] {
            let error = read(from).unwrap_err().to_string();
            assert!(error.contains(reason), "{from}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
