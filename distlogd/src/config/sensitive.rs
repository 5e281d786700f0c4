//! [`Sensitive`]: what others must not read or change, of what a configuration says and names. [`Hidden`]: what is not
//! shown where its faults are.

use std::ops::Range;
use std::path::PathBuf;

use crate::yaml::{Fault, Faults, Node, Place, Tree};

/// The key of the headers that a processor sends. Which of them are secrets, only who receives them knows.
const HEADERS: &str = "headers";
/// Stands for a secret in a message.
const STARS: &str = "***";

/// Secrets of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sensitive {
    /// A secret stands in the file itself, and does not come from the environment.
    pub(crate) holds_secret: bool,
    /// Files with keys and tokens.
    pub(crate) secrets: Vec<PathBuf>,
    /// Files and folders that say who is trusted: certificates, authorities, keys of clients.
    pub(crate) trusted: Vec<PathBuf>,
}

impl Sensitive {
    /// Looks for it by the names of keys, which all sections share.
    pub(super) fn of(document: &Node) -> Sensitive {
        let mut sensitive = Sensitive::default();
        let sections = ["listen", "processors", "sources"];
        for section in sections.iter().filter_map(|name| document.get(name)) {
            sensitive.look_through(section);
        }
        sensitive
    }

    fn look_through(&mut self, node: &Node) {
        for (key, value) in node.entries() {
            for value in value.one_or_many() {
                if let Tree::Text(text) = &value.tree {
                    self.look_at(&key.text, text, !value.replaced);
                }
            }
            self.look_through(value);
        }
        if let Tree::List(items) = &node.tree {
            items.iter().for_each(|item| self.look_through(item));
        }
    }

    fn look_at(&mut self, key: &str, text: &str, is_literal: bool) {
        match key {
            "key" | "tokens" | "nkey" | "credentials" => self.secrets.push(text.into()),
            "cert" | "ca" | "client_ca" | "clients" => self.trusted.push(text.into()),
            _ => self.holds_secret |= is_literal && (is_secret(key) || has_password(text)),
        }
    }
}

/// The secrets in the text of a file, which error messages and their excerpts do not show: they end up in log files.
pub(super) struct Hidden(Vec<Secret>);

struct Secret {
    place: Place,
    /// Where it stands in the file; `None` if it comes from the environment.
    bytes: Option<Range<usize>>,
    value: String,
}

impl Hidden {
    /// Values of headers, of keys that say that they are secrets, and addresses with a password.
    pub(super) fn of(document: &Node) -> Hidden {
        let mut hidden = Hidden(Vec::new());
        hidden.look_through(document, false);
        hidden
    }

    fn look_through(&mut self, node: &Node, is_hidden: bool) {
        let value = match &node.tree {
            Tree::Text(text) if is_hidden || has_password(text) => text.clone(),
            Tree::Int(number) if is_hidden => number.to_string(),
            Tree::Float(number) if is_hidden => number.to_string(),
            Tree::List(items) => {
                let items = items.iter();
                return items.for_each(|item| self.look_through(item, is_hidden));
            }
            Tree::Map(entries) => {
                return entries.iter().for_each(|(key, value)| {
                    let names_secret = is_secret(&key.text) && key.text != "tokens";
                    let is_hidden = is_hidden || names_secret || key.text == HEADERS;
                    self.look_through(value, is_hidden);
                });
            }
            _ => return,
        };
        // The name of a variable is no secret.
        let is_literal = !node.replaced && !value.contains("${");
        self.0.push(Secret {
            place: node.place,
            bytes: is_literal.then(|| node.bytes.clone()),
            value,
        });
    }

    /// The faults of a file, without what is hidden.
    pub(super) fn faults(&self, file: &str, text: &str, mut faults: Vec<Fault>) -> Faults {
        for fault in &mut faults {
            for secret in self.0.iter().filter(|secret| !secret.value.is_empty()) {
                if (secret.place.line, secret.place.column) == (fault.line, fault.column) {
                    let quoted = secret.value.escape_debug().to_string();
                    let message = fault.message.replace(&secret.value, STARS);
                    fault.message = message.replace(&quoted, STARS);
                }
            }
        }
        let ranges = self.0.iter().filter_map(|secret| secret.bytes.clone());
        let mut ranges: Vec<Range<usize>> = ranges.collect();
        ranges.sort_by_key(|range| range.start);
        let (mut shown, mut done) = (String::with_capacity(text.len()), 0);
        for Range { start, end } in ranges {
            let (Some(before), Some(secret)) = (text.get(done..start), text.get(start..end)) else {
                continue;
            };
            shown.push_str(before);
            shown.extend(secret.chars().map(starred));
            done = end;
        }
        shown.push_str(text.get(done..).unwrap_or_default());
        Faults::new(file, &shown, faults)
    }
}

/// The fault of a file that is no YAML. Where its secrets stand is guessed, by lines: what is behind a key that names
/// one, and all that is indented below `headers:`.
pub(super) fn fault_of_text(file: &str, text: &str, fault: Fault) -> Faults {
    let mut shown = String::with_capacity(text.len());
    let mut below: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        let indentation = line.len() - content.len();
        if !content.is_empty() && below.is_some_and(|headers| indentation <= headers) {
            below = None;
        }
        let names_secret = is_secret(line) || line.contains(HEADERS) || has_password(line);
        match line.split_once(':') {
            Some((key, value)) if names_secret || below.is_some() => {
                shown.extend([key, ":"]);
                shown.extend(value.chars().map(starred));
            }
            None if below.is_some() => shown.extend(line.chars().map(starred)),
            _ => shown.push_str(line),
        }
        if content.starts_with(HEADERS) {
            below = Some(indentation);
        }
    }
    Faults::new(file, &shown, vec![fault])
}

/// Each place in the text stays where it is.
fn starred(c: char) -> char {
    if c.is_whitespace() { c } else { '*' }
}

/// Whether a value of this name is a secret: mostly headers of requests.
fn is_secret(key: &str) -> bool {
    let words = [
        "authorization",
        "password",
        "secret",
        "token",
        "api-key",
        "apikey",
        "cookie",
    ];
    let key = key.to_ascii_lowercase().replace('_', "-");
    words.iter().any(|word| key.contains(word))
}

/// `scheme://user:password@host`, or `scheme://host?password=…`
fn has_password(text: &str) -> bool {
    let Some((_, url)) = text.split_once("://") else {
        return false;
    };
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    // A password may hold any character, if its writer forgot that it must not.
    let user = before
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'));
    let mut options = query.split('&').filter_map(|option| option.split_once('='));
    user.is_some_and(|(_, password)| !password.is_empty())
        || options.any(|(name, value)| name == "password" && !value.is_empty())
}
