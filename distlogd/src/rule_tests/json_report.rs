//! How tests ended, for programs.

use serde::Serialize;
use serde_json::Value;

use super::coverage::{Coverage, Covered};
use super::result::{Failure, TestResult};

#[derive(Serialize)]
struct Report<'r> {
    passed: usize,
    failed: usize,
    tests: Vec<OneTest<'r>>,
    coverage: Vec<OneConfig<'r>>,
}

#[derive(Serialize)]
struct OneTest<'r> {
    name: &'r str,
    file: &'r str,
    line: usize,
    passed: bool,
    failures: &'r [Failure],
}

#[derive(Serialize)]
struct OneConfig<'r> {
    config: &'r str,
    matched: usize,
    conditions: &'r [Covered],
}

/// `{"passed": 3, "failed": 1, "tests": […], "coverage": […]}`
pub(crate) fn json_report(results: &[TestResult], coverage: &[Coverage]) -> Value {
    let passed = results.iter().filter(|result| result.passed()).count();
    let tests = results.iter().map(|result| OneTest {
        name: &result.name,
        file: &result.file,
        line: result.line,
        passed: result.passed(),
        failures: &result.failures,
    });
    let configs = coverage.iter().map(|coverage| OneConfig {
        config: &coverage.config,
        matched: coverage.counts().1,
        conditions: &coverage.conditions,
    });
    let report = Report {
        passed,
        failed: results.len() - passed,
        tests: tests.collect(),
        coverage: configs.collect(),
    };
    serde_json::to_value(report).unwrap_or_default()
}
