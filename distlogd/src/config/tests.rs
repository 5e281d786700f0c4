//! The configuration: what is read, and the faults that are reported.

mod documentation;
mod faults;
mod listening;
mod read;
mod rules;
#[cfg(feature = "otlp-export")]
mod sensitive;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, Config, Drain, Faults, StartAt, SyncPolicy};
use crate::processors::Kind;
use crate::worker::{Batch, Retry};
use distlog_rules::{Action, Target};

fn load(text: &str, file: &str) -> Result<Config, Faults> {
    config::load(text, file, &[])
}

/// `line:column` and message of every fault.
fn faults(text: &str) -> Vec<(String, String)> {
    let faults = load(text, "distlogd.yaml").expect_err("it should be refused");
    faults
        .faults
        .into_iter()
        .map(|fault| (format!("{}:{}", fault.line, fault.column), fault.message))
        .collect()
}

/// The one fault.
fn fault(text: &str) -> (String, String) {
    let mut faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}
