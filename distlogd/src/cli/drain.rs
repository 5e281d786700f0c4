//! Takes what dead processes left in spools, without running a daemon.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use distlog_spool::SpoolError;

use super::output::{log, tell};
use super::{FAILED, WRONG, check};
use crate::daemon::{Builder, hostname, options, sync};
use crate::drain::{Store as Into, TakeError, found};
use crate::heard::Heard;
use crate::intake;
use crate::losses::Losses;
use crate::own::Own;
use crate::tracker::{Needs, Tracker};
use crate::vital::Vital;
use distlog_store::{OpenError, Store};

/// Stores what is left in the directories, in the store of the configuration.
pub(super) fn drain(
    file: Option<&Path>,
    directories: &[PathBuf],
    add: impl FnOnce(Builder) -> Builder,
) -> u8 {
    log();
    let config = match check::load(file, &add(Builder::new()).names()) {
        Ok(config) => config,
        Err(faults) => {
            check::tell_faults(&faults);
            return WRONG;
        }
    };
    let store = match Store::open(&config.store.path, options(&config)) {
        Ok(store) => store,
        Err(error) => {
            tell!("distlogd: {error}");
            if matches!(error, OpenError::Locked { .. }) {
                tell!(
                    "A running daemon takes what is left in the directories of its configuration: drain: [DIR]"
                );
            }
            return FAILED;
        }
    };
    let reader = store.reader();
    let (intake, writer) = match intake::start(store, sync(&config), &Vital::default()) {
        Ok(started) => started,
        Err(error) => {
            tell!("distlogd: {error}");
            return FAILED;
        }
    };
    let heard = Arc::new(Heard::default());
    let into = Into {
        intake: intake.clone(),
        heard: Arc::clone(&heard),
        losses: Losses::default(),
        stop: Arc::default(),
    };
    let mut all = true;
    for directory in directories {
        all &= take(directory, &into);
    }
    // What the dead had begun and not ended is lost, and nobody else will know before long.
    let lost = Tracker::once(Needs {
        reader,
        heard,
        own: Arc::new(Own::new(intake, hostname())),
        lost_after: Duration::MAX,
        recent: Arc::default(),
        stop: Arc::default(),
    });
    if let Err(error) = lost {
        tell!("distlogd: {error}");
        all = false;
    }
    let lost = writer.close();
    if all && lost == 0 { 0 } else { FAILED }
}

/// Takes all spools of a directory. False if one was not taken.
fn take(directory: &Path, into: &Into) -> bool {
    let dead = match found(directory).and_then(|directory| Ok(directory.dead()?)) {
        Ok(dead) => dead,
        Err(error) => {
            tell!("distlogd: {error}");
            return false;
        }
    };
    let (mut all, mut none) = (true, true);
    for spool in dead {
        none = false;
        let taken = match spool {
            // Somebody else was faster.
            Err(SpoolError::Removed { .. }) => continue,
            Err(error) => Err(TakeError::from(error)),
            Ok(dead) => into.take(dead),
        };
        match taken {
            Ok(taken) => all &= say(&taken),
            Err(error) => {
                tell!("distlogd: {error}");
                all = false;
            }
        }
    }
    if none {
        all &= say(&format_args!(
            "{}: no dead process left anything",
            directory.display()
        ));
    }
    all
}

fn say(line: &dyn std::fmt::Display) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}
