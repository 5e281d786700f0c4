//! Runs the tests of a file: each record through the evaluator, then what is expected of it.

use std::collections::HashMap;

use super::case::{Case, Ran};
use super::check::{check, rule_number};
use super::coverage::Coverage;
use super::expect::DroppedBy;
use super::file::{Test, TestFile};
use super::result::{Failure, TestResult};
use crate::config::Config;
use crate::evaluate::{Evaluator, Route, batch_of};
use crate::yaml::{Fault, Faults, unknown};

/// Runs all tests of a file with a configuration, whose conditions that match are noted.
///
/// # Errors
/// Faults of the file that only show beside the configuration: names of processors and rules that it does not have.
pub(crate) fn run(
    file: &TestFile,
    config: &Config,
    coverage: &mut Coverage,
) -> Result<Vec<TestResult>, Faults> {
    let faults = unknown_names(file, config);
    if !faults.is_empty() {
        return Err(Faults::new(&file.name, &file.text, faults));
    }
    let results = file.tests.iter().map(|test| TestResult {
        name: test.name.clone(),
        file: file.name.clone(),
        line: test.place.line,
        config: coverage.config.clone(),
        failures: run_one(test, config, coverage),
    });
    Ok(results.collect())
}

fn run_one(test: &Test, config: &Config, coverage: &mut Coverage) -> Vec<Failure> {
    let mut evaluator = Evaluator::new(config, u64::MAX);
    let mut cases: Vec<Case> = Vec::with_capacity(test.records.len());
    let mut judged = HashMap::new();
    let take_judged =
        |evaluator: &mut Evaluator, judged: &mut HashMap<_, _>, coverage: &mut Coverage| {
            for (at, one) in evaluator.judged() {
                if one.matches {
                    coverage.note_tree(at);
                }
                judged.insert((at, one.trace), one);
            }
        };
    for given in &test.records {
        let batch = batch_of(&given.record);
        let evaluated = evaluator.take(batch.clone());
        coverage.note(&evaluated);
        take_judged(&mut evaluator, &mut judged, coverage);
        cases.push(Case {
            given: given.clone(),
            batch,
            evaluated,
            to: Vec::new(),
        });
    }
    evaluator.finish();
    take_judged(&mut evaluator, &mut judged, coverage);
    for case in &mut cases {
        let routes = case.evaluated.routes.iter().enumerate();
        let gets = |(at, route): (usize, &Route)| match route {
            Route::Sent => Some(at),
            Route::Waits(trace) => judged.get(&(at, *trace))?.passes.then_some(at),
            Route::Unrouted | Route::Filtered | Route::TreeDropped => None,
        };
        case.to = routes.filter_map(gets).collect();
    }
    let ran = Ran {
        evaluator: &evaluator,
        cases,
        judged,
    };
    check(test, &ran)
}

/// Names in expectations that the configuration does not have.
fn unknown_names(file: &TestFile, config: &Config) -> Vec<Fault> {
    let own = config.processors.iter().map(|entry| entry.name.as_str());
    let named = config.rules.iter().flat_map(|rule| &rule.to);
    let processors: Vec<&str> = own.chain(named.map(String::as_str)).collect();
    let rules: Vec<&str> = config
        .intake
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    let mut faults = Vec::new();
    for expect in file.tests.iter().flat_map(|test| &test.expect) {
        let at = expect.at.iter().map(|(name, _)| name);
        let names = expect.to.iter().flatten().chain(&expect.not_to).chain(at);
        for name in names.filter(|name| !processors.contains(&name.as_str())) {
            faults.push(expect.place.fault(unknown("processor", name, &processors)));
        }
        if let Some(DroppedBy::Rule(name)) = &expect.dropped
            && rule_number(config, name).is_none()
        {
            faults.push(
                expect
                    .place
                    .fault(unknown("rule of the intake", name, &rules)),
            );
        }
    }
    faults
}
