//! Where the database is: the URL of the configuration, which holds a password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio_postgres::config::Host;

/// A URL like `postgres://user:password@host:5432/database`. Nothing that is printed of it has the password.
#[derive(Clone, PartialEq)]
pub struct Url {
    /// What the client library makes of it; TLS is chosen from `ssl_mode`.
    config: tokio_postgres::Config,
    /// What the URL says of TLS.
    pub(super) ssl_mode: Option<SslMode>,
}

/// `sslmode` of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server has it. Nobody is kept from pretending that it has none.
    Prefer,
    /// TLS; the certificate is checked only where authorities are configured.
    Require,
    /// TLS with a certificate of a known authority for the name of the host.
    VerifyFull,
}

/// Why a text is no URL of a database. It never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins otherwise.
    #[error(
        "the URL of the database begins with neither postgres:// nor postgresql://: expected one like \
         postgres://USER:PASSWORD@HOST:5432/DATABASE"
    )]
    Scheme,
    /// A mode of TLS that is not known here.
    #[error("`sslmode={0}` is not known: expected disable, prefer, require or verify-full{1}")]
    SslMode(String, &'static str),
    /// Certificates are no options of the URL.
    #[error(
        "`{0}` is no option of the URL here: `tls: {{ ca: FILE, cert: FILE, key: FILE }}` names certificates"
    )]
    Certificates(String),
    /// The client library does not understand it.
    #[error("the URL of the database is not understood: {0}")]
    Other(String),
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(UrlError::Scheme);
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut ssl_mode = None;
        let mut options = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("sslmode", mode) => ssl_mode = Some(read_ssl_mode(mode)?),
                (name @ ("sslrootcert" | "sslcert" | "sslkey"), _) => {
                    return Err(UrlError::Certificates(name.to_owned()));
                }
                _ => options.push(option),
            }
        }
        let rest = if options.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", options.join("&"))
        };
        let config: tokio_postgres::Config = rest.parse().map_err(not_understood)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlError::Other("the host is missing".to_owned()));
        }
        Ok(Url { config, ssl_mode })
    }
}

/// What the library says is wrong: it names options, and quotes no values.
fn not_understood(error: tokio_postgres::Error) -> UrlError {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    UrlError::Other(cause.unwrap_or_else(|| error.to_string()))
}

fn read_ssl_mode(mode: &str) -> Result<SslMode, UrlError> {
    let hint = match mode {
        "disable" => return Ok(SslMode::Disable),
        "prefer" => return Ok(SslMode::Prefer),
        "require" => return Ok(SslMode::Require),
        "verify-full" => return Ok(SslMode::VerifyFull),
        "verify-ca" => "; `verify-full` checks the name of the host, too",
        "allow" => "; `prefer` is the one that takes what is there",
        _ => "",
    };
    Err(UrlError::SslMode(mode.to_owned(), hint))
}

impl Url {
    /// Takes this password, unless it has one.
    pub(crate) fn or_password(&mut self, password: &str) {
        if self.config.get_password().is_none() {
            self.config.password(password);
        }
    }

    /// The mode of TLS.
    pub fn ssl_mode(&self) -> SslMode {
        self.ssl_mode.unwrap_or(SslMode::Prefer)
    }

    /// What to connect with; nobody waits for longer than `timeout`.
    pub fn to_config(&self, timeout: Duration) -> tokio_postgres::Config {
        use tokio_postgres::config::SslMode as Library;
        let mut config = self.config.clone();
        config.ssl_mode(match self.ssl_mode() {
            SslMode::Disable => Library::Disable,
            SslMode::Prefer => Library::Prefer,
            SslMode::Require | SslMode::VerifyFull => Library::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("distlogd");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(timeout);
        }
        config
    }
}

impl fmt::Display for Url {
    /// `host:port/database`, or the socket's directory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        for (at, host) in hosts.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "{comma}[{name}]:{}", port(at))?,
                Host::Tcp(name) => write!(f, "{comma}{name}:{}", port(at))?,
                Host::Unix(path) => write!(f, "{comma}{}:{}", path.display(), port(at))?,
            }
        }
        if hosts.is_empty() {
            for (at, address) in self.config.get_hostaddrs().iter().enumerate() {
                write!(f, "{}{address}:{}", if at > 0 { "," } else { "" }, port(at))?;
            }
        }
        let user = self.config.get_user().unwrap_or_default();
        write!(f, "/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self}, {:?})", self.ssl_mode)
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Url {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_without_its_password() {
        let url: Url =
            "postgres://ada:s%3Acret@db.example:5433/logs?sslmode=require&application_name=x"
                .parse()
                .unwrap();
        assert_eq!(url.to_string(), "db.example:5433/logs");
        assert_eq!(url.ssl_mode(), SslMode::Require);
        assert!(!format!("{url:?}{:?}", url.config).contains("cret"));
        let config = url.to_config(Duration::from_secs(3));
        assert_eq!(config.get_password(), Some(&b"s:cret"[..]));
        assert_eq!(config.get_application_name(), Some("x"));
        let socket: Url = "postgres:///logs?host=/run/pg&port=6000&user=me"
            .parse()
            .unwrap();
        assert_eq!(socket.to_string(), "/run/pg:6000/logs");
        let url: Url = "postgresql://[::1]/logs".parse().unwrap();
        assert_eq!(
            (url.to_string(), url.ssl_mode()),
            ("[::1]:5432/logs".into(), SslMode::Prefer)
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (text, reason) in [
            ("mysql://me:hunter2@h/db", "begins with neither postgres://"),
            (
                "postgres://me:hunter2@h/db?sslmode=verify-ca",
                "`verify-full` checks the name",
            ),
            (
                "postgres://me:hunter2@h/db?sslmode=on",
                "expected disable, prefer",
            ),
            (
                "postgres://me:hunter2@h/db?sslrootcert=/x",
                "tls: { ca: FILE",
            ),
            (
                "postgres://me:hunter2@h/db?keepalive=3",
                "unknown option `keepalive`",
            ),
            (
                "postgres://me:hunter2@h:x/db",
                "invalid value for option `port`",
            ),
            ("postgres:///db", "the host is missing"),
        ] {
            let error = text.parse::<Url>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
