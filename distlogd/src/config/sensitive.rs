//! [`Sensitive`]: what others must not read or change, of what a configuration says and names.

use std::path::PathBuf;

use super::node::{Node, Tree};

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

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    let authority = text
        .split_once("://")
        .map(|(_, rest)| rest.split('/').next());
    let user = authority
        .flatten()
        .and_then(|authority| authority.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains(':'))
}
