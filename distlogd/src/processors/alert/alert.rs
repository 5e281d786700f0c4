//! The processor: counts records, looks at the alerts now and then, and hands what is to be told to the outboxes.
//!
//! A notification leaves only after it was stored with the cursor: after a kill it is the same that is sent again, or
//! known as delivered, and none is made up twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::RecordRef;
use tokio::runtime::Handle;

use super::clock::{Clock, Reading};
use super::config::Config;
use super::groups::{Change, Counted, Groups, Rule};
use super::key::Key;
use super::notification::{Notification, Writer};
use super::outbox::{self, Outbox};
use super::saved::Saved;
use super::target::Target;
use super::window::Length;
use crate::escape::one_line;
use crate::processor::{Error, Processor, Token};
use crate::self_telemetry::{
    AlertMetrics, AlertStatus, FiringAlert, MAX_SHOWN_ALERTS, Progress, RateLimited,
};
use crate::shutdown::{Phase, Shutdown};

/// While records come, alerts are looked at so often, and at once when one may fire.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The status is written so often, and when something changes.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Where records may be missing, the time is stored so often: so long a daemon that was killed may seem to have stopped
/// before.
const SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// After a start, programs get so much time, besides that in which the daemon did not run, to send what they kept.
const RECONNECT_TIME: Duration = Duration::from_secs(60);
/// How long the end waits for an attempt, before it looks again whether the daemon stops at once.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// What the processor is made of.
pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    /// Matches the records that reach it.
    pub(super) condition: &'a str,
    pub(super) token: Option<&'a Token>,
    pub(super) metrics: AlertMetrics,
    pub(super) progress: Arc<Progress>,
    pub(super) runtime: &'a Handle,
    pub(super) shutdown: &'a Shutdown,
    /// Reads both clocks.
    pub(super) reading: Box<dyn Fn() -> Reading + Send>,
    /// What was stored before this time was presented, given that it is now.
    pub(super) read_to: Box<dyn FnMut(u64) -> u64 + Send>,
}

/// The processor.
pub(super) struct Alert {
    config: Config,
    writer: Arc<Writer>,
    clock: Clock,
    reading: Box<dyn Fn() -> Reading + Send>,
    read_to: Box<dyn FnMut(u64) -> u64 + Send>,
    groups: Groups,
    key: Key,
    /// What was told of those that fire, by the values of `by`.
    firing: BTreeMap<Box<str>, Notification>,
    /// What is to be told, and how many of these the token has.
    fresh: Vec<Notification>,
    stored: usize,
    outboxes: Vec<Outbox>,
    token: Token,
    /// Whether the token is behind.
    is_changed: bool,
    saved_at: Instant,
    looked_at: Instant,
    status_at: Instant,
    metrics: AlertMetrics,
    progress: Arc<Progress>,
    shutdown: Shutdown,
    changes: RateLimited,
    uncounted: RateLimited,
}

impl Alert {
    /// # Errors
    /// If it cannot be made now: certificates, threads.
    pub(super) fn new(config: &Config, parts: Parts<'_>) -> Result<Alert, Error> {
        let writer = Arc::new(Writer::new(parts.name, config, parts.condition));
        let reading = (parts.reading)();
        let saved = parts.token.map(Saved::read).transpose();
        let saved = saved.unwrap_or_else(|error| {
            let processor = parts.name;
            tracing::error!(
                processor,
                "its state cannot be read ({error}): it begins anew"
            );
            None
        });
        let (clock, stopped) = Clock::begin(saved.as_ref().map(|s| (s.at, s.system)), reading);
        let (now, window) = (clock.at(reading), nanos(config.window));
        let rule = Rule {
            count: config.count,
            window: Length::new(window),
            hold: nanos(config.hold),
            resolve_after: config.resolve_after.map_or(window, nanos),
            forget_after: (config.count.is_below() && !config.by.is_empty())
                .then(|| nanos(config.forget_after).max(window)),
        };
        let condition = condition(config);
        let (mut firing, mut fresh) = (BTreeMap::new(), Vec::new());
        let (mut groups, mut waiting) = (Vec::new(), BTreeMap::new());
        let mut blind_until = now.saturating_add(window);
        if let Some(saved) = saved {
            waiting.extend(saved.waiting);
            if saved.condition == condition {
                groups = saved.groups;
                firing.extend(saved.firing);
                let blind = nanos(stopped.saturating_add(RECONNECT_TIME)).min(window);
                blind_until = saved.blind_until.max(now.saturating_add(blind));
            } else {
                let resolved = saved.firing.iter();
                let resolved = resolved.map(|(_, fired)| writer.resolved(fired, 0, reading.system));
                fresh.extend(resolved);
            }
        }
        let mut groups = Groups::new(rule, groups, blind_until);
        if config.by.is_empty() && config.count.is_below() {
            groups.expect("[]", now);
        }
        let mut outboxes: Vec<Outbox> = Vec::new();
        for to in &config.to {
            let mut name = to.name();
            // Addresses are shown without their query, in which they may differ.
            let same = config.to[..outboxes.len()].iter();
            match same.filter(|other| other.name() == name).count() {
                0 => {}
                n => name = format!("{name} ({})", n + 1),
            }
            let waiting: Vec<Notification> = waiting.remove(&name).unwrap_or_default();
            let parts = outbox::Parts {
                target: Target::new(to, parts.runtime)
                    .map_err(|reason| Error::retry(format_args!("{name}: {reason}")))?,
                writer: Arc::clone(&writer),
                metrics: parts.metrics.clone(),
                progress: Arc::clone(&parts.progress),
                shutdown: parts.shutdown.clone(),
            };
            outboxes.push(Outbox::start(name, waiting, parts).map_err(Error::retry)?);
        }
        for (name, left) in waiting.iter().filter(|(_, left)| !left.is_empty()) {
            let (processor, many) = (parts.name, left.len());
            parts.metrics.dropped.inc_by(many as u64);
            tracing::warn!(
                processor,
                "{many} notifications waited for {name}, which is not in the configuration any more: they are dropped"
            );
        }
        let now = Instant::now();
        let mut alert = Alert {
            config: config.clone(),
            writer,
            clock,
            reading: parts.reading,
            read_to: parts.read_to,
            groups,
            key: Key::default(),
            firing,
            fresh,
            stored: 0,
            outboxes,
            token: Token::default(),
            is_changed: true,
            saved_at: now,
            looked_at: now,
            status_at: now,
            metrics: parts.metrics,
            progress: parts.progress,
            shutdown: parts.shutdown.clone(),
            changes: RateLimited::new(20, Duration::from_secs(60)),
            uncounted: RateLimited::new(1, Duration::from_secs(60)),
        };
        alert.show();
        Ok(alert)
    }

    /// The time up to which is counted.
    fn at(&mut self, reading: Reading) -> u64 {
        let now = self.clock.at(reading);
        match self.config.count.is_below() {
            // A record that is not read yet is not missing.
            true => (self.read_to)(now),
            false => now,
        }
    }

    /// What the token has leaves now: it was stored since.
    fn release(&mut self) {
        let stored = std::mem::take(&mut self.stored);
        for notification in self.fresh.drain(..stored) {
            for outbox in &self.outboxes {
                let dropped = outbox.submit(notification.clone());
                self.metrics.dropped.inc_by(dropped);
                if dropped > 0 && self.uncounted.report(dropped).is_some() {
                    let (processor, name) = (self.writer.name(), &outbox.name);
                    tracing::warn!(
                        processor,
                        "too many notifications wait for {name}: the oldest are dropped"
                    );
                }
            }
        }
    }

    /// Looks which alerts fire and which resolve.
    fn look(&mut self) {
        let reading = (self.reading)();
        let at = self.at(reading);
        let Alert {
            groups,
            firing,
            fresh,
            writer,
            ..
        } = self;
        let before = fresh.len();
        groups.look(at, reading.system, &mut |change: Change| {
            if change.is_firing {
                let notification = writer.firing(&change);
                firing.insert(change.key.as_str().into(), notification.clone());
                fresh.push(notification);
            } else {
                let fired = firing.remove(change.key.as_str());
                let fired = fired.unwrap_or_else(|| writer.firing(&change));
                fresh.push(writer.resolved(&fired, change.count, reading.system));
            }
        });
        for notification in &self.fresh[before..] {
            if self.changes.report(1).is_some() {
                let line = notification.line();
                tracing::info!(processor = self.writer.name(), "{}", one_line(&line));
            }
        }
        self.looked_at = Instant::now();
        let has_left = self.outboxes.iter().any(Outbox::has_left);
        let is_new = has_left || self.fresh.len() > before;
        let is_due = self.config.count.is_below() && self.saved_at.elapsed() >= SAVE_INTERVAL;
        self.is_changed |= is_new || is_due;
        if is_new || self.status_at.elapsed() >= STATUS_INTERVAL {
            self.show();
        }
    }

    /// Writes what the status and the metrics show.
    fn show(&mut self) {
        self.status_at = Instant::now();
        let waiting = self.outboxes.iter().map(Outbox::len).max().unwrap_or(0);
        let undelivered = (waiting + self.fresh.len()) as u64;
        let mut longest: Vec<(&str, &Notification)> =
            self.firing.iter().map(|(key, one)| (&**key, one)).collect();
        let firing = longest.len() as u64;
        longest.sort_by_key(|(_, one)| one.since);
        longest.truncate(MAX_SHOWN_ALERTS);
        let shown = longest.iter().map(|(key, one)| FiringAlert {
            labels: one.labels.clone(),
            since_ns: one.since,
            count: self.groups.count(key),
        });
        self.metrics.firing.set(firing);
        self.metrics.undelivered.set(undelivered);
        self.progress.alert.set(AlertStatus {
            firing,
            longest: shown.collect(),
            undelivered,
        });
    }

    /// When the daemon stops: what is being delivered is known before the last token is stored.
    fn settle(&mut self) {
        if self.shutdown.reached(Phase::Workers) {
            for outbox in &self.outboxes {
                outbox.stop(STOP_INTERVAL);
            }
        }
    }

    /// Records of a group within the window, as it was looked at last.
    #[cfg(test)]
    pub(super) fn count(&self, key: &str) -> u64 {
        self.groups.count(key)
    }

    fn save(&mut self) {
        let reading = (self.reading)();
        let waiting = self.outboxes.iter().map(|outbox| {
            let mut waiting = outbox.waiting();
            waiting.extend(self.fresh.iter().cloned());
            (outbox.name.clone(), waiting)
        });
        let groups = self.groups.iter();
        let firing = self.firing.iter();
        let saved = Saved {
            condition: condition(&self.config),
            at: self.clock.at(reading),
            system: reading.system,
            blind_until: self.groups.blind_until(),
            groups: groups
                .map(|(key, group)| (key.into(), group.clone()))
                .collect(),
            firing: firing
                .map(|(key, one)| (key.clone(), one.clone()))
                .collect(),
            waiting: waiting.collect(),
        };
        self.token = saved.token();
        self.is_changed = false;
        self.saved_at = Instant::now();
    }
}

impl Processor for Alert {
    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        self.release();
        let reading = (self.reading)();
        let at = self.at(reading);
        let (mut late, mut ungrouped) = (0, 0);
        for record in records {
            let time = match (record.time, record.observed_time) {
                (0, 0) => reading.system,
                (0, observed) => observed,
                (time, _) => time,
            };
            let time = self.clock.of(time, reading);
            let key = self.key.of(&self.config.by, record);
            match self.groups.record(key, time, at) {
                Counted::Yes => {}
                Counted::Late => late += 1,
                Counted::Ungrouped => ungrouped += 1,
            }
        }
        self.metrics.late.inc_by(late);
        self.metrics.ungrouped.inc_by(ungrouped);
        for (count, why) in [
            (late, "were older than the window when they came"),
            (ungrouped, "have values of `by` beyond the first 10000"),
        ] {
            if count > 0
                && let Some(before) = self.uncounted.report(count)
            {
                let (processor, count) = (self.writer.name(), count + before);
                tracing::warn!(processor, "{count} records do not count: they {why}");
            }
        }
        self.is_changed = true;
        if self.groups.crossed() || self.looked_at.elapsed() >= LOOK_INTERVAL {
            self.look();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Token, Error> {
        self.release();
        self.settle();
        self.look();
        if self.is_changed {
            self.save();
        }
        self.stored = self.fresh.len();
        Ok(self.token.clone())
    }

    fn idle(&mut self) -> Result<(), Error> {
        self.release();
        self.settle();
        self.look();
        Ok(())
    }

    fn wants_flush(&self) -> bool {
        let stopping = self.shutdown.reached(Phase::Workers);
        self.is_changed || (stopping && !self.outboxes.iter().all(Outbox::is_settled))
    }
}

/// What is counted; a window of something else cannot go on.
fn condition(config: &Config) -> String {
    let by: Vec<&str> = config.by.iter().map(|name| name.0.text()).collect();
    let (count, window, by) = (config.count, config.window, by.join(", "));
    format!("{count} in {window:?} by {by}")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
