//! Threads that help others: work that falls into pieces is done by several of them, and its results are taken in the
//! order of the pieces.
//!
//! Who has the work does pieces, too: where all threads are busy with something else it does all of it alone, and goes
//! on when they have seen that nothing is left. So work that must not wait for that of others has a pool of its own.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use rayon_core::ThreadPoolBuilder;

/// The threads, for all who have work. Dropping it ends them.
#[derive(Debug)]
pub struct ThreadPool {
    /// What the threads are called, before their numbers.
    name: &'static str,
    threads: usize,
    /// They start when there is something to do; `None`: the system gives none.
    started: OnceLock<Option<rayon_core::ThreadPool>>,
}

/// Work that is under way.
struct Pieces<R> {
    /// The next one that nobody has begun.
    next: AtomicUsize,
    results: Mutex<Vec<Option<thread::Result<R>>>>,
    /// There is one more of them.
    done: Condvar,
}

impl ThreadPool {
    /// With so many threads; without any, who has work does all of it.
    pub fn new(name: &'static str, threads: usize) -> ThreadPool {
        ThreadPool {
            name,
            threads,
            started: OnceLock::new(),
        }
    }

    /// With who has work, one thread for each core that this process may use.
    pub fn for_all_cores(name: &'static str) -> ThreadPool {
        ThreadPool::new(
            name,
            thread::available_parallelism().map_or(0, |cores| cores.get() - 1),
        )
    }

    /// Whether anybody helps.
    pub fn is_empty(&self) -> bool {
        self.threads == 0
    }

    /// Does `work` for each piece, on several threads, and calls `take` here with each result, in the order of the
    /// pieces. A panic of `work` goes on here when its result is due.
    ///
    /// # Errors
    /// The first one of `take`. No piece is begun after that.
    pub fn in_order<P: Sync, R: Send, E>(
        &self,
        pieces: &[P],
        work: impl Fn(&P) -> R + Sync,
        mut take: impl FnMut(R) -> Result<(), E>,
    ) -> Result<(), E> {
        let helpers = self.threads.min(pieces.len().saturating_sub(1));
        let Some(pool) = self.start().filter(|_| helpers > 0) else {
            return pieces.iter().try_for_each(|piece| take(work(piece)));
        };
        let under_way = Pieces::new(pieces.len());
        let step = || under_way.step(|at| work(&pieces[at]));
        let mut result = Ok(Ok(()));
        pool.in_place_scope(|scope| {
            // Each does one piece, so that others' work has its turn.
            for _ in 1..pieces.len() {
                scope.spawn(|_| {
                    step();
                });
            }
            // A panic here would leave the threads at work that nobody takes.
            result = catch_unwind(AssertUnwindSafe(|| {
                (0..pieces.len()).try_for_each(|at| take(under_way.result(at, &step)))
            }));
            under_way.end();
        });
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn start(&self) -> Option<&rayon_core::ThreadPool> {
        if self.is_empty() {
            return None;
        }
        let name = self.name;
        let start = || {
            let builder = ThreadPoolBuilder::new().num_threads(self.threads);
            let builder = builder.thread_name(move |number| format!("{name}-{number}"));
            let warn = |error: &_| tracing::warn!("no threads help to {name} records: {error}");
            builder.build().inspect_err(warn).ok()
        };
        self.started.get_or_init(start).as_ref()
    }
}

impl<R> Pieces<R> {
    fn new(count: usize) -> Pieces<R> {
        Pieces {
            next: AtomicUsize::new(0),
            results: Mutex::new((0..count).map(|_| None).collect()),
            done: Condvar::new(),
        }
    }

    fn results(&self) -> MutexGuard<'_, Vec<Option<thread::Result<R>>>> {
        // No panic leaves what the lock guards half changed.
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the next piece; false if all are begun.
    fn step(&self, work: impl FnOnce(usize) -> R) -> bool {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        if at >= self.results().len() {
            return false;
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(at)));
        self.results()[at] = Some(result);
        self.done.notify_all();
        true
    }

    /// The result of a piece; until it is there, others are done with `step`.
    fn result(&self, at: usize, step: &impl Fn() -> bool) -> R {
        let result = loop {
            if let Some(result) = self.results()[at].take() {
                break result;
            }
            if !step() {
                let waited = self
                    .done
                    .wait_while(self.results(), |all| all[at].is_none());
                let mut all = waited.unwrap_or_else(PoisonError::into_inner);
                if let Some(result) = all[at].take() {
                    break result;
                }
            }
        };
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// No piece is begun any more.
    fn end(&self) {
        self.next.store(self.results().len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, mpsc};

    use distlog_testkit::eventually;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_pieces_whoever_made_them() {
        let pool = ThreadPool::new("test", 3);
        // Four pieces are under way at the same time, so four threads are at it, this one among them.
        let all = Barrier::new(4);
        let numbers: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        let mut taken = Vec::new();
        let work = |number: &String| {
            all.wait();
            (number.clone(), thread::current().id())
        };
        let done: Result<(), Infallible> = pool.in_order(&numbers, work, |one| {
            taken.push(one);
            Ok(())
        });
        done.unwrap();
        assert!(taken.iter().map(|(number, _)| number).eq(&numbers));
        let here = thread::current().id();
        assert!(taken.iter().any(|(_, thread)| *thread == here));
        assert!(taken.iter().any(|(_, thread)| *thread != here));
    }

    #[test]
    fn without_threads_each_piece_is_taken_before_the_next_is_begun() {
        let begun = AtomicUsize::new(0);
        let mut taken = 0;
        let work = |_: &u8| begun.fetch_add(1, Ordering::Relaxed) + 1;
        let done = ThreadPool::new("test", 0).in_order(&[7; 5], work, |at| {
            taken += 1;
            assert_eq!((at, begun.load(Ordering::Relaxed)), (taken, taken));
            if at == 3 { Err("no more") } else { Ok(()) }
        });
        assert_eq!((done, taken), (Err("no more"), 3));
    }

    /// Who has work does it while threads are at something else.
    #[test]
    fn threads_that_are_busy_hold_up_nobody() {
        let pool = ThreadPool::new("test", 1);
        let (go, waits) = mpsc::channel::<()>();
        let waits = Mutex::new(waits);
        let here = thread::current().id();
        thread::scope(|scope| {
            let (at_it, is_at_it) = mpsc::channel();
            let pool = &pool;
            let waits = &waits;
            scope.spawn(move || {
                // Both threads are held up, that of the pool and this one.
                let hold = |_: &u8| {
                    let _ = at_it.send(());
                    let _ = waits.lock().map(|waits| waits.recv());
                };
                pool.in_order(&[1, 2], hold, |()| Ok::<_, Infallible>(()))
            });
            is_at_it.recv().unwrap();
            is_at_it.recv().unwrap();
            let work = |_: &u8| thread::current().id();
            let (mut go, mut left) = (Some(go), 100);
            let done = pool.in_order(&[0; 100], work, |thread| {
                left -= 1;
                if left == 0 {
                    // What it spawned is looked at once more.
                    go = None;
                }
                if thread == here { Ok(()) } else { Err(thread) }
            });
            assert_eq!(done, Ok(()), "all of it was done here");
        });
    }

    #[test]
    fn an_error_ends_it_and_what_was_borrowed_is_free_then() {
        let pool = ThreadPool::new("test", 3);
        for _ in 0..200 {
            let (at_it, mut taken) = (AtomicUsize::new(0), 0);
            let work = |_: &u8| {
                at_it.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
                at_it.fetch_sub(1, Ordering::Relaxed);
            };
            let done = pool.in_order(&[0; 64], work, |()| {
                taken += 1;
                if taken == 5 { Err(taken) } else { Ok(()) }
            });
            assert_eq!(done, Err(5));
            assert_eq!(at_it.load(Ordering::Relaxed), 0, "nobody is at a piece");
        }
    }

    #[test]
    fn a_panic_goes_on_where_the_work_came_from_and_costs_no_thread() {
        let pool = ThreadPool::new("test", 2);
        for bad in 0..20 {
            let pieces: Vec<u32> = (0..20).collect();
            let mut taken = Vec::new();
            let result = catch_unwind(AssertUnwindSafe(|| {
                let work = |piece: &u32| {
                    assert_ne!(*piece, bad, "as the test wants it");
                    *piece
                };
                pool.in_order(&pieces, work, |piece| {
                    taken.push(piece);
                    Ok::<_, Infallible>(())
                })
            }));
            let panic = result.expect_err("it panicked");
            assert!(panic.downcast::<String>().unwrap().contains("as the test"));
            assert!(taken.iter().copied().eq(0..bad), "{taken:?}");
        }
        // So does one of who takes.
        let taking = AssertUnwindSafe(|| {
            pool.in_order(&[0; 20], |_| (), |()| -> Result<(), ()> { panic!("no") })
        });
        assert!(catch_unwind(taking).is_err());
        results_of_many(&pool);
    }

    /// Several who have work at the same time.
    fn results_of_many(pool: &ThreadPool) {
        thread::scope(|scope| {
            for who in 0..8u64 {
                scope.spawn(move || {
                    for round in 0..50 {
                        let pieces: Vec<u64> = (0..round % 17).map(|n| n * 8 + who).collect();
                        let mut taken = Vec::new();
                        let done: Result<(), Infallible> = pool.in_order(
                            &pieces,
                            |n| n * 3,
                            |n| {
                                taken.push(n);
                                Ok(())
                            },
                        );
                        done.unwrap();
                        assert!(taken.iter().copied().eq(pieces.iter().map(|n| n * 3)));
                    }
                });
            }
        });
    }

    #[test]
    fn the_threads_end_with_the_pool() {
        thread_local! {
            static OWN: std::cell::RefCell<Option<Arc<()>>> = const { std::cell::RefCell::new(None) };
        }
        let pool = ThreadPool::new("test", 3);
        let alive = Arc::new(());
        let all = Barrier::new(4);
        let work = |_: &u8| {
            all.wait();
            OWN.set(Some(Arc::clone(&alive)));
        };
        let done = pool.in_order(&[0; 4], work, |()| Ok::<_, Infallible>(()));
        done.unwrap();
        assert_eq!(
            Arc::strong_count(&alive),
            5,
            "three threads and this one have it"
        );
        drop(pool);
        eventually("no thread has it", || match Arc::strong_count(&alive) {
            2 => Ok(()),
            some => Err(some),
        });
    }
}
