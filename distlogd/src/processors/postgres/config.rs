//! The configuration of the processor.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::url::{SslMode, Url};
use crate::values;

/// What `timeout` may be.
const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
/// The longest name that PostgreSQL has, in bytes.
const MAX_NAME: usize = 63;

/// `postgres: { url: '${DATABASE_URL}', schema: distlog, keep: 30d }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Config {
    /// The database.
    pub url: Url,
    /// The schema that holds the tables.
    pub schema: String,
    /// How long records and tasks are kept; `None`: for ever.
    pub keep: Option<Duration>,
    /// How long a step may take.
    pub timeout: Duration,
    /// Certificates.
    pub tls: Tls,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "postgres")]
struct Written {
    /// The database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the options of libpq that are known. `sslmode`
    /// is `disable`, `prefer` (TLS where the server has it), `require` (TLS; the certificate is checked only against a
    /// `ca`) or `verify-full`. Without it, it is `verify-full` where `tls` is there, else `prefer`.
    url: Url,
    /// The schema that holds the tables. It is made unless it is there.
    #[serde(default = "distlog", deserialize_with = "name")]
    #[schemars(with = "String")]
    schema: String,
    /// Records and tasks older than this are removed, a day at once; `off`: none is.
    #[serde(default, deserialize_with = "keep")]
    #[schemars(schema_with = "values::text_or_number")]
    keep: Option<Duration>,
    /// How long connecting, or one step of writing, may take. Waiting for a lock may take half of it.
    #[serde(default = "half_a_minute", deserialize_with = "timeout")]
    #[schemars(schema_with = "values::text_or_number")]
    timeout: Duration,
    /// Certificates, for TLS.
    #[serde(default)]
    tls: Option<Tls>,
}

/// Certificates of a client, all in PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a map")]
#[schemars(rename = "PostgresTls")]
pub struct Tls {
    /// Authorities that sign the server's certificate; without it those of the system.
    pub ca: Option<PathBuf>,
    /// Own certificate, if the server asks for one; with its chain.
    pub cert: Option<PathBuf>,
    /// Key of the own certificate.
    pub key: Option<PathBuf>,
}

impl Config {
    /// That of who reads.
    ///
    /// # Errors
    /// If `schema` cannot be the name of one, or the certificates do not go with the URL.
    pub(crate) fn to_read(
        url: Url,
        schema: Option<String>,
        timeout: Duration,
        tls: Option<Tls>,
    ) -> Result<Config, &'static str> {
        let schema = schema.unwrap_or_else(distlog);
        if !is_name(&schema) {
            return Err(
                "the name of the schema is none: expected lower-case letters, digits and _ like distlog",
            );
        }
        Config::try_from(Written {
            url,
            schema,
            keep: None,
            timeout,
            tls,
        })
    }
}

impl TryFrom<Written> for Config {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Config, &'static str> {
        let Written {
            mut url,
            schema,
            keep,
            timeout,
            tls,
        } = written;
        if let Some(tls) = &tls {
            if tls.cert.is_some() != tls.key.is_some() {
                return Err("`cert` and `key` belong together: one of them is missing");
            }
            match url.ssl_mode {
                None => url.ssl_mode = Some(SslMode::VerifyFull),
                Some(SslMode::Require | SslMode::VerifyFull) => {}
                Some(SslMode::Disable | SslMode::Prefer) => {
                    return Err(
                        "`tls` is of no use with this `sslmode`: `sslmode=verify-full` or none would do",
                    );
                }
            }
        }
        Ok(Config {
            url,
            schema,
            keep,
            timeout,
            tls: tls.unwrap_or_default(),
        })
    }
}

fn distlog() -> String {
    "distlog".to_owned()
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

/// A name that needs no quotes, so that nobody else's queries need them.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "a name of lower-case letters, digits and _ like distlog";
    values::scalar(deserializer, expected, |text| {
        is_name(text).then(|| text.to_owned())
    })
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_name = begins && text.len() <= MAX_NAME && text.bytes().all(is_plain);
    // Names with `pg_` are the server's own.
    is_name && !text.starts_with("pg_")
}

fn keep<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let keep = values::duration_or_off(deserializer)?;
    if keep.is_some_and(|keep| keep < Duration::from_secs(24 * 3600)) {
        return Err(D::Error::custom(
            "records go a day at once: expected at least 1d, or off",
        ));
    }
    Ok(keep)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    values::scalar(
        deserializer,
        "a duration like 30s or 500ms, from 10ms to 1d",
        |text| values::parse_duration(text).filter(|time| TIMEOUTS.contains(time)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::processors::Kind;

    fn load(keys: &str) -> Result<Config, String> {
        let text =
            format!("processors: {{ pg: {{ postgres: {{ {keys} }} }} }}\nrules: [{{ to: pg }}]");
        let read = config::load(&text, "x", &[]).map_err(|faults| faults.to_string())?;
        match &read.processors[0].kind {
            Kind::Postgres(config) => Ok(config.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_as_documented() {
        let config = load("url: 'postgres://me:hunter2@h/db'").unwrap();
        assert_eq!((config.schema.as_str(), config.keep), ("distlog", None));
        assert_eq!(config.timeout, Duration::from_secs(30));
        assert_eq!(config.url.ssl_mode(), SslMode::Prefer);
        assert!(!format!("{config:?}").contains("hunter2"));
        let config = load("url: 'postgres://h/db', tls: { ca: ca.pem }, keep: 30d").unwrap();
        assert_eq!(config.url.ssl_mode(), SslMode::VerifyFull);
        assert_eq!(config.keep, Some(Duration::from_secs(30 * 24 * 3600)));
    }

    #[test]
    fn faults_are_told_without_the_password() {
        for (keys, fault) in [
            ("url: 'postgres://me:hunter2@h/db', keep: 1h", "at least 1d"),
            (
                "url: 'postgres://me:hunter2@h/db', schema: My",
                "lower-case",
            ),
            (
                "url: 'postgres://me:hunter2@h/db', schema: pg_x",
                "lower-case",
            ),
            ("url: 'postgres://me:hunter2@h/db', timeout: 0", "from 10ms"),
            (
                "url: 'postgres://me:hunter2@h/db', tls: { cert: a }",
                "belong together",
            ),
            (
                "url: 'postgres://me:hunter2@h/db?sslmode=prefer', tls: { ca: a }",
                "`tls` is of no use",
            ),
            ("url: 'mysql://me:hunter2@h/db'", "postgres://USER"),
            ("url: ['postgres://me:hunter2@h/db']", "a list"),
            ("schema: x", "`url` is missing"),
            (
                "url: 'postgres://me:hunter2@h/db', uri: x",
                "unknown key `uri`",
            ),
        ] {
            let said = load(keys).unwrap_err();
            assert!(said.contains(fault), "{keys}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
