//! Which condition decided what became of a record: each that had a say, with its parts and what they looked at.

use distlog_rules::{Condition, Part};
use serde::Serialize;

use super::case::{Case, Ran};
use super::coverage::place_of;
use crate::config::Config;
use crate::evaluate::{Fate, Route, with_record};
use crate::trees::Why as TreeWhy;
use crate::yaml::Place;

/// Why a processor gets a record or not, or what was made of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Why {
    /// In a sentence.
    pub(super) sentence: String,
    pub(super) decided: Vec<Decided>,
}

/// A condition that had a say.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Decided {
    /// `rule 2`, `filter of errors`.
    pub(super) what: String,
    pub(super) line: usize,
    pub(super) column: usize,
    /// Its text; empty where every record matches.
    pub(super) condition: String,
    pub(super) matched: bool,
    pub(super) parts: Vec<ShownPart>,
}

/// A part of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShownPart {
    pub(super) depth: usize,
    pub(super) text: String,
    /// `None`: something is missing.
    pub(super) value: Option<bool>,
    /// Names and their values; `None`: it is missing.
    pub(super) looked: Vec<(String, Option<String>)>,
}

impl From<Part> for ShownPart {
    fn from(part: Part) -> ShownPart {
        let looked = part.looked.into_iter();
        ShownPart {
            depth: part.depth,
            text: part.text,
            value: part.value,
            looked: looked.map(|one| (one.name, one.value)).collect(),
        }
    }
}

fn sentence(sentence: impl Into<String>, decided: Vec<Decided>) -> Why {
    Why {
        sentence: sentence.into(),
        decided,
    }
}

/// Why a processor gets a record or not.
pub(super) fn processor(ran: &Ran<'_>, case: &Case, at: usize) -> Why {
    let evaluator = ran.evaluator;
    let destination = &evaluator.destinations()[at];
    let name = &destination.name;
    match case.evaluated.fate {
        Fate::Stored => {}
        Fate::Dropped(_) | Fate::LeftOut => return dropped(ran, case),
    }
    let rules = |only_matched: bool| {
        let rules = destination.rules.iter().copied();
        let rules = rules.filter(|rule| !only_matched || case.evaluated.rules.contains(rule));
        rules
            .map(|rule| self::rule(ran, case, rule))
            .collect::<Vec<_>>()
    };
    match case.evaluated.routes[at] {
        Route::Unrouted if destination.rules.is_empty() => {
            sentence(format!("no rule leads to {name}"), Vec::new())
        }
        Route::Unrouted => sentence(
            format!("no rule that leads to {name} matches"),
            rules(false),
        ),
        Route::Filtered => sentence(
            format!("the filter of {name} holds it back"),
            filter(ran, case, at).into_iter().collect(),
        ),
        Route::Sent if !destination.waits_for_trees() || case.evaluated_task().is_none() => {
            let mut decided = rules(true);
            decided.extend(filter(ran, case, at));
            sentence(format!("{name} gets it"), decided)
        }
        Route::Sent | Route::TreeDropped | Route::Waits(_) => tree(ran, case, at, rules(true)),
    }
}

/// What became of the tree of a record.
fn tree(ran: &Ran<'_>, case: &Case, at: usize, mut decided: Vec<Decided>) -> Why {
    let name = &ran.evaluator.destinations()[at].name;
    let judged = case
        .evaluated_task()
        .and_then(|trace| ran.judged.get(&(at, trace)));
    let Some(judged) = judged else {
        return sentence(format!("{name}: its tree is not decided"), decided);
    };
    let config = ran.evaluator.config();
    let Some((entry, trees)) = config
        .processors
        .get(at)
        .and_then(|e| Some((e, e.trees.as_ref()?)))
    else {
        return sentence(format!("{name} has no `trees`"), decided);
    };
    let parts = trees.keep.explain(&judged.summary.summary());
    let place = place_of(ran.evaluator, |config| {
        Some(config.places.processors.get(at)?.keep)
    });
    let condition = Decided {
        what: format!("trees of {}", entry.name),
        line: place.line,
        column: place.column,
        condition: one_line(trees.keep.text()),
        matched: judged.matches,
        parts: parts.into_iter().map(ShownPart::from).collect(),
    };
    let ended = match judged.why {
        TreeWhy::Quiet => "its root had ended",
        TreeWhy::Wait => "its root had not ended, and `wait` was over",
        TreeWhy::Limit => "too many trees were open",
    };
    // Without what is rounded to a threshold.
    let share = (trees.other.ratio() * 1e4).round() / 1e4;
    let text = match (judged.matches, judged.passes) {
        (true, _) => format!("its tree passes to {name}: `keep` matches ({ended})"),
        (false, true) => {
            format!("its tree passes to {name}: it is in the share of `else: {share}` ({ended})")
        }
        (false, false) if share > 0.0 => {
            format!(
                "its tree does not pass to {name}: `keep` does not match, and it is not in the share of `else: {share}` ({ended})"
            )
        }
        (false, false) => {
            format!("its tree does not pass to {name}: `keep` does not match ({ended})")
        }
    };
    if judged.passes {
        decided.push(condition);
    } else {
        decided = vec![condition];
    }
    sentence(text, decided)
}

fn filter(ran: &Ran<'_>, case: &Case, at: usize) -> Option<Decided> {
    let destination = &ran.evaluator.destinations()[at];
    let condition = destination.filter.as_ref()?;
    let place = place_of(ran.evaluator, |config| {
        Some(config.places.processors.get(at)?.filter)
    });
    let what = format!("filter of {}", destination.name);
    Some(explained(
        &case.evaluated.stored,
        what,
        place,
        Some(condition),
    ))
}

/// A rule of `rules`.
pub(super) fn rule(ran: &Ran<'_>, case: &Case, rule: usize) -> Decided {
    let place = place_of(ran.evaluator, |config| {
        config.places.rules.get(rule).copied()
    });
    let when = ran.evaluator.config().rules.get(rule);
    let when = when.and_then(|rule| rule.when.as_ref());
    explained(
        &case.evaluated.stored,
        format!("rule {}", rule + 1),
        place,
        when,
    )
}

/// A rule of the intake, which sees the record as those before it left it.
pub(super) fn intake(ran: &Ran<'_>, case: &Case, rule: usize) -> Option<Decided> {
    let of = ran.evaluator.config().intake.get(rule)?;
    let seen = ran.evaluator.before_intake(&case.batch, rule)?;
    let place = place_of(ran.evaluator, |config| {
        config.places.intake.get(rule).copied()
    });
    Some(explained(
        &seen,
        format!("intake rule {}", of.name),
        place,
        of.when.as_ref(),
    ))
}

/// Why the intake dropped a record.
pub(super) fn dropped(ran: &Ran<'_>, case: &Case) -> Why {
    match case.evaluated.fate {
        Fate::Dropped(rule) => {
            let name = rule_name(ran.evaluator.config(), rule);
            let decided = intake(ran, case, rule).into_iter().collect();
            sentence(format!("intake rule {name} drops it"), decided)
        }
        Fate::LeftOut => sentence(
            "it does not fit into a batch as the intake changed it",
            Vec::new(),
        ),
        Fate::Stored => sentence("no rule of the intake drops it", Vec::new()),
    }
}

/// Why rules of the intake did not drop a record.
pub(super) fn not_dropped(ran: &Ran<'_>, case: &Case, rules: &[usize]) -> Why {
    let config = ran.evaluator.config();
    let matched = rules
        .iter()
        .find(|rule| case.evaluated.intake.contains(rule));
    let text = match matched {
        None if rules.is_empty() => "no rule of the intake drops or samples".to_owned(),
        None => "no rule of the intake that drops or samples matches".to_owned(),
        Some(rule) => {
            let name = rule_name(config, *rule);
            format!(
                "intake rule {name} matches and keeps it: its trace is in the share that is kept, or it ends a task \
                 whose begin is stored"
            )
        }
    };
    let decided = rules.iter().filter_map(|rule| intake(ran, case, *rule));
    sentence(text, decided.collect())
}

fn rule_name(config: &Config, rule: usize) -> &str {
    config
        .intake
        .get(rule)
        .map_or("", |rule| rule.name.as_str())
}

/// Which rules change what a processor gets, and which of them matched.
pub(super) fn changes(ran: &Ran<'_>, case: &Case, at: usize) -> Why {
    let destination = &ran.evaluator.destinations()[at];
    let config = ran.evaluator.config();
    let changing = |rule: &usize| {
        config
            .rules
            .get(*rule)
            .is_some_and(|rule| !rule.change.is_empty())
    };
    let rules = destination.rules.iter().copied().filter(changing);
    let decided: Vec<Decided> = rules.map(|rule| self::rule(ran, case, rule)).collect();
    let own = config
        .processors
        .get(at)
        .filter(|entry| !entry.change.is_empty());
    let text = match (own, decided.is_empty()) {
        (None, true) => format!("nothing changes what {} gets", destination.name),
        (None, false) => format!("these rules change what {} gets", destination.name),
        (Some(_), true) => format!("{} changes all that it gets", destination.name),
        (Some(_), false) => format!(
            "{} changes all that it gets, and these rules do",
            destination.name
        ),
    };
    sentence(text, decided)
}

/// Which rules of the intake change records, and which of them matched.
pub(super) fn intake_changes(ran: &Ran<'_>, case: &Case) -> Why {
    let rules = ran.evaluator.config().intake.iter().enumerate();
    let changing = rules.filter(|(_, rule)| match &rule.action {
        distlog_rules::Action::Drop => false,
        distlog_rules::Action::Keep { change, .. } => !change.is_empty(),
    });
    let decided: Vec<Decided> = changing
        .filter_map(|(at, _)| intake(ran, case, at))
        .collect();
    let text = match decided.is_empty() {
        true => "no rule of the intake changes records",
        false => "these rules of the intake change records",
    };
    sentence(text, decided)
}

fn explained(batch: &[u8], what: String, place: Place, condition: Option<&Condition>) -> Decided {
    let (matched, parts) = match condition {
        None => (true, Vec::new()),
        Some(condition) => {
            let explained = with_record(batch, |record| {
                (condition.matches(&record), condition.explain(&record))
            });
            explained.unwrap_or_default()
        }
    };
    Decided {
        what,
        line: place.line,
        column: place.column,
        condition: condition.map_or(String::new(), |condition| one_line(condition.text())),
        matched,
        parts: parts.into_iter().map(ShownPart::from).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
