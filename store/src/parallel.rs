//! Work on several items at once.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, available_parallelism, scope};

/// Maps each item, in the order of the items: by so many threads, but no more than there are cores.
///
/// # Errors
/// The first in that order. What comes after it may not have been looked at.
pub(super) fn try_map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    map: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let cores = available_parallelism().map_or(1, usize::from);
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let some = || {
        let mut some = Vec::new();
        // They are taken in order, so all that stand before one that fails are mapped.
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let mapped = map(item);
            failed.fetch_or(mapped.is_err(), Ordering::Relaxed);
            some.push((at, mapped));
        }
        some
    };
    let mut mapped = scope(|scope| {
        let helpers: Vec<_> = (1..cores.min(threads))
            // Where the system gives none it takes longer.
            .filter_map(|_| Builder::new().spawn_scoped(scope, some).ok())
            .collect();
        let mut mapped = some();
        for helper in helpers {
            mapped.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        mapped
    });
    mapped.sort_unstable_by_key(|(at, _)| *at);
    mapped.into_iter().map(|(_, mapped)| mapped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_in_order_and_the_first_error_counts() {
        let items: Vec<u32> = (0..1000).collect();
        let double = |item: &u32| Ok::<u32, ()>(item * 2);
        let doubled: Vec<u32> = items.iter().map(|item| item * 2).collect();
        assert_eq!(try_map(&items, 4, double), Ok(doubled));
        let fails_late = |item: &u32| if *item < 300 { Ok(()) } else { Err(*item) };
        for threads in [0, 1, 4] {
            assert_eq!(try_map(&items, threads, fails_late), Err(300));
        }
        assert_eq!(try_map(&[], 4, fails_late), Ok(Vec::new()));
    }
}
