//! A reload of the configuration, as others see it: what it changes in a running daemon, and why it was not taken.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Entry, Store};
use distlog_rules::{Change, Condition, Rule};

/// Reads the configuration again and takes it.
pub(crate) type ReloadFn = Arc<dyn Fn() -> Result<Changes, ReloadError> + Send + Sync>;

/// The configuration was not taken: everything is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// There is no file to read.
    #[error("the daemon runs without a configuration file: start it with --config FILE")]
    NoFile,
    /// The file cannot be read, or has faults.
    #[error("{0}")]
    Faulty(String),
    /// It changes what a running daemon cannot change.
    #[error("{} can only change with a restart: nothing was changed", .0.join(", "))]
    NeedsRestart(Vec<&'static str>),
    /// A worker cannot be started.
    #[error("{0}; nothing was changed")]
    Worker(String),
}

/// What a reload of the configuration has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Processors that are new.
    pub added: Vec<String>,
    /// Processors that are gone. They flush what they have, if their destinations take it; their cursors are kept.
    pub removed: Vec<String>,
    /// Processors whose settings changed: they were started anew, and go on where they were.
    pub restarted: Vec<String>,
    /// Processors that go on with other rules.
    pub rerouted: Vec<String>,
    /// Processors that go on as they were.
    pub unchanged: Vec<String>,
    /// Other settings that changed, by their keys.
    pub settings: Vec<String>,
}

impl Changes {
    /// What another configuration changes.
    pub(crate) fn between(old: &Config, new: &Config) -> Changes {
        let mut changes = Changes::default();
        for entry in &new.processors {
            let name = entry.name.clone();
            let Some(before) = of(old, &name) else {
                changes.added.push(name);
                continue;
            };
            let same = before.kind == entry.kind
                && (&before.batch, &before.retry) == (&entry.batch, &entry.retry)
                && before.trees == entry.trees;
            match same {
                false => changes.restarted.push(name),
                true if Routing::of(old, &name) == Routing::of(new, &name) => {
                    changes.unchanged.push(name);
                }
                true => changes.rerouted.push(name),
            }
        }
        let gone = old.processors.iter().map(|entry| &entry.name);
        changes.removed = gone
            .filter(|name| of(new, name).is_none())
            .cloned()
            .collect();
        let settings = [
            ("intake", old.intake != new.intake),
            ("levels", old.levels != new.levels),
            ("store.keep", old.store.keep != new.store.keep),
            ("lost_after", old.lost_after != new.lost_after),
            ("grace", old.grace != new.grace),
        ];
        changes.settings = changed(&settings).map(ToOwned::to_owned).collect();
        changes
    }

    /// Also of a processor that is registered in code.
    pub(crate) fn note_registered(&mut self, name: &str, old: &Config, new: &Config) {
        let list = if Routing::of(old, name) == Routing::of(new, name) {
            &mut self.unchanged
        } else {
            &mut self.rerouted
        };
        list.push(name.to_owned());
    }

    /// Whether a worker is to be started for the processor.
    pub(crate) fn starts(&self, name: &str) -> bool {
        [&self.added, &self.restarted]
            .iter()
            .any(|names| names.iter().any(|one| one == name))
    }

    /// Whether the running worker of the processor is to stop.
    pub(crate) fn stops(&self, name: &str) -> bool {
        [&self.removed, &self.restarted]
            .iter()
            .any(|names| names.iter().any(|one| one == name))
    }

    /// Whether the running worker of the processor gets other rules.
    pub(crate) fn reroutes(&self, name: &str) -> bool {
        self.rerouted.iter().any(|one| one == name)
    }

    /// Whether all is as it was.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, names)| names.is_empty())
    }

    /// What changed, in words.
    fn lists(&self) -> [(&'static str, &[String]); 5] {
        [
            ("added", &self.added),
            ("removed", &self.removed),
            ("restarted", &self.restarted),
            ("other rules for", &self.rerouted),
            ("changed", &self.settings),
        ]
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let lists = self.lists();
        let lists = lists.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = lists
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect();
        f.write_str(&parts.join("; "))
    }
}

/// The keys that only a restart can change, of those that differ.
pub(crate) fn need_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    // All keys stand here, so that a new one is not forgotten: what is not compared takes effect without a restart.
    let Config {
        listen,
        store:
            Store {
                path,
                sync,
                reserve,
                keep: _,
            },
        sources,
        drain,
        intake: _,
        levels: _,
        processors: _,
        rules: _,
        lost_after: _,
        grace: _,
        sensitive: _,
        places: _,
        warnings: _,
    } = old;
    let keys = [
        ("listen", *listen != new.listen),
        ("store.path", *path != new.store.path),
        ("store.sync", *sync != new.store.sync),
        ("store.reserve", *reserve != new.store.reserve),
        ("sources", *sources != new.sources),
        ("drain", *drain != new.drain),
    ];
    changed(&keys).collect()
}

fn changed<'k>(keys: &[(&'k str, bool)]) -> impl Iterator<Item = &'k str> {
    keys.iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| *key)
}

fn of<'c>(config: &'c Config, name: &str) -> Option<&'c Entry> {
    config.processors.iter().find(|entry| entry.name == name)
}

/// All that decides which records a processor gets, and as what.
#[derive(PartialEq)]
struct Routing<'c> {
    /// Conditions, and what is changed in what matches.
    rules: Vec<(Option<&'c Condition>, &'c Change)>,
    filter: Option<&'c Condition>,
    change: Option<&'c Change>,
}

impl<'c> Routing<'c> {
    fn of(config: &'c Config, name: &str) -> Routing<'c> {
        let leads = |rule: &&Rule| rule.to.iter().any(|to| to == name);
        let rules = config.rules.iter().filter(leads);
        Routing {
            rules: rules
                .map(|rule| (rule.when.as_ref(), &rule.change))
                .collect(),
            filter: of(config, name).and_then(|entry| entry.filter.as_ref()),
            change: of(config, name).map(|entry| &entry.change),
        }
    }
}
