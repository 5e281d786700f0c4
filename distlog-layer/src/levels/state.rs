//! What was said about levels, by whom and for how long.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, TryLockError};
use std::time::{Duration, Instant};

use distlog_client::LevelsSink;
use distlog_proto::TaskId;
use distlog_proto::levels::{Directives, Level};
use distlog_proto::session::Levels;
use tracing_core::dispatcher::{WeakDispatch, with_default};
use tracing_core::{Dispatch, LevelFilter, callsite};

use super::raise::Raise;
use super::table::{Table, filter};

/// Callsites are ready for tasks that callers raise for so long after the last one ended: others may follow, and to
/// ask all callsites again costs.
const QUIET: Duration = Duration::from_secs(5);
/// Who finds a lock taken tries it so often.
const TRIES: usize = 10_000;

/// The levels of a program: those that it was started with, and what changes them.
#[derive(Default)]
pub(crate) struct LevelState {
    /// What callers look at. Never taken for longer than it takes to exchange it.
    table: RwLock<Option<Table>>,
    said: Mutex<Said>,
    /// Something that was said has an end.
    may_end: AtomicBool,
    /// There is a filter.
    has_filter: AtomicBool,
    /// Tasks that callers raised and that are open.
    open: Arc<AtomicUsize>,
    /// Of the subscriber that has the layer.
    dispatch: OnceLock<WeakDispatch>,
}

/// Who said what.
#[derive(Default)]
struct Said {
    /// The program.
    base: Directives,
    /// The daemon.
    sets: Vec<(Directives, Option<Instant>)>,
    tasks: Vec<(TaskId, Level, Option<Instant>)>,
    /// Callers: the highest level, and until when callsites are ready for it at least.
    callers: Option<(Level, Instant)>,
}

impl Said {
    fn table(&self) -> Table {
        let sets = self.sets.iter().map(|(set, _)| set);
        let tasks = self.tasks.iter();
        let tasks = tasks.map(|(task, level, _)| (task.clone(), *level));
        let callers = self.callers.map_or(Level::Off, |(level, _)| level);
        Table::new(
            std::iter::once(&self.base).chain(sets),
            tasks.collect(),
            callers,
        )
    }

    fn has_ends(&self) -> bool {
        self.callers.is_some()
            || self.sets.iter().any(|(_, end)| end.is_some())
            || self.tasks.iter().any(|(.., end)| end.is_some())
    }
}

impl LevelState {
    /// A subscriber has the layer.
    pub(crate) fn set_dispatch(&self, dispatch: WeakDispatch) {
        let _ = self.dispatch.set(dispatch);
    }

    /// There is a filter, and the program records so much.
    pub(crate) fn set_base(&self, base: Directives) {
        if let Some(mut said) = self.said() {
            said.base = base;
            self.has_filter.store(true, Ordering::Relaxed);
            self.publish(said, ask_elsewhere);
        }
    }

    /// Looks at what is recorded now. `None`: there is no filter.
    pub(crate) fn with_table<R>(&self, look: impl FnOnce(&Table) -> R) -> Option<R> {
        for _ in 0..TRIES {
            match self.table.try_read() {
                Ok(table) => return table.as_ref().map(look),
                Err(TryLockError::Poisoned(table)) => return table.get_ref().as_ref().map(look),
                // It is being exchanged.
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        // In a process that was forked in that moment nobody gives the lock back.
        None
    }

    /// Up to which level all of a task is recorded, if more is than elsewhere, as the daemon said.
    pub(crate) fn level_of(&self, task: &TaskId) -> Option<Level> {
        self.with_table(|table| table.level_of(task))?
    }

    /// A caller's headers say that all of its task is recorded up to a level.
    pub(crate) fn raise(&self, level: Level) -> Raise {
        if self.has_filter.load(Ordering::Relaxed)
            && let Some(mut said) = self.said()
        {
            let before = said.callers.map_or(Level::Off, |(level, _)| level);
            said.callers = Some((before.max(level), Instant::now() + QUIET));
            match level > before {
                true => self.publish(said, ask_elsewhere),
                false => drop(said),
            }
        }
        Raise::new(level, Arc::clone(&self.open))
    }

    /// Ends what is over. Called by the sender now and then.
    pub(crate) fn end_what_is_over(&self, now: Instant) {
        if !self.may_end.load(Ordering::Relaxed) {
            return;
        }
        let Some(mut said) = self.said() else { return };
        let lasts = |end: &Option<Instant>| end.is_none_or(|end| end > now);
        said.sets.retain(|(_, end)| lasts(end));
        said.tasks.retain(|(.., end)| lasts(end));
        if self.open.load(Ordering::Relaxed) == 0 {
            said.callers = said.callers.filter(|(_, end)| *end > now);
        }
        self.publish(said, ask_callsites);
    }

    /// What was said, unless this is a process that was forked while somebody else had it.
    fn said(&self) -> Option<MutexGuard<'_, Said>> {
        for _ in 0..TRIES {
            match self.said.try_lock() {
                Ok(said) => return Some(said),
                Err(TryLockError::Poisoned(said)) => return Some(said.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }

    /// From now on callers look at what was said. `ask`: has all callsites ask what they are worth.
    fn publish(&self, said: MutexGuard<'_, Said>, ask: fn(Dispatch)) {
        self.may_end.store(said.has_ends(), Ordering::Relaxed);
        if !self.has_filter.load(Ordering::Relaxed) {
            return;
        }
        let new = said.table();
        let is_other =
            |old: &Option<Table>| old.as_ref().is_none_or(|old| new.concerns_callsites(old));
        let mut table = match self.table.write() {
            Ok(table) => table,
            Err(poisoned) => poisoned.into_inner(),
        };
        let concerns_callsites = is_other(&table);
        let old = table.replace(new);
        drop(table);
        drop((old, said));
        // A subscriber that gets the layer later asks them itself.
        let dispatch = self.dispatch.get().filter(|_| concerns_callsites);
        if let Some(dispatch) = dispatch.and_then(WeakDispatch::upgrade) {
            ask(dispatch);
        }
    }
}

/// Has all callsites ask what they are worth. Not for a thread that `tracing` may be at work on.
fn ask_callsites(dispatch: Dispatch) {
    // As long as there is one subscriber, it is the default one of this thread that is asked.
    with_default(&dispatch, callsite::rebuild_interest_cache);
}

/// The same for a thread of the program: one that is in a subscriber cannot change its default one. Takes as long as a
/// thread takes to start; without one the callsites stay as they are.
fn ask_elsewhere(dispatch: Dispatch) {
    let thread = std::thread::Builder::new().name("distlog-levels".into());
    if let Ok(thread) = thread.spawn(move || ask_callsites(dispatch)) {
        // It has no code of the program to run that panics.
        let _ = thread.join();
    }
}

impl LevelsSink for LevelState {
    fn has_filter(&self) -> bool {
        self.has_filter.load(Ordering::Relaxed)
    }

    fn apply(&self, levels: &Levels<'_>, now: Instant) {
        let end = |left: u64| match left {
            0 => None,
            left => now.checked_add(Duration::from_nanos(left)),
        };
        // What a later daemon says in another way has no effect.
        let sets = levels.sets.iter().filter_map(|set| {
            let directives = set.directives.parse().ok()?;
            Some((directives, end(set.left)))
        });
        let tasks = levels.tasks.iter().filter_map(|one| {
            let task = one.task.parse().ok()?;
            Some((task, one.level, end(one.left)))
        });
        if let Some(mut said) = self.said() {
            (said.sets, said.tasks) = (sets.collect(), tasks.collect());
            self.publish(said, ask_callsites);
        }
    }
}

impl fmt::Debug for LevelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.with_table(Table::clone);
        f.debug_struct("LevelState").field("table", &table).finish()
    }
}

/// Whether an event or span of a level is recorded in a task of which all is recorded up to another one.
pub(crate) fn takes(raised: Level, level: &tracing_core::Level) -> bool {
    *level <= filter(raised)
}

/// Before there is a filter, and where it cannot be asked.
pub(crate) const WITHOUT: LevelFilter = LevelFilter::INFO;
