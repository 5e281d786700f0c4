//! What is counted apart, and the alert of each: quiet, pending (the condition holds, not yet for long enough), firing.
//!
//! Knows no clock and no record: times are handed to it, in ns of one clock, and never go back. So tests have time of
//! their own.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::count::Count;
use super::window::{Length, Window};

/// More values are not counted apart.
pub(super) const MAX_GROUPS: usize = 10_000;

/// When alerts fire and resolve; times in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) count: Count,
    pub(super) window: Length,
    /// The condition holds for so long before the alert fires.
    pub(super) hold: u64,
    /// It does not hold for so long before the alert resolves.
    pub(super) resolve_after: u64,
    /// A value of which nothing came for so long is forgotten; `None`: never.
    pub(super) forget_after: Option<u64>,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Quiet,
    /// The condition holds since then.
    Pending(u64),
    Firing {
        /// For people: the system's time when it fired.
        since: u64,
        /// The condition does not hold since then.
        calm: Option<u64>,
    },
}

/// The records of one value of `by`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    window: Window,
    state: State,
    /// When its first record came.
    first: u64,
    /// When its last record came.
    last: u64,
}

/// An alert fires or resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The values of `by`, as a JSON list.
    pub(super) key: String,
    pub(super) is_firing: bool,
    /// The system's time when it fired.
    pub(super) since: u64,
    /// Records within the window.
    pub(super) count: u64,
}

/// All groups of one processor.
#[derive(Debug)]
pub(super) struct Groups {
    rule: Rule,
    groups: HashMap<Box<str>, Group>,
    /// What is missing before this time is nothing to be alarmed about: nobody would have seen it.
    blind_until: u64,
    /// Whether a record came since the last look that may make an alert fire.
    crossed: bool,
}

/// Where a record was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Yes,
    /// It is older than the window.
    Late,
    /// There are too many groups.
    Ungrouped,
}

impl Groups {
    /// Groups that were saved, if they were. What is missing counts from `blind_until` on.
    pub(super) fn new(
        rule: Rule,
        saved: impl IntoIterator<Item = (Box<str>, Group)>,
        blind_until: u64,
    ) -> Groups {
        Groups {
            rule,
            groups: saved.into_iter().collect(),
            blind_until,
            crossed: false,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(key, group)| (&**key, group))
    }

    /// Records of a group within its window.
    pub(super) fn count(&self, key: &str) -> u64 {
        self.groups.get(key).map_or(0, |group| group.window.count())
    }

    pub(super) fn blind_until(&self) -> u64 {
        self.blind_until
    }

    /// A group that is there before any record is.
    pub(super) fn expect(&mut self, key: &str, at: u64) {
        if !self.groups.contains_key(key) {
            self.groups.insert(key.into(), Group::new(at));
        }
    }

    /// Whether a record that came since the last look may make an alert fire.
    pub(super) fn crossed(&self) -> bool {
        self.crossed
    }

    /// Counts a record. `at` is now.
    pub(super) fn record(&mut self, key: &str, time: u64, at: u64) -> Counted {
        let Rule { window, count, .. } = self.rule;
        if !window.holds(time, at) {
            return Counted::Late;
        }
        let is_full = self.groups.len() >= MAX_GROUPS;
        let group = match self.groups.get_mut(key) {
            Some(group) => group,
            None if is_full => return Counted::Ungrouped,
            None => (self.groups.entry(key.into())).or_insert_with(|| Group::new(at)),
        };
        group.window.add(window, time);
        group.last = group.last.max(at);
        // Whether what slides out of the window is still counted does not matter: it is looked at again.
        self.crossed |=
            group.state == State::Quiet && !count.is_below() && count.holds(group.window.count());
        Counted::Yes
    }

    /// Time has passed: says which alerts fire and which resolve. `system` is what people take for now.
    pub(super) fn look(&mut self, at: u64, system: u64, changed: &mut dyn FnMut(Change)) {
        let (rule, blind_until) = (self.rule, self.blind_until);
        self.crossed = false;
        self.groups.retain(|key, group| {
            group.window.slide(rule.window, at);
            let count = group.window.count();
            let seen = group.first.saturating_add(rule.window.nanos());
            let holds = rule.count.holds(count);
            let is_unknown = holds && rule.count.is_below() && at < seen.max(blind_until);
            let is_forgotten = |after: u64| at >= group.last.saturating_add(after);
            let is_forgotten = rule.forget_after.is_some_and(is_forgotten);
            let before = group.state;
            group.state = match (is_forgotten, is_unknown) {
                (true, _) => State::Quiet,
                (false, true) => before,
                (false, false) => rule.next(before, holds, at, system),
            };
            let since = match (before.since(), group.state.since()) {
                (None, Some(since)) | (Some(since), None) => Some(since),
                _ => None,
            };
            if let Some(since) = since {
                changed(Change {
                    key: (**key).to_owned(),
                    is_firing: group.state.since().is_some(),
                    since,
                    count,
                });
            }
            let is_empty = !rule.count.is_below() && count == 0 && group.state == State::Quiet;
            !is_forgotten && !is_empty
        });
    }
}

impl Rule {
    /// What follows on a state, now that the condition holds or does not.
    fn next(&self, state: State, holds: bool, at: u64, system: u64) -> State {
        let lasted = |begun: u64, long: u64| at.saturating_sub(begun) >= long;
        match (state, holds) {
            (State::Quiet | State::Pending(_), false) => State::Quiet,
            (State::Quiet, true) if self.hold > 0 => State::Pending(at),
            (State::Pending(begun), true) if !lasted(begun, self.hold) => state,
            (State::Quiet | State::Pending(_), true) => State::Firing {
                since: system,
                calm: None,
            },
            (State::Firing { since, .. }, true) => State::Firing { since, calm: None },
            (State::Firing { since, calm }, false) => match calm.unwrap_or(at) {
                begun if lasted(begun, self.resolve_after) => State::Quiet,
                begun => State::Firing {
                    since,
                    calm: Some(begun),
                },
            },
        }
    }
}

impl State {
    /// When it fired, if it fires.
    pub(super) fn since(self) -> Option<u64> {
        match self {
            State::Firing { since, .. } => Some(since),
            _ => None,
        }
    }
}

impl Group {
    fn new(at: u64) -> Group {
        Group {
            window: Window::default(),
            state: State::Quiet,
            first: at,
            last: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE: u64 = 60 * SECOND;

    fn rule(count: &str) -> Rule {
        Rule {
            count: Count::of(count),
            window: Length::new(5 * MINUTE),
            hold: 0,
            resolve_after: 0,
            forget_after: None,
        }
    }

    fn look(groups: &mut Groups, at: u64) -> Vec<(String, bool, u64)> {
        let mut changes = Vec::new();
        groups.look(at, at, &mut |change| {
            changes.push((change.key, change.is_firing, change.count));
        });
        changes
    }

    #[test]
    fn the_eleventh_record_within_five_minutes_fires_and_each_value_by_itself() {
        let mut groups = Groups::new(rule("> 10"), [], 0);
        let begin = 1000 * MINUTE;
        for n in 0..10 {
            assert_eq!(groups.record("a", begin + n, begin + n), Counted::Yes);
            assert_eq!(groups.record("b", begin + n, begin + n), Counted::Yes);
        }
        assert!(!groups.crossed());
        assert_eq!(look(&mut groups, begin + 10), []);
        groups.record("a", begin + 4 * MINUTE, begin + 4 * MINUTE);
        assert!(groups.crossed());
        let at = begin + 4 * MINUTE;
        assert_eq!(look(&mut groups, at), [("a".into(), true, 11)]);
        assert_eq!(look(&mut groups, at), [], "it is said once");
        let at = begin + 5 * MINUTE;
        assert_eq!(look(&mut groups, at), [("a".into(), false, 1)]);
        assert_eq!(groups.iter().count(), 1, "b is forgotten");
        look(&mut groups, begin + 9 * MINUTE);
        assert_eq!(groups.iter().count(), 0);
    }

    #[test]
    fn what_is_long_over_when_it_comes_does_not_fire() {
        let mut groups = Groups::new(rule("> 10"), [], 0);
        let now = 1000 * MINUTE;
        for n in 0..100 {
            let counted = groups.record("[]", now - 30 * MINUTE + n, now);
            assert_eq!(counted, Counted::Late);
        }
        assert_eq!(look(&mut groups, now), []);
    }

    #[test]
    fn a_condition_holds_for_a_time_before_it_fires_and_not_for_a_time_before_it_resolves() {
        let mut groups = Groups::new(
            Rule {
                hold: 2 * MINUTE,
                resolve_after: 3 * MINUTE,
                ..rule("> 0")
            },
            [],
            0,
        );
        let begin = 1000 * MINUTE;
        let mut said = BTreeMap::new();
        for second in 0..1200 {
            let at = begin + second * SECOND;
            // Records in the first minute, one at eight minutes and a half.
            if second < 60 || second == 510 {
                groups.record("[]", at, at);
            }
            for (_, is_firing, _) in look(&mut groups, at) {
                said.insert(second, is_firing);
            }
        }
        // The last one slides out after 810 s; three minutes later it resolves.
        let [(fired, true), (resolved, false)] = said.into_iter().collect::<Vec<_>>()[..] else {
            panic!("it fires and resolves once")
        };
        assert_eq!(fired, 120);
        assert!((985..=991).contains(&resolved), "{resolved}");
    }

    #[test]
    fn what_is_missing_fires_after_a_whole_window_and_not_while_nobody_would_have_seen_it() {
        let begin = 1000 * MINUTE;
        let mut groups = Groups::new(rule("< 1"), [], begin + 7 * MINUTE);
        groups.expect("[]", begin);
        assert_eq!(look(&mut groups, begin + 6 * MINUTE), []);
        let at = begin + 7 * MINUTE;
        assert_eq!(look(&mut groups, at), [("[]".into(), true, 0)]);
        groups.record("[]", at, at);
        assert_eq!(look(&mut groups, at), [("[]".into(), false, 1)]);
        assert_eq!(look(&mut groups, at + 4 * MINUTE), []);
        assert_eq!(look(&mut groups, at + 5 * MINUTE).len(), 1);
    }

    #[test]
    fn a_value_that_is_gone_for_good_is_forgotten_and_its_alert_resolves() {
        let mut groups = Groups::new(
            Rule {
                forget_after: Some(60 * MINUTE),
                ..rule("< 1")
            },
            [],
            0,
        );
        let begin = 1000 * MINUTE;
        groups.record("shop", begin, begin);
        let at = begin + 5 * MINUTE;
        assert_eq!(look(&mut groups, at), [("shop".into(), true, 0)]);
        let at = begin + 60 * MINUTE;
        assert_eq!(look(&mut groups, at), [("shop".into(), false, 0)]);
        assert_eq!(groups.iter().count(), 0);
    }

    #[test]
    fn there_are_not_more_groups_than_the_limit() {
        let mut groups = Groups::new(rule("> 0"), [], 0);
        for n in 0..MAX_GROUPS {
            assert_eq!(groups.record(&n.to_string(), MINUTE, MINUTE), Counted::Yes);
        }
        assert_eq!(
            groups.record("one more", MINUTE, MINUTE),
            Counted::Ungrouped
        );
        assert_eq!(groups.record("7", MINUTE, MINUTE), Counted::Yes);
        assert_eq!(look(&mut groups, MINUTE).len(), MAX_GROUPS);
    }

    /// Keeps every record and whether the condition held at each look, and works out from all of that whether the
    /// alert fires.
    #[derive(Default)]
    struct Oracle {
        times: Vec<u64>,
        held: Vec<(u64, bool)>,
    }

    impl Oracle {
        fn fires(&mut self, rule: &Rule, at: u64, blind_until: u64) -> bool {
            let slot = rule.window.nanos() / 60;
            let count = self
                .times
                .iter()
                .filter(|time| **time / slot + 60 > at / slot);
            let holds = rule.count.holds(count.count() as u64);
            if !(holds && rule.count.is_below() && at < blind_until) {
                self.held.push((at, holds));
            }
            // Runs of looks with the same answer; a run that lasts long enough decides, later ones over earlier ones.
            let mut fires = false;
            for run in self.held.chunk_by(|a, b| a.1 == b.1) {
                let lasted = run[run.len() - 1].0 - run[0].0;
                let is_long = match run[0].1 {
                    true => lasted >= rule.hold,
                    false => lasted >= rule.resolve_after,
                };
                if is_long {
                    fires = run[0].1;
                }
            }
            fires
        }
    }

    proptest! {
        #[test]
        fn it_fires_as_one_that_remembers_everything(
            count in prop_oneof![Just("> 3"), Just(">= 1"), Just("< 1"), Just("<= 2")],
            hold in 0_u64..100,
            resolve_after in 0_u64..100,
            blind in 0_u64..300,
            steps in proptest::collection::vec((0_u64..60, 0_u64..8, 0_u64..200), 1..120),
            restart in 0_usize..120,
        ) {
            let rule = Rule {
                count: Count::of(count),
                window: Length::new(120 * SECOND),
                hold: hold * SECOND,
                resolve_after: resolve_after * SECOND,
                forget_after: None,
            };
            let begin = 1000 * MINUTE;
            // The group is there from the begin, so that nobody is blind for a window after its first record.
            let blind_until = begin + (blind * SECOND).max(120 * SECOND);
            let mut groups = Groups::new(rule, [], blind_until);
            groups.expect("[]", begin);
            let (mut oracle, mut fires, mut at) = (Oracle::default(), false, begin);
            for (n, (step, records, age)) in steps.into_iter().enumerate() {
                at += step * SECOND;
                for _ in 0..records {
                    let time = at - age * SECOND;
                    groups.record("[]", time, at);
                    oracle.times.push(time);
                }
                if n == restart {
                    // As it comes out of what was saved.
                    let saved = groups.iter().map(|(key, group)| (key.into(), group.clone()));
                    groups = Groups::new(rule, saved.collect::<Vec<_>>(), blind_until);
                }
                for (_, is_firing, _) in look(&mut groups, at) {
                    prop_assert_ne!(is_firing, fires, "said twice");
                    fires = is_firing;
                }
                prop_assert_eq!(fires, oracle.fires(&rule, at, blind_until));
                // One that is removed when it is empty is there again from now on.
                if !rule.count.is_below() {
                    groups.expect("[]", begin);
                }
            }
        }
    }
}
