//! Reads what rules do to records: the sections of `intake:`, and `set:` and `redact:` of rules and processors.

use std::borrow::Cow;

use distlog_proto::sampling::Threshold;
use distlog_rules::{Action, Change, Condition, Expression, IntakeRule, Redaction, Target};

use super::load::Load;
use crate::yaml::{Key, Node, Tree};

/// The keys of a rule of the intake that do something.
const ACTIONS: [&str; 4] = ["drop", "sample", "set", "redact"];

impl Load<'_> {
    /// A list of rules like `{ name: …, when: CONDITION, drop: true }`.
    pub(super) fn intake(&mut self, section: &Node) {
        let Tree::List(rules) = &section.tree else {
            return;
        };
        for (at, node) in rules.iter().enumerate() {
            if !matches!(node.tree, Tree::Null | Tree::Map(_)) {
                continue;
            }
            let rule = IntakeRule {
                name: self.name_of_rule(node, at + 1),
                when: node
                    .get("when")
                    .and_then(|when| self.condition(when, Condition::compile)),
                action: self.action(node),
            };
            self.config.intake.push(rule);
            let place = node.get("when").unwrap_or(node).place;
            self.config.places.intake.push(place);
        }
    }

    /// What it is called in metrics: its number, unless it has a name.
    fn name_of_rule(&mut self, node: &Node, number: usize) -> String {
        let Some(name) = node.get("name") else {
            return number.to_string();
        };
        let text = match &name.tree {
            Tree::Text(text) if !text.is_empty() => text.clone(),
            Tree::Int(number) => number.to_string(),
            _ => {
                let expected = "a name like noise, which is a label of metrics";
                self.fault(name, format!("found {name}, expected {expected}"));
                return String::new();
            }
        };
        if self.config.intake.iter().any(|rule| rule.name == text) {
            self.fault(name, format!("the name `{text}` stands twice"));
        }
        text
    }

    fn action(&mut self, node: &Node) -> Action {
        let (sample, change) = (
            node.get("sample").and_then(|ratio| self.ratio(ratio)),
            self.change(node),
        );
        let entries = node.entries().iter();
        let known = |key: &&(Key, Node)| {
            let key = key.0.text.as_str();
            ACTIONS.contains(&key) || matches!(key, "name" | "when")
        };
        let acts = |key: &&(Key, Node)| ACTIONS.contains(&key.0.text.as_str());
        // An unknown key is reported, and may be a misspelt action.
        if entries.clone().all(|entry| known(&entry)) && !entries.clone().any(|e| acts(&e)) {
            let expected = "expected drop, sample, set or redact";
            self.fault(node, format!("the rule does nothing: {expected}"));
        }
        let Some(drop) = node.get("drop") else {
            return Action::Keep { sample, change };
        };
        if drop.tree == Tree::Bool(false) {
            self.fault(drop, "`drop: false` does nothing: leave it out");
        }
        for (key, _) in entries.filter(acts).filter(|(key, _)| key.text != "drop") {
            let message = format!(
                "what is dropped is not stored: `{}` and `drop` belong to rules of their own",
                key.text
            );
            self.faults.push(key.place.fault(message));
        }
        Action::Drop
    }

    fn ratio(&mut self, node: &Node) -> Option<Threshold> {
        let ratio = match node.tree {
            Tree::Int(number) => number as f64,
            Tree::Float(number) => number,
            _ if self.faulty.contains(&node.id()) => return None,
            _ => {
                let expected = "a number from 0 (none) to 1 (all), like 0.01";
                self.fault(node, format!("found {node}, expected {expected}"));
                return None;
            }
        };
        let threshold = Threshold::from_ratio(ratio);
        threshold
            .map_err(|error| self.fault(node, error.to_string()))
            .ok()
    }

    /// `set:` and `redact:` of a section.
    pub(super) fn change(&mut self, section: &Node) -> Change {
        Change {
            set: section.get("set").map_or(Vec::new(), |node| self.set(node)),
            redact: section.get("redact").and_then(|node| self.redact(node)),
        }
    }

    /// `{ fields.NAME: EXPRESSION }`
    fn set(&mut self, node: &Node) -> Vec<(Target, Expression)> {
        if node.entries().is_empty() {
            let expected = "values by their names, like { fields.team: '\"payments\"' }";
            self.fault(node, format!("found {node}, expected {expected}"));
        }
        let mut set = Vec::new();
        for (key, value) in node.entries() {
            let target = Target::parse(&key.text);
            let target = target.map_err(|why| self.faults.push(key.place.fault(why)));
            let expression = self.expression(value);
            let (Ok(target), Some(expression)) = (target, expression) else {
                continue;
            };
            if let Err(why) = target.check(&expression) {
                self.fault(value, why);
            }
            set.push((target, expression));
        }
        set
    }

    /// An expression of any type. Its faults are reported where they are in the file.
    fn expression(&mut self, node: &Node) -> Option<Expression> {
        let text = match &node.tree {
            Tree::Text(_) if self.faulty.contains(&node.id()) => return None,
            Tree::Text(text) => Cow::Borrowed(text.as_str()),
            Tree::Bool(value) => value.to_string().into(),
            Tree::Int(value) => value.to_string().into(),
            Tree::Float(value) => value.to_string().into(),
            _ => {
                let expected = "an expression like service + \"/\" + target";
                self.fault(node, format!("found {node}, expected {expected}"));
                return None;
            }
        };
        Expression::compile(&text)
            .map_err(|mut fault| {
                let is_word = |c: char| c.is_alphanumeric() || c == '_';
                if fault.message.starts_with("unknown name") && text.chars().all(is_word) {
                    fault.message = format!("{}; a text is written '\"{text}\"'", fault.message);
                }
                self.fault_within(node, &text, fault);
            })
            .ok()
    }

    /// `{ fields: [NAME], patterns: [REGEX] }`
    fn redact(&mut self, node: &Node) -> Option<Redaction> {
        if !matches!(node.tree, Tree::Null | Tree::Map(_)) {
            return None;
        }
        let names = self.texts(node, "fields", "names of fields like [password]");
        let patterns = self.texts(node, "patterns", r"regular expressions like ['\b\d{16}\b']");
        let known = |(key, _): &(Key, Node)| matches!(key.text.as_str(), "fields" | "patterns");
        if names.is_empty() && patterns.is_empty() && node.entries().iter().all(known) {
            let expected =
                r"expected { fields: [password], patterns: ['\b\d{16}\b'] } or one of them";
            self.fault(node, format!("nothing is redacted: {expected}"));
        }
        for (node, pattern) in &patterns {
            if let Err(fault) = Redaction::new(Vec::new(), std::slice::from_ref(pattern)) {
                self.fault(node, fault.to_string());
            }
        }
        let names = names.into_iter().map(|(_, name)| name).collect();
        let patterns: Vec<String> = patterns.into_iter().map(|(_, pattern)| pattern).collect();
        // A pattern that is none was reported.
        Redaction::new(names, &patterns).ok()
    }

    /// A list of texts, or one.
    fn texts<'n>(&mut self, node: &'n Node, key: &str, expected: &str) -> Vec<(&'n Node, String)> {
        let mut texts = Vec::new();
        for item in node.get(key).map_or(&[][..], Node::one_or_many) {
            match &item.tree {
                Tree::Text(_) if self.faulty.contains(&item.id()) => {}
                Tree::Text(text) if !text.is_empty() => texts.push((item, text.clone())),
                _ => self.fault(item, format!("found {item}, expected {expected}")),
            }
        }
        texts
    }
}
