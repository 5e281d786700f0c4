//! Which conditions of a configuration held for a record of any test.

use serde::Serialize;

use crate::config::Config;
use crate::evaluate::{Evaluated, Evaluator, Route};
use crate::yaml::Place;

/// A condition of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Covered {
    /// `intake`, `rule`, `filter` or `trees`.
    pub(super) what: &'static str,
    /// Of an intake rule its name, of a rule its number, else the processor.
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) column: usize,
    /// The condition, or where the rule without one leads.
    pub(super) condition: String,
    /// Records that matched, of `trees` trees.
    pub(super) matched: u64,
}

/// The conditions of one configuration.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    /// The file of the configuration.
    pub(crate) config: String,
    pub(super) conditions: Vec<Covered>,
    /// Where those of each section begin.
    rules: usize,
    /// Of each processor, in their order, the numbers of its filter and its condition over trees.
    processors: Vec<[Option<usize>; 2]>,
}

impl Coverage {
    pub(crate) fn new(config: &Config, file: &str) -> Coverage {
        let mut conditions = Vec::new();
        let mut add = |what, name: String, place: Option<&Place>, condition: String| {
            let (line, column) = place.map_or((1, 1), |place| (place.line, place.column));
            conditions.push(Covered {
                what,
                name,
                line,
                column,
                condition: condition.split_whitespace().collect::<Vec<_>>().join(" "),
                matched: 0,
            });
            conditions.len() - 1
        };
        let places = &config.places;
        for (at, rule) in config.intake.iter().enumerate() {
            let condition = rule
                .when
                .as_ref()
                .map_or("every record", |when| when.text());
            add(
                "intake",
                rule.name.clone(),
                places.intake.get(at),
                condition.to_owned(),
            );
        }
        let rules = config.intake.len();
        for (at, rule) in config.rules.iter().enumerate() {
            let condition = rule
                .when
                .as_ref()
                .map_or("every record", |when| when.text());
            let condition = format!("{condition} → {}", rule.to.join(", "));
            add(
                "rule",
                (at + 1).to_string(),
                places.rules.get(at),
                condition,
            );
        }
        let mut processors = Vec::new();
        for (at, entry) in config.processors.iter().enumerate() {
            let places = places.processors.get(at);
            let filter = entry.filter.as_ref().map(|filter| {
                let place = places.map(|places| &places.filter);
                add(
                    "filter",
                    entry.name.clone(),
                    place,
                    filter.text().to_owned(),
                )
            });
            let trees = entry.trees.as_ref().map(|trees| {
                let place = places.map(|places| &places.keep);
                add(
                    "trees",
                    entry.name.clone(),
                    place,
                    trees.keep.text().to_owned(),
                )
            });
            processors.push([filter, trees]);
        }
        Coverage {
            config: file.to_owned(),
            conditions,
            rules,
            processors,
        }
    }

    /// A record was evaluated.
    pub(super) fn note(&mut self, evaluated: &Evaluated) {
        let rules = evaluated.rules.iter().map(|rule| self.rules + rule);
        for at in evaluated.intake.iter().copied().chain(rules) {
            if let Some(condition) = self.conditions.get_mut(at) {
                condition.matched += 1;
            }
        }
        for ([filter, _], route) in self.processors.iter().zip(&evaluated.routes) {
            let passes = !matches!(route, Route::Unrouted | Route::Filtered);
            if let Some(at) = filter.filter(|_| passes) {
                self.conditions[at].matched += 1;
            }
        }
    }

    /// A tree was decided for a processor, and matches.
    pub(super) fn note_tree(&mut self, processor: usize) {
        if let Some([_, Some(trees)]) = self.processors.get(processor) {
            self.conditions[*trees].matched += 1;
        }
    }

    /// How many there are, and how many matched.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let matched = self.conditions.iter().filter(|one| one.matched > 0);
        (self.conditions.len(), matched.count())
    }

    /// Whether every condition held for a record.
    pub(crate) fn is_full(&self) -> bool {
        self.conditions.iter().all(|one| one.matched > 0)
    }
}

/// The places of conditions are those of this file.
pub(super) fn place_of(evaluator: &Evaluator, at: impl FnOnce(&Config) -> Option<Place>) -> Place {
    at(evaluator.config()).unwrap_or(Place { line: 1, column: 1 })
}
