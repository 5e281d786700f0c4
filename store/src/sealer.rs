//! The thread that seals segments and saves checkpoints, so that appends do not wait for either. Another one seals
//! again what was sealed in a hurry (`reseal.rs`).

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::age_clock::Reading;
use super::checkpoint::Checkpoint;
use super::effort::{Effort, Pace};
use super::error::FileError;
use super::format::{FrameHeader, body_is_good};
use super::layer::read_full;
use super::memory::FrameAt;
use super::reseal;
use super::scan::is_damage;
use super::seal::SealWriter;
use super::sealed::Sealed;
use super::state::{Live, Segment, Shared};
use super::stats::add;

enum Job {
    /// Seal a segment that ends before a record number, and was full then.
    Seal(Arc<Live>, u64, Instant),
    Checkpoint(Checkpoint),
    Clock(Reading),
}

/// Where the last saved checkpoint stands, see [`Checkpoint::order`].
type Saved = Arc<Mutex<(u64, u64, u64)>>;

/// The sealing threads, owned by the store.
pub(super) struct Sealer {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    saved: Saved,
}

impl Sealer {
    pub(super) fn start(shared: &Arc<Shared>, saved: (u64, u64, u64)) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let saved = Arc::new(Mutex::new(saved));
        let (sealed, woken) = channel();
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let again = {
            let shared = Arc::clone(shared);
            thread("store-reseal").spawn(move || reseal::run(&shared, &woken))?
        };
        let first = {
            let (shared, saved) = (Arc::clone(shared), Arc::clone(&saved));
            thread("store-seal").spawn(move || run(&shared, &saved, &queue, &sealed))?
        };
        Ok(Self {
            jobs: Some(jobs),
            threads: vec![first, again],
            saved,
        })
    }

    /// Has a segment sealed that ends before `end`.
    pub(super) fn seal(&self, shared: &Shared, live: Arc<Live>, end: u64) {
        shared.update(|state| state.backlog += 1);
        if !self.send(Job::Seal(live, end, Instant::now())) {
            shared.update(|state| state.backlog -= 1);
        }
    }

    /// Has a checkpoint saved, some time.
    pub(super) fn checkpoint(&self, checkpoint: Checkpoint) {
        // A checkpoint that is not saved makes the next recovery longer, and nothing else.
        self.send(Job::Checkpoint(checkpoint));
    }

    /// Has the clock saved, some time.
    pub(super) fn save_clock(&self, reading: Reading) {
        self.send(Job::Clock(reading));
    }

    /// Saves a checkpoint now.
    pub(super) fn checkpoint_now(
        &self,
        shared: &Shared,
        checkpoint: &Checkpoint,
    ) -> Result<(), FileError> {
        save(shared, &self.saved, checkpoint)
    }

    /// Where the last saved checkpoint stands, see [`Checkpoint::order`].
    pub(super) fn saved(&self) -> (u64, u64, u64) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, job: Job) -> bool {
        self.jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok())
    }

    /// Ends the threads. A segment being sealed is left as it was.
    pub(super) fn stop(&mut self, shared: &Shared) {
        shared.update(|_| shared.stopping.store(true, Ordering::Relaxed));
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // It panics never; if it did, the segments wait for the next start.
            let _ = thread.join();
        }
        // Nobody else writes a segment now.
        let _left = shared.rewriting.lock();
    }
}

fn run(shared: &Shared, saved: &Saved, queue: &Receiver<Job>, sealed: &Sender<()>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pace = Pace::new(cores);
    while let Ok(job) = queue.recv() {
        match job {
            Job::Seal(live, end, full) => {
                if !shared.stopping.load(Ordering::Relaxed)
                    && seal_at_pace(shared, &mut pace, &live, (end, full)).is_err()
                {
                    add(&shared.counters.seal_errors, 1);
                }
                shared.update(|state| state.backlog = state.backlog.saturating_sub(1));
                let _ = sealed.send(());
            }
            Job::Checkpoint(checkpoint) => {
                if save(shared, saved, &checkpoint).is_err() {
                    add(&shared.counters.write_errors, 1);
                }
            }
            Job::Clock(reading) => {
                if reading.save(&*shared.layer, &shared.dir).is_err() {
                    add(&shared.counters.write_errors, 1);
                }
            }
        }
    }
}

fn seal_at_pace(
    shared: &Shared,
    pace: &mut Pace,
    live: &Live,
    (end, full): (u64, Instant),
) -> io::Result<()> {
    let bytes = live.durable.load(Ordering::Relaxed);
    let effort = pace.effort(full, bytes, shared.state().backlog);
    let begun = Instant::now();
    seal_and_swap(shared, live, end, effort)?;
    if let Effort::Columns { threads } = effort {
        pace.took(bytes, threads, begun.elapsed());
    }
    Ok(())
}

fn save(shared: &Shared, saved: &Saved, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let mut saved = saved.lock().unwrap_or_else(PoisonError::into_inner);
    // One that waited in the queue must not replace a later one.
    let at = checkpoint.order();
    if at < *saved {
        return Ok(());
    }
    checkpoint.save(&*shared.layer, &shared.dir)?;
    *saved = at;
    Ok(())
}

/// Seals a segment, puts it in the place of the raw one and removes that.
pub(super) fn seal_and_swap(
    shared: &Shared,
    live: &Live,
    end: u64,
    effort: Effort,
) -> io::Result<()> {
    // What is written here is given back when the raw file goes; until then it must not take the last room.
    let free = shared.layer.free_space(&shared.segments_dir)?;
    let raw = live.durable.load(Ordering::Acquire);
    if free < raw.saturating_mul(2) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let sealed = Arc::new(seal(shared, live, end, effort)?);
    // Before anybody takes it for sealed: who erases sees that no raw file is left.
    shared.left_files().push(live.path.clone());
    let kept = shared.update(|state| {
        let place = state.place(live.header.id);
        if let Some(segment) = place.and_then(|at| state.segments.get_mut(at)) {
            *segment = Segment::Sealed(Arc::clone(&sealed));
        }
        place.is_some()
    });
    if !kept {
        // Retention was quicker.
        shared.discard(&sealed.path);
    }
    shared.discard(&live.path);
    Ok(())
}

fn seal(shared: &Shared, live: &Live, end: u64, effort: Effort) -> io::Result<Sealed> {
    let memory = live.memory();
    let mut writer = SealWriter::new(
        &*shared.layer,
        &shared.segments_dir,
        (live.header, 0),
        &shared.options,
        effort,
    )?;
    let mut bytes = Vec::new();
    for (number, frame) in memory.frames().iter().enumerate() {
        if shared.stopping.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if read_frame(live, frame, &mut bytes)? {
            writer.frame(frame.first, &bytes)?;
        } else {
            let next = memory.frames().get(number + 1);
            shared.note_lost(&live.path, frame.first..next.map_or(end, |next| next.first));
            writer.lost_frame();
        }
    }
    writer.finish(&memory, end, live.newest.load(Ordering::Relaxed))
}

/// Reads a frame of a raw segment; false if it is damaged.
fn read_frame(live: &Live, frame: &FrameAt, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.resize(frame.len as usize, 0);
    match read_full(&*live.file, bytes, frame.offset) {
        Err(e) if is_damage(&e) => return Ok(false),
        other => other?,
    };
    Ok(FrameHeader::decode(bytes)
        .is_some_and(|header| header.total() == bytes.len() && body_is_good(&header, bytes)))
}
