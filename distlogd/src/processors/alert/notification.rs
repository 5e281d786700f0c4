//! What is told about an alert, and how it is written: as JSON, in the form of Alertmanager's webhooks (version 4), so
//! that what receives those understands it; and as variables of a program.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::config::Config;
use super::groups::Change;
use crate::values::show_duration;

/// What Alertmanager says where an alert has not ended.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// What stays as it is in a parameter of an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// An alert fires or resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notification {
    /// Of the alert: the values of `by`, and what the configuration adds.
    pub(super) labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// When it fired, in ns since the epoch.
    pub(super) since: u64,
    /// When it resolved; `None`: it fires.
    pub(super) ended: Option<u64>,
    pub(super) count: u64,
    /// The records on the page.
    url: String,
}

/// What notifications of one processor are made of.
#[derive(Debug)]
pub(super) struct Writer {
    name: String,
    config: Config,
    /// The condition of the records that reach the processor.
    condition: String,
}

impl Writer {
    /// `name` is the processor's; `condition` matches what reaches it.
    pub(super) fn new(name: &str, config: &Config, condition: &str) -> Writer {
        Writer {
            name: name.to_owned(),
            config: config.clone(),
            condition: condition.to_owned(),
        }
    }

    /// The processor's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The notification of an alert that fires.
    pub(super) fn firing(&self, change: &Change) -> Notification {
        Notification {
            labels: self.labels(&change.key),
            annotations: self.annotations(self.summary(change.count), change.count),
            since: change.since,
            ended: None,
            count: change.count,
            url: self.url(change),
        }
    }

    /// The notification that this alert resolves, now. It has the labels that it fired with, whatever the configuration
    /// says now: by them it is known.
    pub(super) fn resolved(&self, fired: &Notification, count: u64, now: u64) -> Notification {
        Notification {
            labels: fired.labels.clone(),
            annotations: self.annotations(self.summary(count), count),
            since: fired.since,
            ended: Some(now),
            count,
            url: format!(
                "{}&to={}",
                fired.url,
                utf8_percent_encode(&time(now), PLAIN)
            ),
        }
    }

    fn annotations(&self, summary: String, count: u64) -> BTreeMap<String, String> {
        let mut annotations = self.config.annotations.clone();
        annotations.insert("summary".into(), summary);
        annotations.insert("value".into(), count.to_string());
        annotations
    }

    /// The labels of an alert. A value that a record does not have gives none.
    fn labels(&self, key: &str) -> BTreeMap<String, String> {
        let mut labels = self.config.labels.clone();
        for (name, value) in self.config.by.iter().zip(values(key)) {
            match value {
                Value::Null => None,
                Value::String(text) => labels.insert(name.label(), text),
                other => labels.insert(name.label(), other.to_string()),
            };
        }
        labels.insert("alertname".into(), self.name.clone());
        labels
    }

    /// `11 records within 5m (alert: > 10)`
    fn summary(&self, count: u64) -> String {
        let plural = if count == 1 { "" } else { "s" };
        let window = show_duration(self.config.window);
        let alert = self.config.count;
        format!("{count} record{plural} within {window} (alert: {alert})")
    }

    /// A search on the page for the records: from the window before it fired on.
    fn url(&self, change: &Change) -> String {
        let mut filter = match self.condition.as_str() {
            "" => Vec::new(),
            condition => vec![format!("({condition})")],
        };
        for (name, value) in self.config.by.iter().zip(values(&change.key)) {
            // JSON's scalars are CEL's, too.
            if matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                filter.push(format!("{} == {value}", name.0.text()));
            }
        }
        let window = u64::try_from(self.config.window.as_nanos()).unwrap_or(u64::MAX);
        let from = time(change.since.saturating_sub(window));
        let filter = filter.join(" && ");
        let [from, filter] = [&from, &filter].map(|text| utf8_percent_encode(text, PLAIN));
        format!("{}/find?from={from}&filter={filter}", self.config.page)
    }

    /// The body of a request.
    pub(super) fn body(&self, notification: &Notification) -> Vec<u8> {
        let Notification {
            labels,
            annotations,
            ..
        } = notification;
        let status = notification.status();
        let group = json!({ "alertname": self.name });
        let body = json!({
            "version": "4",
            "groupKey": format!("{{}}:{{alertname={}}}", Value::from(self.name.as_str())),
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.name,
            "groupLabels": group,
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": self.config.page,
            "alerts": [{
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": time(notification.since),
                "endsAt": notification.ended.map_or(NEVER.to_owned(), time),
                "generatorURL": notification.url,
                "fingerprint": notification.fingerprint(),
            }],
        });
        // Writing it into memory does not fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// Variables for a program. What records say may stand in them.
    pub(super) fn variables(&self, notification: &Notification) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::from([
            ("ALERT_NAME".into(), self.name.clone()),
            ("ALERT_STATUS".into(), notification.status().to_owned()),
            ("ALERT_COUNT".into(), notification.count.to_string()),
            ("ALERT_SUMMARY".into(), self.summary(notification.count)),
            ("ALERT_STARTS_AT".into(), time(notification.since)),
            ("ALERT_URL".into(), notification.url.clone()),
            ("ALERT_FINGERPRINT".into(), notification.fingerprint()),
        ]);
        if let Some(ended) = notification.ended {
            variables.insert("ALERT_ENDS_AT".into(), time(ended));
        }
        for (name, value) in &notification.labels {
            // No variable can hold a zero.
            let value = value.replace('\0', " ");
            variables.insert(format!("ALERT_LABEL_{}", name.to_ascii_uppercase()), value);
        }
        variables
    }
}

impl Notification {
    fn status(&self) -> &'static str {
        match self.ended {
            None => "firing",
            Some(_) => "resolved",
        }
    }

    /// The same for the same labels: it names the alert.
    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in self.labels.iter().flat_map(|(name, value)| [name, value]) {
            hash.update(part);
            hash.update([0xff]);
        }
        let mut text = String::with_capacity(16);
        for byte in hash.finalize().iter().take(8) {
            // A String takes everything.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The same for what is sent again, and for nothing else.
    #[cfg_attr(not(feature = "http-export"), allow(dead_code))]
    pub(super) fn key(&self) -> String {
        format!("{}-{}-{}", self.fingerprint(), self.since, self.status())
    }

    /// Says it in a line, for people.
    pub(super) fn line(&self) -> String {
        let labels = self.labels.iter().filter(|(name, _)| *name != "alertname");
        let labels: Vec<String> = labels
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        let summary = self.annotations.get("summary").map_or("", String::as_str);
        format!("{}{}: {summary}", self.status(), labels.concat())
    }
}

fn values(key: &str) -> Vec<Value> {
    serde_json::from_str(key).unwrap_or_default()
}

fn time(nanos: u64) -> String {
    let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
    DateTime::<Utc>::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(config: &str) -> Writer {
        let config: Config = serde_saphyr::from_str(config).unwrap();
        Writer::new("errors", &config, "severity >= ERROR")
    }

    const CONFIG: &str = "
count: '> 10'
in: 5m
by: [service, fields.status, 'fields[\"http.route\"]']
labels: { severity: page }
annotations: { runbook_url: 'https://wiki.example/errors' }
page: https://logs.example/
to: [ { exec: { command: [true] } } ]";

    const SECOND: u64 = 1_000_000_000;

    fn change() -> Change {
        Change {
            key: r#"["shop \"1\"",500,null]"#.into(),
            is_firing: true,
            since: 1_700_000_000 * SECOND,
            count: 11,
        }
    }

    #[test]
    fn the_body_is_one_of_alertmanager_s_webhooks() {
        let writer = writer(CONFIG);
        let firing = writer.firing(&change());
        let body: Value = serde_json::from_slice(&writer.body(&firing)).unwrap();
        let labels = json!({
            "alertname": "errors", "severity": "page", "service": "shop \"1\"", "fields_status": "500",
        });
        let annotations = json!({
            "runbook_url": "https://wiki.example/errors", "value": "11", "summary": "11 records within 5m (alert: > 10)",
        });
        let filter = r#"(severity >= ERROR) && service == "shop \"1\"" && fields.status == 500"#;
        let filter = utf8_percent_encode(filter, PLAIN);
        let url =
            format!("https://logs.example/find?from=2023-11-14T22%3A08%3A20.000Z&filter={filter}");
        let alert = json!({
            "status": "firing", "labels": labels, "annotations": annotations,
            "startsAt": "2023-11-14T22:13:20.000Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": url, "fingerprint": body["alerts"][0]["fingerprint"],
        });
        let expected = json!({
            "version": "4", "groupKey": "{}:{alertname=\"errors\"}", "truncatedAlerts": 0, "status": "firing",
            "receiver": "errors", "groupLabels": { "alertname": "errors" }, "commonLabels": labels,
            "commonAnnotations": annotations, "externalURL": "https://logs.example", "alerts": [alert],
        });
        assert_eq!(body, expected);
        assert_eq!(body["alerts"][0]["fingerprint"].as_str().unwrap().len(), 16);

        let resolved = writer.resolved(&firing, 3, 1_700_000_090 * SECOND);
        let body: Value = serde_json::from_slice(&writer.body(&resolved)).unwrap();
        assert_eq!(body["status"], "resolved");
        assert_eq!(body["alerts"][0]["endsAt"], "2023-11-14T22:14:50.000Z");
        assert_eq!(firing.fingerprint(), resolved.fingerprint());
        assert_ne!(firing.key(), resolved.key());
        assert!(resolved.url.ends_with("&to=2023-11-14T22%3A14%3A50.000Z"));
    }

    #[test]
    fn a_program_has_it_in_variables() {
        let writer = writer(CONFIG);
        let resolved = writer.resolved(&writer.firing(&change()), 11, 1_700_000_090 * SECOND);
        let variables = writer.variables(&resolved);
        for (name, value) in [
            ("ALERT_NAME", "errors"),
            ("ALERT_STATUS", "resolved"),
            ("ALERT_COUNT", "11"),
            ("ALERT_SUMMARY", "11 records within 5m (alert: > 10)"),
            ("ALERT_STARTS_AT", "2023-11-14T22:13:20.000Z"),
            ("ALERT_ENDS_AT", "2023-11-14T22:14:50.000Z"),
            ("ALERT_LABEL_SERVICE", "shop \"1\""),
            ("ALERT_LABEL_SEVERITY", "page"),
        ] {
            assert_eq!(variables[name], value, "{name}");
        }
        let line = "resolved fields_status=500 service=shop \"1\" severity=page: 11 records within 5m (alert: > 10)";
        assert_eq!(resolved.line(), line);
    }
}
