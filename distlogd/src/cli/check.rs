//! Checks a configuration, and prints its schema.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use super::output::tell;
use super::{FAILED, WRONG};
use crate::config::{self, Config};
use crate::daemon::Builder;

/// The configuration of a file, or the one that holds without; what is wrong with it as text.
pub(super) fn load(file: Option<&Path>, builder: &Builder) -> Result<Config, String> {
    let Some(file) = file else {
        return Ok(Config::default());
    };
    read(file, &builder.names())
}

/// Reads the file again, whose rules may name the same registered processors as before.
pub(super) fn reread(
    file: &Path,
    builder: &Builder,
) -> impl Fn() -> Result<Config, String> + Send + Sync + use<> {
    let file = file.to_owned();
    let names = builder.names().into_iter().map(ToOwned::to_owned);
    let names: Vec<String> = names.collect();
    move || read(&file, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn read(file: &Path, registered: &[&str]) -> Result<Config, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("distlogd: cannot read {}: {error}", file.display()))?;
    let config = config::load(&text, &file.display().to_string(), registered)
        .map_err(|faults| faults.to_string())?;
    for warning in &config.warnings {
        tell!(
            "{}:{}:{}: warning: {}",
            file.display(),
            warning.line,
            warning.column,
            warning.message
        );
    }
    Ok(config)
}

/// Prints what is wrong, each fault at the beginning of a line, where editors look for it.
pub(super) fn tell_faults(faults: &str) {
    faults.lines().for_each(|line| tell!("{line}"));
}

pub(super) fn check(file: &Path, add: impl FnOnce(Builder) -> Builder) -> u8 {
    match load(Some(file), &add(Builder::new())) {
        Ok(config) => print(&config),
        Err(faults) => {
            tell_faults(&faults);
            WRONG
        }
    }
}

/// The JSON Schema of the configuration.
pub(super) fn schema() -> u8 {
    print(&format_args!("{:#}\n", config::schema().as_value()))
}

fn print(text: &dyn Display) -> u8 {
    match write!(std::io::stdout(), "{text}") {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}
