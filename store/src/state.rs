//! What the writer, the sealing threads and the readers share: the list of segments and up to where they are durable.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::block_lists::BlockLists;
use super::damage::{Damage, DamageLog, What};
use super::kept_filter::FilterRoom;
use super::layer::FileLayer;
use super::live::Live;
use super::options::Options;
use super::removal::Removals;
use super::sealed::Sealed;
use super::stats::{Counters, Stats, add};

/// Segments that should have room on the disk beside the reserve.
const SPARE_SEGMENTS: u64 = 8;

/// A segment, in one of its two forms.
#[derive(Clone)]
pub(super) enum Segment {
    Live(Arc<Live>),
    Sealed(Arc<Sealed>),
}

impl Segment {
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Live(live) => live.header.id,
            Self::Sealed(sealed) => sealed.footer.id,
        }
    }

    pub(super) fn first(&self) -> u64 {
        match self {
            Self::Live(live) => live.header.first,
            Self::Sealed(sealed) => sealed.footer.first,
        }
    }

    pub(super) fn newest(&self) -> u64 {
        match self {
            Self::Live(live) => live.newest.load(Ordering::Relaxed),
            Self::Sealed(sealed) => sealed.footer.newest,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Live(live) => live.size.load(Ordering::Relaxed),
            Self::Sealed(sealed) => sealed.size,
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Live(live) => &live.path,
            Self::Sealed(sealed) => &sealed.path,
        }
    }
}

/// The part of the shared state that is under its lock.
#[derive(Default)]
pub(super) struct State {
    /// In order; the last one is the open one.
    pub(super) segments: VecDeque<Segment>,
    /// The number after the last durable record.
    pub(super) end: u64,
    /// Full segments that are not sealed.
    pub(super) backlog: Backlog,
    /// The store is closed: nothing more will come.
    pub(super) closed: bool,
}

impl State {
    /// The number of the first record that is kept.
    pub(super) fn first(&self) -> u64 {
        self.segments.front().map_or(self.end, Segment::first)
    }

    /// The segment in which a record number is or was, and where that segment ends if it is not the open one.
    pub(super) fn locate(&self, number: u64) -> Option<(Segment, Option<u64>)> {
        let after = self.segments.partition_point(|s| s.first() <= number);
        let at = after.saturating_sub(1);
        let segment = self.segments.get(at)?.clone();
        let end = self.segments.get(at + 1).map(Segment::first);
        Some((segment, end))
    }

    /// The place of a segment in the list.
    pub(super) fn place(&self, id: u64) -> Option<usize> {
        let at = self.segments.partition_point(|s| s.id() < id);
        self.segments
            .get(at)
            .is_some_and(|s| s.id() == id)
            .then_some(at)
    }
}

/// How much is kept: the limits that hold now. `None`: no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// In bytes.
    pub(super) size: Option<u64>,
    pub(super) age: Option<Duration>,
}

/// What is shared.
pub(super) struct Shared {
    pub(super) layer: Arc<dyn FileLayer>,
    pub(super) dir: PathBuf,
    pub(super) segments_dir: PathBuf,
    pub(super) options: Options,
    /// How much is kept.
    pub(super) keep: Mutex<Keep>,
    pub(super) counters: Counters,
    pub(super) damage: DamageLog,
    pub(super) block_lists: BlockLists,
    pub(super) filter_room: FilterRoom,
    /// The threads that write segments are to leave off.
    pub(super) stopping: AtomicBool,
    /// Held while a sealed segment is written anew.
    pub(super) rewriting: Mutex<()>,
    /// How many erase records.
    pub(super) erasing: AtomicUsize,
    /// Segments with records before this number are to be closed.
    pub(super) close_before: AtomicU64,
    /// How often records were erased: who opened a file before then must not read on in it.
    pub(super) erased: AtomicU64,
    removals: RwLock<Removals>,
    /// Files that could not be removed.
    left: Mutex<Vec<PathBuf>>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(
        layer: Arc<dyn FileLayer>,
        dir: &Path,
        segments_dir: PathBuf,
        options: Options,
        mut state: State,
        (counters, damage): (Counters, DamageLog),
    ) -> Self {
        state.backlog.fit(options.keep_size, options.segment_size);
        Self {
            layer,
            dir: dir.to_owned(),
            segments_dir,
            keep: Mutex::new(Keep {
                size: options.keep_size,
                age: options.keep_age,
            }),
            options,
            counters,
            damage,
            block_lists: BlockLists::default(),
            filter_room: FilterRoom::default(),
            stopping: AtomicBool::new(false),
            rewriting: Mutex::new(()),
            erasing: AtomicUsize::new(0),
            close_before: AtomicU64::new(0),
            erased: AtomicU64::new(0),
            removals: RwLock::new(Arc::new([])),
            left: Mutex::default(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The state, to read. Every change to it is a single step, so a panic elsewhere leaves it whole.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes everyone who waits for a change.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Waits until something holds; false when it did not within the time.
    pub(super) fn wait(&self, timeout: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        loop {
            if holds(&state) {
                return true;
            }
            // A timeout beyond what the clock can count is for ever, in steps.
            let left = deadline.map_or(Duration::from_secs(3600), |d| {
                d.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            (state, _) = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the disk has so little room that what waits to be sealed should give some back.
    pub(super) fn is_short_of_room(&self) -> bool {
        let wanted = SPARE_SEGMENTS * self.options.segment_size;
        let free = self.layer.free_space(&self.segments_dir);
        free.is_ok_and(|free| free < self.options.reserve.saturating_add(wanted))
    }

    /// Whether retention was quicker than who met an error.
    pub(super) fn is_gone(&self, sealed: &Sealed, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::NotFound && self.state().place(sealed.footer.id).is_none()
    }

    /// Whether a segment was written anew before who met an error could read it.
    pub(super) fn is_replaced(&self, sealed: &Sealed, error: &io::Error) -> bool {
        let state = self.state();
        let now = (state.place(sealed.footer.id)).and_then(|at| state.segments.get(at));
        error.kind() == io::ErrorKind::NotFound && now.is_some_and(|now| now.path() != sealed.path)
    }

    /// What readers leave out. To be asked for before [`Shared::erased`], and both before a file is read: what is not
    /// left out any more is not in the files any more.
    pub(super) fn removals(&self) -> Removals {
        let removals = self.removals.read();
        Arc::clone(&removals.unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_removals(&self, removals: Removals) {
        let known = self.removals.write();
        *known.unwrap_or_else(PoisonError::into_inner) = removals;
    }

    /// How often records were erased.
    pub(super) fn erased(&self) -> u64 {
        self.erased.load(Ordering::Acquire)
    }

    pub(super) fn left_files(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and tells damage that was met while reading, if it is new.
    pub(super) fn note_damage(&self, damage: Damage) {
        if let Some(lost) = self.damage.note(&damage) {
            add(&self.counters.damaged, 1);
            add(&self.counters.damaged_records, lost);
            tracing::warn!("the store is damaged: {damage}");
        }
    }

    /// Records of a file cannot be read.
    pub(super) fn note_lost(&self, path: &Path, lost: Range<u64>) {
        self.note_damage(Damage {
            path: path.to_owned(),
            what: What::Unreadable { kept: None },
            lost,
        });
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = self.counters.stats();
        let state = self.state();
        stats.segments = state.segments.len() as u64;
        stats.bytes = state.segments.iter().map(Segment::size).sum();
        stats.first = state.first();
        stats.end = state.end;
        stats.lost = self.damage.lost_within(stats.first..stats.end);
        let removed = state.segments.iter().map(|segment| match segment {
            Segment::Sealed(sealed) => u64::from(sealed.footer.removed),
            Segment::Live(_) => 0,
        });
        stats.removed = removed.sum();
        let in_rows = |segment: &&Segment| match segment {
            Segment::Sealed(sealed) => sealed.footer.version == 0,
            Segment::Live(_) => false,
        };
        stats.in_rows = state.segments.iter().filter(in_rows).count() as u64;
        stats.unsealed = state
            .segments
            .iter()
            .filter(|s| matches!(s, Segment::Live(_)))
            .count()
            .saturating_sub(1) as u64;
        stats
    }
}
