//! From the text of a file to a configuration, or to all its faults.

use std::collections::HashSet;
use std::path::PathBuf;

use distlog_proto::levels::DirectivesError;
use distlog_rules::{CompileFault, Condition, Rule, TreeCondition, nearest};

use super::document::Document;
use super::sections::{Config, Drain, Entry, ProcessorPlaces};
use super::sensitive::{Hidden, Sensitive, fault_of_text};
use super::sources::{self, NamedSource};
use super::{conflicts, environment, not_built, position, tilde, tls, tokens};
use crate::processors::{Kind, Section};
use crate::yaml::{Fault, Faults, Key, Node, NodeId, Place, Tree, duplicate_keys, read, unknown};

/// Reads a configuration whose rules may also name the `registered` processors, which are added in code.
///
/// # Errors
/// All faults of the file; `file` is its name in them.
pub fn load(text: &str, file: &str, registered: &[&str]) -> Result<Config, Faults> {
    let parsed = Node::parse(text);
    let mut document = parsed.map_err(|fault| fault_of_text(file, text, fault))?;
    let mut load = Load {
        text,
        registered,
        faults: Vec::new(),
        faulty: HashSet::new(),
        predecessors: Vec::new(),
        config: Config::default(),
    };
    let variable = |name: &str| std::env::var(name);
    environment::replace(
        text,
        &mut document,
        &variable,
        &mut load.faults,
        &mut load.faulty,
    );
    load.document(&document);
    if load.faults.is_empty() {
        Ok(load.config)
    } else {
        Err(Hidden::of(&document).faults(file, text, load.faults))
    }
}

pub(super) struct Load<'t> {
    text: &'t str,
    registered: &'t [&'t str],
    pub(super) faults: Vec<Fault>,
    /// The nodes that faults were found in before the types are read.
    pub(super) faulty: HashSet<NodeId>,
    /// Former names of processors.
    predecessors: Vec<(Place, String)>,
    pub(super) config: Config,
}

impl Load<'_> {
    fn document(&mut self, document: &Node) {
        duplicate_keys(document, &mut self.faults, &mut self.faulty);
        tilde::warn(document, &mut self.config.warnings);
        self.config.sensitive = Sensitive::of(document);
        let missing = Kind::NOT_BUILT;
        not_built::find(document, missing, &mut self.faults, &mut self.faulty);
        let Some(read) = read::<Document>(document, self.faulty.clone(), &mut self.faults) else {
            return;
        };
        self.config.listen = read.listen;
        self.config.store = read.store;
        self.config.lost_after = read.lost_after;
        self.config.grace = read.grace;
        let clashes = conflicts::same_address(document, &self.config.listen);
        self.faults.extend(clashes);
        let unusable = tls::check(document, &self.config.listen, &mut self.config.warnings);
        self.faults.extend(unusable);
        let unusable = tokens::check(document, &self.config.listen, &mut self.config.warnings);
        self.faults.extend(unusable);
        if let Some(drain) = document.get("drain") {
            self.drain(drain);
        }
        if let Some(rules) = document.get("intake") {
            self.intake(rules);
        }
        if let Some(levels) = document.get("levels") {
            self.levels(levels);
        }
        let mut sections = read.sources;
        for (key, node) in document.get("sources").map_or(&[][..], Node::entries) {
            self.source(key, node, sections.remove(&key.text));
        }
        let mut sections = read.processors;
        let processors = document.get("processors").map_or(&[][..], Node::entries);
        for (key, node) in processors {
            self.processor(key, node, sections.remove(&key.text));
        }
        if let Some(section) = document.get("processors") {
            let clashes = conflicts::same_file(&self.config.processors, section);
            self.faults.extend(clashes);
        }
        let known: Vec<&str> = processors
            .iter()
            .map(|(key, _)| key.text.as_str())
            .collect();
        let known = [&known, self.registered].concat();
        self.check_predecessors(&known);
        let mut targets = Vec::new();
        if let Some(Tree::List(rules)) = document.get("rules").map(|rules| &rules.tree) {
            for rule in rules {
                targets.extend(self.rule(rule, &known));
            }
        }
        let idle = |key: &&Key| !targets.contains(&key.text);
        for key in processors.iter().map(|(key, _)| key).filter(idle) {
            let name = &key.text;
            let warning = format!("no rule leads to the processor `{name}`: it gets nothing");
            self.config.warnings.push(key.place.fault(warning));
        }
    }

    pub(super) fn fault(&mut self, node: &Node, message: impl Into<String>) {
        self.faults.push(node.place.fault(message));
    }

    /// `{ SERVICE: DIRECTIVES }`
    fn levels(&mut self, section: &Node) {
        let expected = "levels by service, like { orders: 'info,orders::cart=debug' }";
        if !matches!(section.tree, Tree::Null | Tree::Map(_)) {
            return self.fault(section, format!("found {section}, expected {expected}"));
        }
        for (key, node) in section.entries() {
            let text = match &node.tree {
                Tree::Text(_) if self.faulty.contains(&node.id()) => continue,
                Tree::Text(text) => text.clone(),
                // YAML takes this level for a word of its own.
                Tree::Bool(false) => "off".to_owned(),
                _ => {
                    self.fault(node, format!("found {node}, expected {expected}"));
                    continue;
                }
            };
            match text.parse() {
                Ok(directives) => self.config.levels.push((key.text.clone(), directives)),
                Err(DirectivesError { column, message }) => {
                    let line = 1;
                    let fault = CompileFault {
                        line,
                        column,
                        message,
                    };
                    self.fault_within(node, &text, fault);
                }
            }
        }
    }

    /// A list of directories, or one; each its path, or `{ path: …, owners: […] }`.
    fn drain(&mut self, node: &Node) {
        for item in node.one_or_many() {
            let mut owners = Vec::new();
            let path = match &item.tree {
                Tree::Map(_) => self.drain_of_others(item, &mut owners),
                _ => Some(item),
            };
            let Some(path) = path else { continue };
            let path = match &path.tree {
                Tree::Text(path) if !path.is_empty() => PathBuf::from(path),
                _ => {
                    let expected = "directories like [/var/spool/shop, /var/spool/web]";
                    self.fault(path, format!("found {path}, expected {expected}"));
                    continue;
                }
            };
            if self.config.drain.iter().any(|known| known.path == path) {
                self.fault(item, format!("{} stands twice", path.display()));
            }
            self.config.drain.push(Drain { path, owners });
        }
    }

    /// The path of `{ path: …, owners: […] }`.
    fn drain_of_others<'n>(&mut self, node: &'n Node, owners: &mut Vec<u32>) -> Option<&'n Node> {
        for (key, value) in node.entries() {
            match key.text.as_str() {
                "path" => {}
                "owners" => {
                    for item in value.one_or_many() {
                        match item.tree {
                            Tree::Int(id @ 0..=0xffff_ffff) => owners.push(id as u32),
                            _ => {
                                let expected = "ids of users like [1001]: `id -u NAME` tells them";
                                self.fault(item, format!("found {item}, expected {expected}"));
                            }
                        }
                    }
                }
                other => {
                    let message = format!("unknown key `{other}`, expected `path` or `owners`");
                    self.faults.push(key.place.fault(message));
                }
            }
        }
        let path = node.get("path");
        if path.is_none() {
            self.fault(node, "`path` is missing: a directory like /var/spool/shop");
        }
        path
    }

    /// `NAME: { KIND: {…} }`
    fn source(&mut self, key: &Key, node: &Node, section: Option<sources::Section>) {
        self.name_of("source", key);
        if cfg!(not(feature = "nats")) && node.get("nats").is_some() {
            self.fault(
                node,
                "this distlogd is built without NATS, the feature `nats`",
            );
            return;
        }
        let Some(section) = section else { return };
        match section.kind() {
            Some(kind) => self.config.sources.push(NamedSource {
                name: key.text.clone(),
                kind,
            }),
            // An unknown key is reported, and may be the misspelt kind.
            None if node.entries().is_empty() => {
                let name = &key.text;
                let message =
                    format!("the source `{name}` does not say what it is: expected `nats`");
                self.faults.push(key.place.fault(message));
            }
            None => {}
        }
    }

    fn name_of(&mut self, what: &str, key: &Key) {
        let name = &key.text;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
            let expected = "up to 64 of a–z, A–Z, 0–9, -, _ and .";
            let message = format!("`{name}` is no name for a {what}: expected {expected}");
            self.faults.push(key.place.fault(message));
        }
    }

    /// `NAME: { KIND: {…}, filter: CONDITION, set: {…}, redact: {…}, from: start | end, cursor: NAME, batch: {…},
    /// retry: {…}, trees: {…} }`
    fn processor(&mut self, key: &Key, node: &Node, section: Option<Section>) {
        let name = &key.text;
        // The cursor is kept in a file of that name.
        self.name_of("processor", key);
        if self.registered.contains(&name.as_str()) {
            let message = format!("the processor `{name}` is already there, registered in code");
            self.faults.push(key.place.fault(message));
        }
        let filter = node.get("filter");
        let filter = filter.and_then(|node| self.condition(node, Condition::compile));
        let cursor = node.get("cursor").and_then(|node| self.predecessor(node));
        let change = self.change(node);
        let trees_keep = node.get("trees").and_then(|node| self.trees(node));
        let entries = node.entries().iter().map(|(key, _)| key);
        let is_kind = |key: &&Key| Kind::KEYS.contains(&key.text.as_str());
        let mut kinds = entries.clone().filter(is_kind);
        match (kinds.next(), kinds.next()) {
            (Some(_), Some(second)) => {
                let other = &second.text;
                self.faults.push(second.place.fault(format!(
                    "the processor `{name}` is two things at once: `{other}` belongs to another name"
                )));
            }
            (None, _) => {
                let known = |key: &Key| {
                    let common = [
                        "filter", "set", "redact", "from", "cursor", "batch", "retry", "trees",
                    ];
                    common.contains(&key.text.as_str())
                };
                let is_map = matches!(node.tree, Tree::Null | Tree::Map(_));
                // An unknown key is reported, and may be the misspelt kind.
                if is_map && entries.clone().all(known) {
                    let kinds = Kind::KEYS.join(", ");
                    self.faults.push(key.place.fault(format!(
                        "the processor `{name}` does not say what it is: expected one of {kinds}"
                    )));
                }
            }
            _ => {}
        }
        for (kind, message) in [
            (
                "alert",
                "an alert counts records as they come, and `trees` holds them back",
            ),
            (
                "levels",
                "levels are raised while a request runs, and `trees` waits for its end",
            ),
        ] {
            if let (Some((key, _)), Some(_)) = (node.entry("trees"), node.get(kind)) {
                self.faults.push(key.place.fault(message));
            }
        }
        if let Some(section) = section {
            let (from, batch, retry) = (section.from, section.batch.clone(), section.retry.clone());
            let trees = section.trees.as_ref();
            let trees = trees.zip(trees_keep).map(|(trees, keep)| trees.with(keep));
            let Some(kind) = section.kind() else { return };
            let place = |node: Option<&Node>| node.map_or(key.place, |node| node.place);
            self.config.places.processors.push(ProcessorPlaces {
                filter: place(node.get("filter")),
                keep: place(node.get("trees").and_then(|trees| trees.get("keep"))),
            });
            self.config.processors.push(Entry {
                name: name.clone(),
                kind,
                filter,
                change,
                from,
                cursor: cursor.clone(),
                batch,
                retry,
                trees,
            });
        }
    }

    /// The former name of a processor.
    fn predecessor(&mut self, node: &Node) -> Option<String> {
        match &node.tree {
            Tree::Text(name) if !self.faulty.contains(&node.id()) => {
                self.predecessors.push((node.place, name.clone()));
                Some(name.clone())
            }
            Tree::Text(_) => None,
            _ => {
                let expected = "the former name of this processor";
                self.fault(node, format!("found {node}, expected {expected}"));
                None
            }
        }
    }

    /// Whose cursor is taken must be gone: two cannot share it.
    fn check_predecessors(&mut self, known: &[&str]) {
        let mut taken: Vec<&str> = Vec::new();
        for (place, name) in &self.predecessors {
            let why = if known.contains(&name.as_str()) {
                "is a processor here: only the cursor of one that is gone can be taken"
            } else if taken.contains(&name.as_str()) {
                "is taken twice: only one can go on from a cursor"
            } else {
                taken.push(name);
                continue;
            };
            self.faults.push(place.fault(format!("`{name}` {why}")));
        }
    }

    /// The condition of `{ keep: CONDITION, … }`.
    fn trees(&mut self, node: &Node) -> Option<TreeCondition> {
        // Something else than a map is reported with its type.
        if !matches!(node.tree, Tree::Null | Tree::Map(_)) {
            return None;
        }
        let keep = node.get("keep");
        let misspelt = |(key, _): &(Key, Node)| nearest(&key.text, ["keep"]).is_some();
        if keep.is_none() && !node.entries().iter().any(misspelt) {
            self.fault(
                node,
                "`keep` is missing: a condition over trees like tree.failed",
            );
        }
        self.condition(keep?, TreeCondition::compile)
    }

    /// Returns the names of the processors that the rule leads to.
    fn rule(&mut self, rule: &Node, known: &[&str]) -> Vec<String> {
        if !matches!(rule.tree, Tree::Null | Tree::Map(_)) {
            return Vec::new();
        }
        let when = rule.get("when");
        let when = when.map(|node| self.condition(node, Condition::compile));
        let to = self.targets(rule, known);
        let change = self.change(rule);
        // A condition that does not compile is a fault, and then the configuration is not used.
        let when = when.flatten();
        let place = rule.get("when").unwrap_or(rule).place;
        self.config.places.rules.push(place);
        self.config.rules.push(Rule {
            when,
            to: to.clone(),
            change,
        });
        to
    }

    /// A list of names, or one name.
    fn targets(&mut self, rule: &Node, known: &[&str]) -> Vec<String> {
        const EXPECTED: &str = "names of processors like [a, b]";
        let Some(node) = rule.get("to") else {
            let misspelt = |(key, _): &(Key, Node)| nearest(&key.text, ["to"]).is_some();
            if !rule.entries().iter().any(misspelt) {
                self.fault(rule, "the rule leads nowhere: `to` is missing");
            }
            return Vec::new();
        };
        let items = node.one_or_many();
        if items.is_empty() {
            self.fault(node, format!("the rule leads nowhere: expected {EXPECTED}"));
        }
        let mut names = Vec::new();
        for item in items {
            match &item.tree {
                Tree::Text(name) => {
                    if !self.faulty.contains(&item.id()) && !known.contains(&name.as_str()) {
                        self.fault(item, unknown("processor", name, known));
                    }
                    names.push(name.clone());
                }
                _ => self.fault(item, format!("found {item}, expected {EXPECTED}")),
            }
        }
        names
    }

    /// A condition. Its faults are reported where they are in the file.
    pub(super) fn condition<C>(
        &mut self,
        node: &Node,
        compile: fn(&str) -> Result<C, CompileFault>,
    ) -> Option<C> {
        let text = match &node.tree {
            Tree::Text(_) if self.faulty.contains(&node.id()) => return None,
            Tree::Text(text) => text.clone(),
            Tree::Bool(value) => value.to_string(),
            _ => {
                let expected = "a condition like severity >= WARN";
                self.fault(node, format!("found {node}, expected {expected}"));
                return None;
            }
        };
        match compile(&text) {
            Ok(condition) => Some(condition),
            Err(fault) => {
                self.fault_within(node, &text, fault);
                None
            }
        }
    }

    /// Reports a fault in the text of a node where it is in the file.
    pub(super) fn fault_within(&mut self, node: &Node, text: &str, fault: CompileFault) {
        // With variables in it the text is another one than in the file.
        let place = if node.replaced {
            node.place
        } else {
            let line: usize = text
                .split_inclusive('\n')
                .take(fault.line - 1)
                .map(str::len)
                .sum();
            let column: usize = text[line..]
                .chars()
                .take(fault.column - 1)
                .map(char::len_utf8)
                .sum();
            position::within(self.text, node, text, line + column)
        };
        self.faults.push(place.fault(fault.message));
    }
}
