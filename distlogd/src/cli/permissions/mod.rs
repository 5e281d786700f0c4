//! Says what of the daemon's files others can read or change (`--check-permissions`).
//!
//! Here is what is looked at; `judge.rs` looks at one path and the directories on the way to it.

mod judge;

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::output::tell;
use super::{FAILED, WRONG, check};
use crate::config::{Config, Drain};
use crate::daemon::Builder;
use crate::processors::Kind;
use judge::{Access, Judge};

/// Looks at what a configuration names, as far as it is there.
pub(super) fn check_permissions(file: Option<&Path>, add: impl FnOnce(Builder) -> Builder) -> u8 {
    let config = match check::load(file, &add(Builder::new())) {
        Ok(config) => config,
        Err(faults) => {
            check::tell_faults(&faults);
            return WRONG;
        }
    };
    // Root looks at the files of the user that the daemon runs as.
    let owner = fs::metadata(&config.store.path).map(|store| store.uid());
    let mut judge = Judge::new(owner.ok());
    look(&mut judge, file, &config);
    for fault in judge.faults() {
        tell!("distlogd: {fault}");
    }
    if !judge.faults().is_empty() {
        return FAILED;
    }
    let count = judge.count();
    let said = writeln!(
        std::io::stdout(),
        "{count} files and directories: nobody else can read or change what is not for others"
    );
    if said.is_ok() { 0 } else { FAILED }
}

fn look(judge: &mut Judge, file: Option<&Path>, config: &Config) {
    if let Some(file) = file {
        let (what, access) = match config.sensitive.holds_secret {
            true => ("the configuration, which holds secrets", Access::Key),
            false => ("the configuration", Access::Readable),
        };
        judge.look_at(file, what, access);
    }
    judge.look_at(&config.store.path, "the store", Access::Private);
    for Drain { path, owners } in &config.drain {
        judge.look_at_of(path, "a directory of spools", Access::Private, owners);
    }
    for entry in &config.processors {
        match &entry.kind {
            Kind::File(file) => {
                judge.look_at(&file.path, "a file of records", Access::Mode(file.mode.0));
            }
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => {
                judge.look_at(&file.path, "a database of records", Access::Mode(0o600));
            }
            _ => {}
        }
    }
    for path in &config.sensitive.secrets {
        judge.look_at(path, "keys or tokens", Access::Key);
    }
    for path in &config.sensitive.trusted {
        judge.look_at(path, "says who is trusted", Access::Readable);
    }
}
