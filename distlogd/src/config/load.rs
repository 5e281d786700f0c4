//! From the text of a file to a configuration, or to everything that is wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::{Fault, Faults};
use super::node::{Key, Node, Place, Tree, Variables};
use super::read::{read, variants};
use super::read_fault::unknown;
use super::sections::{Config, Entry, From};
use super::{clash, environment, inside, shell, values};
use crate::processors::Kind;
use distlog_rules::{Condition, Rule, nearest};

const SECTIONS: [&str; 7] = [
    "listen",
    "store",
    "processors",
    "rules",
    "lost_after",
    "grace",
    "drain",
];

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong with it; `file` is its name there.
pub fn load(text: &str, file: &str) -> Result<Config, Faults> {
    load_with(text, file, &[])
}

/// Reads a configuration whose rules may also name the `registered` processors, which are added in code.
///
/// # Errors
/// As for [`load`].
pub fn load_with(text: &str, file: &str, registered: &[&str]) -> Result<Config, Faults> {
    let fail = |faults| Faults::new(file, text, faults);
    let mut document = Node::parse(text).map_err(|fault| fail(vec![fault]))?;
    let mut faults = Vec::new();
    environment::replace(
        text,
        &mut document,
        &|name| std::env::var(name),
        &mut faults,
    );
    let mut load = Load {
        text,
        registered,
        faults,
        config: Config::default(),
    };
    load.document(&document);
    if load.faults.is_empty() {
        Ok(load.config)
    } else {
        Err(fail(load.faults))
    }
}

struct Load<'t> {
    text: &'t str,
    registered: &'t [&'t str],
    faults: Vec<Fault>,
    config: Config,
}

/// A duration among the sections.
#[derive(Deserialize)]
struct Time(#[serde(deserialize_with = "values::duration")] Duration);

/// `to:` of a rule.
struct Targets<'n>(Vec<(&'n Node, &'n str)>);

impl<'t> Load<'t> {
    fn fault(&mut self, place: Place, message: impl Into<String>) {
        self.faults.push(Fault {
            line: place.line,
            column: place.column,
            message: message.into(),
        });
    }

    fn warn(&mut self, place: Place, message: impl Into<String>) {
        self.config.warnings.push(Fault {
            line: place.line,
            column: place.column,
            message: message.into(),
        });
    }

    fn document(&mut self, document: &Node) {
        clash::twice(document, &mut self.faults);
        shell::homes(document, &mut self.config.warnings);
        let Some(sections) = self.entries(document, "the sections of a configuration") else {
            return;
        };
        for (key, _) in sections
            .iter()
            .filter(|(key, _)| !SECTIONS.contains(&key.text.as_str()))
        {
            self.fault(key.place, unknown("key", &key.text, &SECTIONS));
        }
        self.section(document, "listen", |config, listen| config.listen = listen);
        self.section(document, "store", |config, store| config.store = store);
        self.section(document, "lost_after", |config, Time(time)| {
            config.lost_after = time
        });
        self.section(document, "grace", |config, Time(time)| config.grace = time);
        self.drain(document);
        let clashes = clash::same_address(document, &self.config.listen);
        self.faults.extend(clashes);
        let processors = document
            .get("processors")
            .and_then(|node| self.entries(node, "processors by name"))
            .unwrap_or_default();
        for (key, node) in processors {
            if let Some(entry) = self.processor(key, node) {
                self.config.processors.push(entry);
            }
        }
        let clashes = clash::same_file(&self.config.processors, processors);
        self.faults.extend(clashes);
        let mut targeted = Vec::new();
        match document.get("rules") {
            None
            | Some(Node {
                tree: Tree::Null, ..
            }) => {}
            Some(Node {
                tree: Tree::List(rules),
                ..
            }) => {
                for rule in rules {
                    self.rule(rule, processors, &mut targeted);
                }
            }
            Some(other) => self.fault(
                other.place,
                format!("found {}, expected a list of rules", other.describe()),
            ),
        }
        for (key, _) in processors
            .iter()
            .filter(|(key, _)| !targeted.contains(&key.text))
        {
            self.warn(
                key.place,
                format!(
                    "no rule leads to the processor `{}`: it gets nothing",
                    key.text
                ),
            );
        }
    }

    fn section<T: DeserializeOwned>(
        &mut self,
        document: &Node,
        name: &str,
        set: impl FnOnce(&mut Config, T),
    ) {
        let Some(node) = document.get(name) else {
            return;
        };
        if let Some(value) = read(node, &mut self.faults) {
            set(&mut self.config, value);
        }
    }

    /// A list of directories, or one.
    fn drain(&mut self, document: &Node) {
        const EXPECTED: &str = "directories like [/var/spool/shop, /var/spool/web]";
        let items = match document.get("drain") {
            None
            | Some(Node {
                tree: Tree::Null, ..
            }) => return,
            Some(Node {
                tree: Tree::List(items),
                ..
            }) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for item in items {
            let path = match &item.tree {
                Tree::Text(path) if !path.is_empty() => PathBuf::from(path),
                _ => {
                    let found = item.describe();
                    self.fault(item.place, format!("found {found}, expected {EXPECTED}"));
                    continue;
                }
            };
            if self.config.drain.contains(&path) {
                let message = format!("{} stands twice", path.display());
                self.fault(item.place, message);
            }
            self.config.drain.push(path);
        }
    }

    /// The entries of a map; nothing after a key is an empty one.
    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        match &node.tree {
            Tree::Null => Some(&[]),
            Tree::Map(entries) => Some(entries),
            _ => {
                self.fault(
                    node.place,
                    format!("found {}, expected {what}", node.describe()),
                );
                None
            }
        }
    }

    /// `NAME: { KIND: {…}, filter: CONDITION, from: start | end }`
    fn processor(&mut self, key: &Key, node: &Node) -> Option<Entry> {
        let name = &key.text;
        // Its cursor is kept in a file of that name.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
            self.fault(key.place, format!("`{name}` is no name for a processor: expected up to 64 of a–z, A–Z, 0–9, -, _ and ."));
        }
        if self.registered.contains(&name.as_str()) {
            self.fault(
                key.place,
                format!("the processor `{name}` is already there, registered in code"),
            );
        }
        let kinds = variants::<Kind>();
        let entries = self.entries(node, &format!("one of {}", kinds.join(", ")))?;
        let filter = node.get("filter").and_then(|node| self.condition(node));
        let from = node
            .get("from")
            .and_then(|node| read::<From>(node, &mut self.faults))
            .unwrap_or_default();
        let (known, unknown): (Vec<_>, Vec<_>) = entries
            .iter()
            .filter(|(key, _)| !matches!(key.text.as_str(), "filter" | "from"))
            .partition(|(key, _)| kinds.contains(&key.text.as_str()));
        for (key, _) in &unknown {
            let expected: Vec<&str> = kinds.iter().copied().chain(["filter", "from"]).collect();
            self.fault(key.place, self::unknown("key", &key.text, &expected));
        }
        match known.as_slice() {
            [(kind, content)] => {
                let node = Node {
                    tree: Tree::Map(vec![(kind.clone(), content.clone())]),
                    ..node.clone()
                };
                let kind = read(&node, &mut self.faults)?;
                Some(Entry {
                    name: name.clone(),
                    kind,
                    filter,
                    from,
                })
            }
            [] => {
                if unknown.is_empty() {
                    self.fault(
                        key.place,
                        format!(
                            "the processor `{name}` does not say what it is: expected one of {}",
                            kinds.join(", ")
                        ),
                    );
                }
                None
            }
            [_, (second, _), ..] => {
                self.fault(second.place, format!("the processor `{name}` is two things at once: `{}` belongs to another name", second.text));
                None
            }
        }
    }

    fn rule(&mut self, node: &Node, processors: &[(Key, Node)], targeted: &mut Vec<String>) {
        let Some(entries) = self.entries(node, "a rule like { when: CONDITION, to: [PROCESSOR] }")
        else {
            return;
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !matches!(key.text.as_str(), "when" | "to"))
        {
            self.fault(key.place, unknown("key", &key.text, &["when", "to"]));
        }
        let when = node.get("when").map(|node| self.condition(node));
        let Some(Targets(targets)) = self.targets(node) else {
            return;
        };
        let known: Vec<&str> = processors
            .iter()
            .map(|(key, _)| key.text.as_str())
            .chain(self.registered.iter().copied())
            .collect();
        for (node, name) in &targets {
            if node.variables != Variables::Missing && !known.contains(name) {
                self.fault(node.place, unknown("processor", name, &known));
            }
        }
        targeted.extend(targets.iter().map(|(_, name)| (*name).to_owned()));
        let to = targets
            .into_iter()
            .map(|(_, name)| name.to_owned())
            .collect();
        match when {
            None => self.config.rules.push(Rule { when: None, to }),
            Some(Some(condition)) => self.config.rules.push(Rule {
                when: Some(condition),
                to,
            }),
            // It is a fault: nothing of the configuration will be used.
            Some(None) => {}
        }
    }

    /// A list of names, or one name.
    fn targets<'n>(&mut self, rule: &'n Node) -> Option<Targets<'n>> {
        const EXPECTED: &str = "names of processors like [a, b]";
        let Some(node) = rule.get("to") else {
            let misspelt = |(key, _): &(Key, Node)| nearest(&key.text, ["to"]).is_some();
            if !matches!(&rule.tree, Tree::Map(entries) if entries.iter().any(misspelt)) {
                self.fault(rule.place, "the rule leads nowhere: `to` is missing");
            }
            return None;
        };
        let items = match &node.tree {
            Tree::List(items) if !items.is_empty() => items.as_slice(),
            Tree::Text(_) => std::slice::from_ref(node),
            Tree::List(_) | Tree::Null => {
                self.fault(
                    node.place,
                    format!("the rule leads nowhere: expected {EXPECTED}"),
                );
                return None;
            }
            _ => {
                self.fault(
                    node.place,
                    format!("found {}, expected {EXPECTED}", node.describe()),
                );
                return None;
            }
        };
        let mut names = Vec::new();
        for item in items {
            match &item.tree {
                Tree::Text(name) => names.push((item, name.as_str())),
                _ => self.fault(
                    item.place,
                    format!(
                        "found {}, expected the name of a processor",
                        item.describe()
                    ),
                ),
            }
        }
        Some(Targets(names))
    }

    /// A condition; its faults are told where they are in the file.
    fn condition(&mut self, node: &Node) -> Option<Condition> {
        let text = match &node.tree {
            Tree::Text(_) if node.variables == Variables::Missing => return None,
            Tree::Text(text) => text.clone(),
            Tree::Bool(value) => value.to_string(),
            _ => {
                self.fault(
                    node.place,
                    format!(
                        "found {}, expected a condition like severity >= WARN",
                        node.describe()
                    ),
                );
                return None;
            }
        };
        match Condition::compile(&text) {
            Ok(condition) => Some(condition),
            Err(fault) => {
                // With variables in it the text is another one than in the file.
                let place = if node.variables == Variables::None {
                    inside::place(self.text, node.place, &text, fault.line, fault.column)
                } else {
                    node.place
                };
                self.fault(place, fault.message);
                None
            }
        }
    }
}
