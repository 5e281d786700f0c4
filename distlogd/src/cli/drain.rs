//! Takes what dead processes left in spools, without running a daemon.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use distlog_spool::SpoolError;

use super::output::{log, tell};
use super::{FAILED, WRONG, check};
use crate::config::Drain;
use crate::daemon::{Builder, options};
use crate::deletions::Deletions;
use crate::host::hostname;
use crate::intake::{self, CurrentRules};
use crate::liveness::Liveness;
use crate::receivers::dead_spools::{ImportError, SpoolImporter, open_directory};
use crate::self_telemetry::{Metrics, OwnRecords, ProducerDrops};
use crate::shutdown::Shutdown;
use crate::supervisor::Supervisor;
use crate::tracker::{LostAfter, Needs, Tracker};
use distlog_store::{OpenError, Store};

/// Stores what is left in the directories, in the store of the configuration.
pub(super) fn drain(
    file: Option<&Path>,
    directories: &[PathBuf],
    owners: &[u32],
    add: impl FnOnce(Builder) -> Builder,
) -> u8 {
    log();
    let config = match check::load(file, &add(Builder::new())) {
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
    // What is deleted must not come back in the ends of tasks.
    if let Err(error) = Deletions::open(reader.clone(), store.eraser()) {
        tell!("distlogd: {error}");
        return FAILED;
    }
    let (intake, writer) = match intake::start(store, config.store.sync, &Supervisor::default()) {
        Ok(started) => started,
        Err(error) => {
            tell!("distlogd: {error}");
            return FAILED;
        }
    };
    let (liveness, metrics) = (Arc::new(Liveness::default()), Metrics::default());
    let rules = CurrentRules::new(&config.intake, &metrics);
    let importer = SpoolImporter {
        intake: intake.with_rules(rules),
        liveness: Arc::clone(&liveness),
        drops: ProducerDrops::new(metrics.clone()),
        shutdown: Shutdown::default(),
    };
    let mut all = true;
    for directory in directories {
        let drain = Drain {
            path: directory.clone(),
            owners: owners.to_vec(),
        };
        all &= drain_directory(&drain, &importer);
    }
    // What the dead had begun and not ended is lost, and nobody else will know before long.
    let lost = Tracker::once(Needs {
        reader,
        liveness,
        own_records: Arc::new(OwnRecords::new(intake, hostname())),
        lost_after: LostAfter::new(Duration::MAX),
        producers: Arc::default(),
        metrics,
        shutdown: Shutdown::default(),
    });
    if let Err(error) = lost {
        tell!("distlogd: {error}");
        all = false;
    }
    let lost = writer.close();
    if all && lost == 0 { 0 } else { FAILED }
}

/// Takes all spools of a directory. False if one was not taken.
fn drain_directory(directory: &Drain, importer: &SpoolImporter) -> bool {
    let dead = match open_directory(directory).and_then(|directory| Ok(directory.dead()?)) {
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
            Err(error) => Err(ImportError::from(error)),
            Ok(dead) => importer.import(dead),
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
            directory.path.display()
        ));
    }
    all
}

fn say(line: &dyn std::fmt::Display) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}
