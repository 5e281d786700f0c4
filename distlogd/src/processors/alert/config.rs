//! Configuration of processor `alert`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use distlog_rules::ValuePath;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use super::count::Count;
use crate::processors::exec::command;
use crate::values;

#[cfg(feature = "http-export")]
use crate::processors::http_client::{Tls, Url, headers};
#[cfg(feature = "http-export")]
use http::header::HeaderMap;

/// Values are counted apart by so many names at most.
const MAX_NAMES: usize = 8;

/// `alert: { count: '> 10', in: 5m, by: [service], to: [ { exec: { command: [./page.sh] } } ] }`
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "alert")]
pub struct Config {
    /// The alert fires when so many records reach the processor within the window: `> 10` or `>= 10`; or so few: `< 1`
    /// or `<= 3`.
    pub(super) count: Count,
    /// The window, which slides: the last five minutes, `5m`. At least a second, at most 30 days.
    #[serde(rename = "in", deserialize_with = "window")]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) window: Duration,
    /// What is counted apart: names of conditions, like `service` or `fields.route`. Each of their values has an alert
    /// of its own.
    #[serde(default, deserialize_with = "names")]
    #[schemars(with = "Vec<String>")]
    pub(super) by: Vec<Name>,
    /// The alert fires when the condition has held for so long.
    #[serde(
        rename = "for",
        default,
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) hold: Duration,
    /// The alert resolves when the condition has not held for so long; by default for as long as the window is.
    #[serde(default, deserialize_with = "some_duration")]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) resolve_after: Option<Duration>,
    /// Of `count: '< …'` with `by`: a value of which nothing came for so long is gone for good; its alert resolves, and
    /// it is forgotten.
    #[serde(
        default = "one_day",
        deserialize_with = "values::duration",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) forget_after: Duration,
    /// Labels of the alerts, for who gets them, besides `alertname` (the processor's name) and those of `by`.
    #[serde(default, deserialize_with = "labels")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) labels: BTreeMap<String, String>,
    /// Annotations of the alerts, like `runbook_url`, besides `summary` and `value`.
    #[serde(default, deserialize_with = "labels")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Where people reach the page of distlog: notifications have a link to the records there.
    #[serde(default = "page", deserialize_with = "page_address")]
    #[schemars(with = "String")]
    pub(super) page: String,
    /// Who is notified.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(length(min = 1))]
    pub(super) to: Vec<To>,
}

/// Who is notified: exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) enum To {
    Exec(Exec),
    #[cfg(feature = "http-export")]
    Http(Box<Http>),
}

/// A program that is run for each notification.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "AlertExec")]
pub(super) struct Exec {
    /// The program and its arguments. It gets the notification as JSON on its standard input, and in variables
    /// `ALERT_…`.
    #[serde(deserialize_with = "command")]
    #[schemars(length(min = 1))]
    pub(super) command: Vec<String>,
    /// Variables added to its environment.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// Directory that it runs in; by default the daemon's.
    #[serde(default)]
    pub(super) dir: Option<PathBuf>,
    /// How long it may run.
    #[serde(
        default = "timeout",
        deserialize_with = "not_zero",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) timeout: Duration,
}

/// An address that notifications are posted to.
#[cfg(feature = "http-export")]
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map")]
#[schemars(rename = "AlertHttp")]
pub(super) struct Http {
    /// Where they go: `http://host:port/path`, or `https://…` for TLS.
    #[schemars(with = "String")]
    pub(super) url: Url,
    /// Headers of every request, such as `authorization`.
    #[serde(default, deserialize_with = "headers")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(super) headers: HeaderMap,
    /// How long one request may take, connecting included.
    #[serde(
        default = "timeout",
        deserialize_with = "not_zero",
        serialize_with = "values::put_duration"
    )]
    #[schemars(schema_with = "values::text_or_number")]
    pub(super) timeout: Duration,
    /// Certificates, for `https` addresses.
    #[serde(default)]
    pub(super) tls: Tls,
}

/// As it is written in the file.
#[derive(Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "who is notified, like http: { url: 'https://…' } or exec: { command: [./page.sh] }"
)]
#[schemars(rename = "AlertTo", extend("minProperties" = 1, "maxProperties" = 1))]
#[derive(Default)]
struct Written {
    /// A program that is run for each notification.
    exec: Option<Exec>,
    /// An address that notifications are posted to, as Alertmanager's webhooks.
    #[cfg(feature = "http-export")]
    http: Option<Box<Http>>,
    /// It is in daemons that are built with the feature `http-export`.
    #[cfg(not(feature = "http-export"))]
    #[schemars(with = "serde_json::Value")]
    http: Option<serde::de::IgnoredAny>,
}

impl JsonSchema for To {
    fn schema_name() -> Cow<'static, str> {
        Written::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl TryFrom<Written> for To {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<To, &'static str> {
        match (written.exec, written.http) {
            (Some(exec), None) => Ok(To::Exec(exec)),
            #[cfg(feature = "http-export")]
            (None, Some(http)) => Ok(To::Http(http)),
            #[cfg(not(feature = "http-export"))]
            (None, Some(_)) => Err(
                "this distlogd was built without notifications by HTTP: build it with `--features http-export`",
            ),
            (Some(_), Some(_)) => {
                Err("`exec` and `http` are two that are notified: each is an item of the list")
            }
            (None, None) => Err("it does not say who is notified: expected `exec` or `http`"),
        }
    }
}

/// A name of a value, as conditions have it.
#[derive(Debug, Clone)]
pub(super) struct Name(pub(super) ValuePath);

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.0.text() == other.0.text()
    }
}

impl Name {
    /// The name of its label: `fields.route` is `fields_route`, since a name has letters, digits and `_` there.
    pub(super) fn label(&self) -> String {
        let text = self.0.text().replace(['"', '\'', ']'], "");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        text.chars().map(plain).collect()
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let text = String::deserialize(deserializer)?;
        let path = ValuePath::parse(&text).map_err(|fault| custom(fault.message))?;
        Ok(Name(path))
    }
}

fn custom<E: serde::de::Error>(what: impl fmt::Display) -> E {
    E::custom(what)
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Name>, D::Error> {
    let names = Vec::<Name>::deserialize(deserializer)?;
    if names.len() > MAX_NAMES {
        let found = names.len();
        return Err(custom(format_args!(
            "found {found} names, expected at most {MAX_NAMES}"
        )));
    }
    for (at, name) in names.iter().enumerate() {
        let same = |other: &&Name| other.label() == name.label();
        if let Some(other) = names[..at].iter().find(same) {
            let (a, b, label) = (other.0.text(), name.0.text(), name.label());
            return Err(custom(format_args!(
                "`{a}` and `{b}` would be one label, `{label}`: give one of them"
            )));
        }
    }
    Ok(names)
}

fn labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let labels = BTreeMap::<String, String>::deserialize(deserializer)?;
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    match labels.keys().find(|name| name.is_empty() || !is_name(name)) {
        None => Ok(labels),
        Some(name) => Err(custom(format_args!(
            "`{name}` is no name here: expected letters, digits and _, like runbook_url"
        ))),
    }
}

fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let expected = "a duration from 1s to 30d, like 5m";
    values::scalar(deserializer, expected, |text| {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
        values::parse_duration(text).filter(|duration| bounds.contains(duration))
    })
}

fn not_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let expected = "a duration like 10s or 500ms, and not 0";
    values::scalar(deserializer, expected, |text| {
        values::parse_duration(text).filter(|duration| !duration.is_zero())
    })
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    values::duration(deserializer).map(Some)
}

fn page_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "the address of the page, like https://logs.example";
    values::scalar(deserializer, expected, |text| {
        let uri: http::Uri = text.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        (is_web && uri.query().is_none()).then(|| text.trim_end_matches('/').to_owned())
    })
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<To>, D::Error> {
    let to = Vec::<To>::deserialize(deserializer)?;
    if to.is_empty() {
        return Err(custom(
            "nobody is notified: expected a list like [ { exec: { command: [./page.sh] } } ]",
        ));
    }
    Ok(to)
}

impl To {
    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            To::Exec(exec) => format!("exec {}", exec.command.join(" ")),
            #[cfg(feature = "http-export")]
            To::Http(http) => format!("http {}", http.url),
        }
    }
}

fn one_day() -> Duration {
    Duration::from_secs(86_400)
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

fn page() -> String {
    "http://localhost:5080".to_owned()
}
