//! One of the two configurations: what it does with records, and how often each of its rules matched.

use distlog_rules::Action;

use crate::evaluate::{Evaluated, Evaluator, Fate, Route};

/// A configuration, and what it was counted to do.
pub(crate) struct Side {
    pub(super) evaluator: Evaluator,
    /// The name of its file.
    pub(super) file: String,
    /// Of each rule of the intake, in order: records that matched, and that it dropped.
    pub(super) intake: Vec<(u64, u64)>,
    /// Of each rule, in order: records that matched.
    pub(super) rules: Vec<u64>,
}

/// What a processor does with a record, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gets {
    No,
    Yes,
    /// If its tree passes.
    Waits,
}

/// What decided, as far as that is known before trees are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// There is no such processor.
    Absent,
    /// A rule of the intake drops it, by its number from 0.
    Dropped(usize),
    LeftOut,
    Unrouted,
    Filtered,
    /// This rule sends it there.
    Rule(usize),
}

impl Side {
    pub(crate) fn new(evaluator: Evaluator, file: String) -> Side {
        let config = evaluator.config();
        Side {
            intake: vec![(0, 0); config.intake.len()],
            rules: vec![0; config.rules.len()],
            evaluator,
            file,
        }
    }

    pub(super) fn take(&mut self, batch: Vec<u8>) -> Evaluated {
        let evaluated = self.evaluator.take(batch);
        for rule in &evaluated.intake {
            self.intake[*rule].0 += 1;
        }
        if let Fate::Dropped(rule) = evaluated.fate {
            self.intake[rule].1 += 1;
        }
        for rule in &evaluated.rules {
            self.rules[*rule] += 1;
        }
        evaluated
    }

    /// The number of a processor.
    pub(super) fn processor(&self, name: &str) -> Option<usize> {
        let mut destinations = self.evaluator.destinations().iter();
        destinations.position(|destination| destination.name == name)
    }

    /// What it does with a record for a processor, and why.
    pub(super) fn gets(&self, evaluated: &Evaluated, processor: Option<usize>) -> (Gets, Reason) {
        let Some(at) = processor else {
            return (Gets::No, Reason::Absent);
        };
        match evaluated.fate {
            Fate::Stored => {}
            Fate::Dropped(rule) => return (Gets::No, Reason::Dropped(rule)),
            Fate::LeftOut => return (Gets::No, Reason::LeftOut),
        }
        let rules = &self.evaluator.destinations()[at].rules;
        let rule = rules.iter().find(|rule| evaluated.rules.contains(rule));
        let rule = rule.map_or(Reason::Unrouted, |rule| Reason::Rule(*rule));
        match evaluated.routes[at] {
            Route::Unrouted => (Gets::No, Reason::Unrouted),
            Route::Filtered => (Gets::No, Reason::Filtered),
            Route::Sent => (Gets::Yes, rule),
            Route::TreeDropped => (Gets::No, rule),
            Route::Waits(_) => (Gets::Waits, rule),
        }
    }

    /// What decided, in words. `gets`: whether the processor gets it in the end.
    pub(super) fn words(&self, reason: Reason, processor: &str, gets: bool) -> String {
        let config = self.evaluator.config();
        let at = |place: Option<&crate::yaml::Place>| match place {
            Some(place) => format!(" ({}:{}:{})", self.file, place.line, place.column),
            None => String::new(),
        };
        let entries = config.processors.iter();
        let entry = entries
            .zip(&config.places.processors)
            .find(|(entry, _)| entry.name == processor);
        let waits = entry.filter(|(entry, _)| entry.trees.is_some());
        match reason {
            Reason::Absent => format!("there is no processor {processor}"),
            Reason::Dropped(rule) => {
                let of = config.intake.get(rule);
                let name = of.map_or("", |rule| rule.name.as_str());
                let does = match of.map(|rule| &rule.action) {
                    Some(Action::Drop) | None => "drops it",
                    Some(Action::Keep { .. }) => "leaves it out of its sample",
                };
                format!(
                    "intake rule {name} {does}{}",
                    at(config.places.intake.get(rule))
                )
            }
            Reason::LeftOut => "too large for a batch as the intake changed it".to_owned(),
            Reason::Unrouted => "no rule that leads there matches".to_owned(),
            Reason::Filtered => {
                format!(
                    "its filter holds it back{}",
                    at(entry.map(|(_, places)| &places.filter))
                )
            }
            Reason::Rule(rule) => {
                let rule = format!("rule {}{}", rule + 1, at(config.places.rules.get(rule)));
                match (waits, gets) {
                    (None, _) => rule,
                    (Some(_), true) => format!("{rule}, and its tree passes"),
                    (Some((_, places)), false) => {
                        format!("its tree does not pass{}", at(Some(&places.keep)))
                    }
                }
            }
        }
    }
}
