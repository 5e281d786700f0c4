//! Threads that help others: work that falls into pieces is done by several of them, and its results are taken in the
//! order of the pieces.
//!
//! Who has the work does pieces, too, and never waits for a thread that has not begun one: where all cores are busy
//! with something else it does all of it alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The threads, for all who have work. Dropping it ends them.
pub struct ThreadPool {
    threads: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a piece to do.
    begun: Condvar,
    /// A piece is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    works: Vec<Work>,
    next_id: u64,
    is_started: bool,
    is_closed: bool,
}

/// Work that is under way.
struct Work {
    id: u64,
    /// Does the piece with that number, and does not panic. It is called only while the work is in the list.
    run: &'static (dyn Fn(usize) + Sync),
    next: usize,
    pieces: usize,
    /// How many threads of the pool are at a piece of it.
    threads: usize,
}

impl ThreadPool {
    /// With so many threads, which start when there is something to do; without any, who has work does all of it.
    pub fn new(threads: usize) -> ThreadPool {
        ThreadPool {
            threads,
            shared: Arc::default(),
        }
    }

    /// With who has work, one thread for each core that this process may use.
    pub fn for_all_cores() -> ThreadPool {
        ThreadPool::new(thread::available_parallelism().map_or(0, |cores| cores.get() - 1))
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
        if self.is_empty() || pieces.len() < 2 {
            return pieces.iter().try_for_each(|piece| take(work(piece)));
        }
        let results: Vec<Mutex<Option<thread::Result<R>>>> =
            pieces.iter().map(|_| Mutex::default()).collect();
        let run = |at: usize| {
            let result = catch_unwind(AssertUnwindSafe(|| work(&pieces[at])));
            *lock(&results[at]) = Some(result);
        };
        // SAFETY: `under_way` is dropped when this function is left, before `run` and what that borrows.
        let under_way = unsafe { self.begin(pieces.len(), &run) };
        for result in &results {
            let result = loop {
                if let Some(result) = lock(result).take() {
                    break result;
                }
                if !under_way.step() {
                    under_way.wait_until(|| lock(result).is_some());
                }
            };
            take(result.unwrap_or_else(|panic| resume_unwind(panic)))?;
        }
        Ok(())
    }

    /// Has the threads begin.
    ///
    /// # Safety
    /// What is returned must be dropped, not leaked, before `run` or anything that it borrows is.
    unsafe fn begin<'r>(&'r self, pieces: usize, run: &'r (dyn Fn(usize) + Sync)) -> UnderWay<'r> {
        type Run<'r> = &'r (dyn Fn(usize) + Sync);
        // SAFETY: nothing but the lifetime changes. `UnderWay::drop` returns when no thread is within `run` and none
        // can find it any more, and is called while `run` is there.
        let lasting = unsafe { std::mem::transmute::<Run<'r>, Run<'static>>(run) };
        let mut state = self.shared.state();
        let id = state.next_id;
        state.next_id += 1;
        state.works.push(Work {
            id,
            run: lasting,
            next: 0,
            pieces,
            threads: 0,
        });
        if !std::mem::replace(&mut state.is_started, true) {
            self.start();
        }
        for _ in 0..self.threads.min(pieces - 1) {
            self.shared.begun.notify_one();
        }
        UnderWay {
            shared: &self.shared,
            id,
            run,
        }
    }

    fn start(&self) {
        for number in 0..self.threads {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name(format!("convert-{number}"));
            if let Err(error) = builder.spawn(move || shared.help()) {
                tracing::warn!(
                    "{number} of {} threads help to convert: {error}",
                    self.threads
                );
                break;
            }
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.begun.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What a thread does until the pool is dropped: the next piece of the work that has the fewest threads.
    fn help(&self) {
        let mut state = self.state();
        while !state.is_closed {
            let waiting = state
                .works
                .iter_mut()
                .filter(|work| work.next < work.pieces);
            let Some(work) = waiting.min_by_key(|work| work.threads) else {
                state = wait(&self.begun, state);
                continue;
            };
            let (id, run, at) = (work.id, work.run, work.next);
            work.next += 1;
            work.threads += 1;
            drop(state);
            run(at);
            state = self.state();
            if let Some(work) = state.work(id) {
                work.threads -= 1;
            }
            self.done.notify_all();
        }
    }
}

impl State {
    fn work(&mut self, id: u64) -> Option<&mut Work> {
        self.works.iter_mut().find(|work| work.id == id)
    }
}

/// Work that is in the list until this is dropped.
struct UnderWay<'r> {
    shared: &'r Shared,
    id: u64,
    run: &'r (dyn Fn(usize) + Sync),
}

impl UnderWay<'_> {
    /// Does the next piece; false if all are begun.
    fn step(&self) -> bool {
        let mut state = self.shared.state();
        let Some(work) = state.work(self.id).filter(|work| work.next < work.pieces) else {
            return false;
        };
        let at = work.next;
        work.next += 1;
        drop(state);
        (self.run)(at);
        true
    }

    fn wait_until(&self, is_done: impl Fn() -> bool) {
        let mut state = self.shared.state();
        while !is_done() {
            state = wait(&self.shared.done, state);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        while let Some(work) = state.work(self.id) {
            // None begins another piece.
            work.next = work.pieces;
            if work.threads == 0 {
                state.works.retain(|work| work.id != self.id);
                break;
            }
            state = wait(&self.shared.done, state);
        }
    }
}

/// No panic leaves what these locks guard half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'s>(condition: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
    let waited = condition.wait(state);
    waited.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use distlog_testkit::eventually;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_pieces_whoever_made_them() {
        let pool = ThreadPool::new(3);
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
        let done = ThreadPool::new(0).in_order(&[7; 5], work, |at| {
            taken += 1;
            assert_eq!((at, begun.load(Ordering::Relaxed)), (taken, taken));
            if at == 3 { Err("no more") } else { Ok(()) }
        });
        assert_eq!((done, taken), (Err("no more"), 3));
    }

    /// Who has work does not wait for threads that are at something else.
    #[test]
    fn threads_that_are_busy_hold_up_nobody() {
        let pool = ThreadPool::new(1);
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
                    let _ = lock(waits).recv();
                };
                pool.in_order(&[1, 2], hold, |()| Ok::<_, Infallible>(()))
            });
            is_at_it.recv().unwrap();
            is_at_it.recv().unwrap();
            let work = |_: &u8| thread::current().id();
            let done = pool.in_order(&[0; 100], work, |thread| {
                if thread == here { Ok(()) } else { Err(thread) }
            });
            assert_eq!(done, Ok(()), "all of it was done here");
            drop(go);
        });
    }

    #[test]
    fn an_error_ends_it_and_what_was_borrowed_is_free_then() {
        let pool = ThreadPool::new(3);
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
            assert!(pool.shared.state().works.is_empty());
        }
    }

    #[test]
    fn a_panic_goes_on_where_the_work_came_from_and_costs_no_thread() {
        let pool = ThreadPool::new(2);
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
        assert!(pool.shared.state().works.is_empty());
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
        let pool = ThreadPool::new(3);
        results_of_many(&pool);
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        eventually("no thread has it", || match shared.strong_count() {
            0 => Ok(()),
            some => Err(some),
        });
    }
}
