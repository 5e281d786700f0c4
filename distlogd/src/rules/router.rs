//! Which rules lead to one processor.

use distlog_proto::RecordRef;

use super::condition::Condition;

/// A rule: records that match go to these processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `None` matches every record.
    pub when: Option<Condition>,
    /// Names of processors.
    pub to: Vec<String>,
}

/// What one processor gets: the records that any rule sends to it and that pass its own filter.
#[derive(Debug, Clone)]
pub struct Router {
    /// `None`: every record.
    any: Option<Vec<Condition>>,
    filter: Option<Condition>,
}

impl Router {
    /// For the processor of that name.
    pub fn new(rules: &[Rule], processor: &str, filter: Option<&Condition>) -> Router {
        let mine = || {
            rules
                .iter()
                .filter(|rule| rule.to.iter().any(|to| to == processor))
        };
        let any = (!mine().any(|rule| rule.when.is_none()))
            .then(|| mine().filter_map(|rule| rule.when.clone()).collect());
        Router {
            any,
            filter: filter.cloned(),
        }
    }

    /// Whether the record goes to this processor.
    pub fn takes(&self, record: &RecordRef<'_>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.matches(record))
            && self
                .any
                .as_ref()
                .is_none_or(|any| any.iter().any(|when| when.matches(record)))
    }

    /// Whether no rule leads to it, so that it gets nothing.
    pub fn is_closed(&self) -> bool {
        self.any.as_ref().is_some_and(Vec::is_empty)
    }
}
