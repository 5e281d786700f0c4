//! `distlogd test`: rules are tested against a configuration, without a daemon.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::tell;
use super::{FAILED, WRONG, check};
use crate::config::Config;
use crate::daemon::Builder;
use crate::rule_tests::{self, Coverage, TestResult};

const EXAMPLES: &str = "\
Examples:
  distlogd test tests/*.yaml                    with the configuration that each file names, or distlogd.yaml
  distlogd test --config new.yaml rules.yaml    the same tests with another configuration
  distlogd test --coverage tests/*.yaml         also: every condition must match a record of some test
  distlogd test --json tests/*.yaml             for programs

docs/rule-tests.md says how tests are written.

Exit codes: 0 all passed, 1 one failed (with --coverage: or a condition never matched), 2 a test file or a \
configuration is faulty.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// Files of tests, in YAML.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration, for all files whatever they say. Without it each file's own, else distlogd.yaml.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Fail if a condition of a configuration never matches, and show how often each does.
    #[arg(long)]
    coverage: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The configuration of a file that names none.
const DEFAULT: &str = "distlogd.yaml";

/// What ran with one configuration.
struct Configured {
    config: Config,
    coverage: Coverage,
}

pub(super) fn test(args: &TestArgs, add: impl FnOnce(Builder) -> Builder) -> u8 {
    let builder = add(Builder::new());
    let mut configs: Vec<(PathBuf, Option<Configured>)> = Vec::new();
    let (mut results, mut faulty) = (Vec::new(), false);
    for path in &args.files {
        let Some(file) = read(path) else {
            faulty = true;
            continue;
        };
        let named = args.config.as_ref().or(file.config.as_ref());
        let config = named.cloned().unwrap_or_else(|| DEFAULT.into());
        let at = match configs.iter().position(|(known, _)| *known == config) {
            Some(at) => at,
            None => {
                let loaded = load(&config, &builder);
                configs.push((config, loaded));
                configs.len() - 1
            }
        };
        let Some(configured) = &mut configs[at].1 else {
            faulty = true;
            continue;
        };
        let Configured { config, coverage } = configured;
        match rule_tests::run(&file, config, coverage) {
            Ok(mut ran) => results.append(&mut ran),
            Err(faults) => {
                check::tell_faults(&faults.to_string());
                faulty = true;
            }
        }
    }
    let configs = configs.into_iter().filter_map(|(_, configured)| configured);
    let coverage: Vec<Coverage> = configs.map(|configured| configured.coverage).collect();
    if faulty && results.is_empty() {
        return WRONG;
    }
    if print(args, &results, &coverage).is_err() {
        return FAILED;
    }
    let covered = !args.coverage || coverage.iter().all(Coverage::is_full);
    match (faulty, covered && results.iter().all(TestResult::passed)) {
        (true, _) => WRONG,
        (false, true) => 0,
        (false, false) => FAILED,
    }
}

/// `None`: what is wrong was said.
fn read(path: &Path) -> Option<rule_tests::TestFile> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            tell!("distlogd: cannot read {}: {error}", path.display());
            return None;
        }
    };
    let file = rule_tests::read(path, &text);
    file.map_err(|faults| check::tell_faults(&faults.to_string()))
        .ok()
}

fn load(path: &Path, builder: &Builder) -> Option<Configured> {
    match check::load(Some(path), builder) {
        Ok(config) => Some(Configured {
            coverage: Coverage::new(&config, &path.display().to_string()),
            config,
        }),
        Err(faults) => {
            check::tell_faults(&faults);
            None
        }
    }
}

fn print(args: &TestArgs, results: &[TestResult], coverage: &[Coverage]) -> std::io::Result<()> {
    let mut out = String::new();
    if args.json {
        out = format!("{:#}\n", rule_tests::json_report(results, coverage));
    } else {
        for result in results {
            rule_tests::put_result(&mut out, result);
        }
        let failed = results.iter().filter(|result| !result.passed()).count();
        out.push_str(&format!(
            "\n{} passed, {failed} failed\n",
            results.len() - failed
        ));
        for one in coverage {
            rule_tests::put_coverage(&mut out, one, args.coverage);
        }
    }
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()
}
