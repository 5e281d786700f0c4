//! How it is measured: the best of several rounds, since others on the machine only ever make a round slower; in CPU
//! time of the calling thread, so that a thread that had to wait for a core is not charged for it. Allocations are
//! counted in a round of their own.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long to measure, and what.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) each: u32,
    /// What a round has left is written meanwhile, so that no round waits for the one before.
    pub(crate) pause: Duration,
    /// Only operations with this in their name.
    pub(crate) word: String,
}

impl Plan {
    /// Enough to fill a ring several times: its pages are then there, as in every program that has run for a while.
    pub(crate) const FULL: Plan = Plan {
        rounds: 20,
        each: 20_000,
        pause: Duration::from_millis(30),
        word: String::new(),
    };
    /// Figures that mean nothing.
    pub(crate) const QUICK: Plan = Plan {
        rounds: 1,
        each: 200,
        pause: Duration::ZERO,
        word: String::new(),
    };

    /// Measures one thread doing `work`.
    pub(crate) fn measure(&self, mut work: impl FnMut(u32)) -> Cost {
        let ns = self.best(|| self.round(self.each, &mut work));
        let counted = self.each.min(1000);
        let allocations = allocation_counter::measure(|| (0..counted).for_each(&mut work));
        Cost {
            ns,
            allocs: allocations.count_total as f64 / f64::from(counted),
        }
    }

    /// Measures as many threads doing `work` at the same time; `thread` brings each of them to where it is done.
    pub(crate) fn measure_threads(
        &self,
        threads: u32,
        thread: impl Fn(&mut dyn FnMut()) + Sync,
        work: impl Fn(u32) + Sync,
    ) -> Cost {
        let (thread, work) = (&thread, &work);
        let ns = self.best(|| {
            std::thread::scope(|scope| {
                let one = || {
                    let mut ns = 0.0;
                    thread(&mut || {
                        // Its buffers are new.
                        (0..10).for_each(work);
                        ns = self.round(self.each / threads, work);
                    });
                    ns
                };
                let running: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
                let each = running
                    .into_iter()
                    .map(|one| one.join().expect("a thread that logs ends well"));
                each.sum::<f64>() / f64::from(threads)
            })
        });
        Cost {
            ns,
            allocs: f64::NAN,
        }
    }

    fn best(&self, mut round: impl FnMut() -> f64) -> f64 {
        (0..self.rounds)
            .map(|_| {
                let ns = round();
                std::thread::sleep(self.pause);
                ns
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// Nanoseconds for each of `each` calls.
    fn round(&self, each: u32, work: impl FnMut(u32)) -> f64 {
        let start = cpu_time();
        (0..each).for_each(work);
        (cpu_time() - start).as_nanos() as f64 / f64::from(each)
    }
}

/// What one operation costs the thread that calls it.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// CPU time in nanoseconds.
    pub(crate) ns: f64,
    /// Allocations; not a number where they were not counted.
    pub(crate) allocs: f64,
}

/// That of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
