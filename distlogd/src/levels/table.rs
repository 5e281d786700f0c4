//! What was set, and which processes apply it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use distlog_proto::levels::{Directives, Level};
use distlog_proto::session::{FIRST_LEVELS, LevelSet, Levels, NO_FILTER, TaskLevel};
use distlog_proto::{ProducerId, TaskId};

use super::entry::{Entry, Scope, Wanted};
use super::file::{LevelFile, producer};
use super::shown::{LevelOverride, LevelProcess, LevelsShown};
use crate::access::Services;
use crate::intake::now;
use crate::self_telemetry::ProducerInfo;

/// Levels that may be set at once, of services and processes.
const MAX_SET: usize = 1000;
/// Tasks that may have levels at once: each process looks for a task among all of them.
const MAX_TASKS: usize = 64;
/// Tasks and services that rules may raise at once, besides.
const MAX_RAISED: usize = 32;
/// Processes that are known at most.
const MAX_PROCESSES: usize = 1 << 16;

/// Why levels are not set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// There are too many.
    #[error("{0} are set already: take some back (`distlogd level --off`), or wait until they end")]
    TooMany(String),
    /// No such process is connected.
    #[error("{0}")]
    NotConnected(String),
    /// It is not clear which process is meant.
    #[error("{0}")]
    Several(String),
    /// They cannot be kept.
    #[error("the levels cannot be written to the store: {0}; nothing was changed")]
    File(#[from] std::io::Error),
}

/// What became of levels that a rule raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// They are set.
    Set,
    /// They are set already, or people set others.
    Known,
    /// As much is raised as may be.
    Full,
}

/// Levels of running programs.
pub struct LevelTable {
    state: Mutex<State>,
    /// Another one after each change; programs say which they apply.
    version: AtomicU64,
    /// Held by whoever changes what is set, so that nobody else waits for the disk.
    file: Mutex<LevelFile>,
}

struct State {
    /// By service, as the configuration has them.
    configured: Vec<(String, Directives)>,
    /// In the order in which they were set.
    set: Vec<Entry>,
    processes: HashMap<ProducerId, Process>,
}

/// A program that is connected.
struct Process {
    info: ProducerInfo,
    /// What its last ping said of levels.
    said: u64,
}

impl State {
    /// What is set for a process, the weakest first, and how long it lasts from now on; 0: without an end.
    fn sets_of(&self, id: ProducerId, service: &str, now: u64) -> Vec<(&Directives, u64)> {
        let configured = self.configured.iter();
        let mut sets: Vec<(&Directives, u64)> = configured
            .filter(|(name, _)| name == service)
            .map(|(_, directives)| (directives, 0))
            .collect();
        let mut of = |is_meant: &dyn Fn(&Scope) -> bool| {
            for entry in self.set.iter().filter(|entry| entry.until > now) {
                match &entry.wanted {
                    Wanted::Directives(scope, directives) if is_meant(scope) => {
                        sets.push((directives, entry.until - now));
                    }
                    _ => {}
                }
            }
        };
        of(&|scope| matches!(scope, Scope::Service(name) if name == service));
        // What is said of one process is nearer than what is said of all of them.
        of(&|scope| *scope == Scope::Process(id));
        sets
    }

    fn tasks(&self, now: u64) -> impl Iterator<Item = (&TaskId, Level, u64)> {
        let entries = self.set.iter().filter(move |entry| entry.until > now);
        entries.filter_map(move |entry| match &entry.wanted {
            Wanted::Task(task, level) => Some((task, *level, entry.until - now)),
            Wanted::Directives(..) => None,
        })
    }
}

impl LevelTable {
    /// What was set before, from the directory of the store, and what the configuration has.
    pub fn open(dir: &Path, configured: &[(String, Directives)]) -> LevelTable {
        let file = LevelFile::new(dir);
        let mut set = file.read();
        set.retain(|entry| entry.until > now());
        LevelTable {
            state: Mutex::new(State {
                configured: configured.to_vec(),
                set,
                processes: HashMap::new(),
            }),
            version: AtomicU64::new(FIRST_LEVELS),
            file: Mutex::new(file),
        }
    }

    /// The version of what is set now.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Processes are told. With the state held: they read it after the version.
    fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Another configuration holds.
    pub fn configure(&self, configured: &[(String, Directives)]) {
        let mut state = self.lock();
        if state.configured != configured {
            state.configured = configured.to_vec();
            self.changed();
        }
    }

    /// Sets levels for so long; they stand in for those of the same service, process or task.
    ///
    /// # Errors
    /// If too many are set, or they cannot be kept. Nothing is changed then.
    pub fn set(&self, wanted: Wanted, lasts: Duration) -> Result<(), SetError> {
        let scope = wanted.scope();
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        let mut set = self.set_at(now);
        set.retain(|entry| entry.wanted.scope() != scope);
        let is_task = |entry: &&Entry| matches!(entry.wanted, Wanted::Task(..));
        let by_people = || set.iter().filter(|entry| entry.by.is_none());
        let tasks = by_people().filter(is_task).count();
        let others = by_people().count() - tasks;
        if matches!(scope, Scope::Task(_)) {
            if tasks >= MAX_TASKS {
                return Err(SetError::TooMany(format!("levels of {MAX_TASKS} tasks")));
            }
        } else if others >= MAX_SET {
            let what = format!("levels of {MAX_SET} services and processes");
            return Err(SetError::TooMany(what));
        }
        let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        let until = now.saturating_add(lasts);
        let by = None;
        set.push(Entry { wanted, until, by });
        self.put(&file, set)
    }

    /// Sets levels for so long, as a rule of the processor `by` wants. Programs hear of it once in half that time at
    /// most, and what people set stays. It is not kept over a restart.
    pub fn raise(&self, by: &str, wanted: Wanted, lasts: Duration) -> Raised {
        let scope = wanted.scope();
        let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        // Whoever sets others at this moment replaces all.
        let _file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        let mut state = self.lock();
        state.set.retain(|entry| entry.until > now);
        let known = |entry: &Entry| entry.wanted.scope() == scope;
        if let Some(before) = state.set.iter().find(|entry| known(entry)) {
            let is_young = before.wanted == wanted && before.until - now > lasts / 2;
            if before.by.as_deref() != Some(by) || is_young {
                return Raised::Known;
            }
        }
        state.set.retain(|entry| !known(entry));
        let raised = state.set.iter().filter(|entry| entry.by.is_some());
        if raised.count() >= MAX_RAISED {
            return Raised::Full;
        }
        let until = now.saturating_add(lasts);
        let by = Some(by.to_owned());
        state.set.push(Entry { wanted, until, by });
        self.changed();
        Raised::Set
    }

    /// Takes levels back; `false` if none were set. `None`: all that people set.
    ///
    /// # Errors
    /// If that cannot be kept. Nothing is changed then.
    pub fn clear(&self, scope: Option<&Scope>) -> Result<bool, SetError> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = self.set_at(now());
        let before = left.len();
        left.retain(|entry| scope.is_some_and(|scope| entry.wanted.scope() != *scope));
        if left.len() == before {
            return Ok(false);
        }
        self.put(&file, left)?;
        Ok(true)
    }

    /// What is set and not over.
    fn set_at(&self, now: u64) -> Vec<Entry> {
        let state = self.lock();
        let set = state.set.iter().filter(|entry| entry.until > now);
        set.cloned().collect()
    }

    fn put(&self, file: &LevelFile, set: Vec<Entry>) -> Result<(), SetError> {
        file.write(&set)?;
        let mut state = self.lock();
        state.set = set;
        self.changed();
        Ok(())
    }

    /// What a process is to be told.
    pub(crate) fn levels_for(
        &self,
        session: u64,
        id: ProducerId,
        service: &str,
    ) -> Levels<'static> {
        let now = now();
        let state = self.lock();
        let sets = state.sets_of(id, service, now).into_iter();
        let sets = sets.map(|(directives, left)| LevelSet {
            directives: directives.to_string().into(),
            left,
        });
        let tasks = state.tasks(now).map(|(task, level, left)| TaskLevel {
            task: task.to_string().into(),
            level,
            left,
        });
        Levels {
            session,
            version: self.version(),
            sets: sets.collect(),
            tasks: tasks.collect(),
        }
    }

    /// A process is connected, and its last ping said this of levels.
    pub(crate) fn note(&self, id: ProducerId, info: &ProducerInfo, said: u64) {
        let mut state = self.lock();
        if let Some(process) = state.processes.get_mut(&id) {
            process.said = said;
        } else if state.processes.len() < MAX_PROCESSES {
            let info = info.clone();
            state.processes.insert(id, Process { info, said });
        }
    }

    /// A process is not connected any more.
    pub(crate) fn forget(&self, id: ProducerId) {
        self.lock().processes.remove(&id);
    }

    /// The process that is meant: by its id as a producer, or by its process id, perhaps of a service.
    ///
    /// # Errors
    /// If none is connected, or several could be meant.
    pub fn process(&self, text: &str, service: Option<&str>) -> Result<ProducerId, SetError> {
        let state = self.lock();
        let of_service =
            |process: &Process| service.is_none_or(|name| process.info.service == name);
        let (id, number) = (producer(text), text.trim().parse::<u64>().ok());
        let mut meant: Vec<(&ProducerId, &Process)> = state
            .processes
            .iter()
            .filter(|(known, process)| {
                let named = id.map_or_else(
                    || number == Some(process.info.process_id),
                    |id| id == **known,
                );
                named && of_service(process)
            })
            .collect();
        meant.sort_by(|(_, a), (_, b)| a.info.host.cmp(&b.info.host));
        match meant[..] {
            [(id, _)] => Ok(*id),
            [] => {
                let of =
                    service.map_or_else(String::new, |name| format!(" of the service `{name}`"));
                Err(SetError::NotConnected(format!(
                    "no process `{text}`{of} is connected by a session: `distlogd level` lists those that are"
                )))
            }
            _ => {
                let all: Vec<String> = meant
                    .iter()
                    .map(|(id, process)| format!("{id} on {}", process.info.host))
                    .collect();
                Err(SetError::Several(format!(
                    "{} processes have that id: name one by its producer, {}",
                    all.len(),
                    all.join(", ")
                )))
            }
        }
    }

    /// What is set and who applies it; of these services alone, if some are given.
    pub(crate) fn shown(&self, only: Option<&Services>) -> LevelsShown {
        let (now, version) = (now(), self.version());
        let state = self.lock();
        let shows = |service: &str| only.is_none_or(|only| only.have(service, service));
        let counted = |of: &dyn Fn(&ProducerId, &Process) -> bool, shown: LevelOverride| {
            let processes = state.processes.iter().filter(|(id, one)| of(id, one));
            processes.fold(shown, |mut shown, (_, process)| {
                shown.processes += 1;
                shown.applied += usize::from(process.said == version);
                shown.without_filter += usize::from(process.said == NO_FILTER);
                shown
            })
        };
        let empty = |levels: String, until_ns: Option<u64>| LevelOverride {
            service: None,
            producer: None,
            task: None,
            levels,
            by: None,
            until_ns,
            processes: 0,
            applied: 0,
            without_filter: 0,
        };
        let of_service = |name: &str, shown: LevelOverride| {
            let shown = LevelOverride {
                service: Some(name.to_owned()),
                ..shown
            };
            counted(&|_, process| process.info.service == name, shown)
        };
        let configured = state.configured.iter().filter(|(name, _)| shows(name));
        let mut overrides: Vec<LevelOverride> = configured
            .map(|(name, directives)| of_service(name, empty(directives.to_string(), None)))
            .collect();
        for entry in state.set.iter().filter(|entry| entry.until > now) {
            let shown = LevelOverride {
                by: entry.by.clone(),
                ..empty(entry.wanted.text(), Some(entry.until))
            };
            match entry.wanted.scope() {
                Scope::Service(name) if shows(&name) => overrides.push(of_service(&name, shown)),
                Scope::Process(id) => {
                    let service = state.processes.get(&id).map(|one| one.info.service.clone());
                    if only.is_none() || service.as_deref().is_some_and(shows) {
                        let shown = LevelOverride {
                            service,
                            producer: Some(id.to_string()),
                            ..shown
                        };
                        overrides.push(counted(&|known, _| *known == id, shown));
                    }
                }
                // A task may cross all services.
                Scope::Task(task) if only.is_none() => {
                    let shown = LevelOverride {
                        task: Some(task.to_string()),
                        ..shown
                    };
                    overrides.push(counted(&|_, _| true, shown));
                }
                _ => {}
            }
        }
        let mut processes: Vec<LevelProcess> = state
            .processes
            .iter()
            .filter(|(_, process)| shows(&process.info.service))
            .map(|(id, process)| {
                let sets = state.sets_of(*id, &process.info.service, now).into_iter();
                let sets: Vec<String> = sets.map(|(set, _)| set.to_string()).collect();
                LevelProcess {
                    producer: id.to_string(),
                    service: process.info.service.clone(),
                    host: process.info.host.clone(),
                    process_id: process.info.process_id,
                    has_filter: process.said != NO_FILTER,
                    applied: process.said == version,
                    levels: sets.join(","),
                }
            })
            .collect();
        processes.sort_by(|a, b| {
            let key = |one: &LevelProcess| (one.service.clone(), one.host.clone(), one.process_id);
            key(a).cmp(&key(b))
        });
        LevelsShown {
            overrides,
            processes,
        }
    }
}

impl std::fmt::Debug for LevelTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LevelTable")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
