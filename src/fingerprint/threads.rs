//! One closure over many items on as many threads as there are cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many threads help no more than this: opening files is what takes the time.
const MAX_THREADS: usize = 8;
/// How many items a thread takes at once.
const BATCH: usize = 64;

/// How many threads are worth starting.
pub(super) fn count() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_THREADS))
}

/// `f` of every item, in the items' order; alone when there are fewer items than are `worth` a thread.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    worth: usize,
    f: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if items.len() < worth || count() == 1 {
        return items.iter().map(f).collect();
    }
    let next = AtomicUsize::new(0);
    let batch = BATCH.min(items.len().div_ceil(count()));
    let work = || {
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(batch, Ordering::Relaxed);
            let Some(rest) = items.get(start..) else {
                return done;
            };
            let results: Vec<R> = rest.iter().take(batch).map(&f).collect();
            if results.is_empty() {
                return done;
            }
            done.push((start, results));
        }
    };
    let mut batches = thread::scope(|scope| {
        let helpers: Vec<_> = (1..count()).map(|_| scope.spawn(work)).collect();
        let mut batches = work();
        for helper in helpers {
            match helper.join() {
                Ok(done) => batches.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        batches
    });
    batches.sort_unstable_by_key(|(start, _)| *start);
    batches
        .into_iter()
        .flat_map(|(_, results)| results)
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn order_is_kept() {
        for length in [0, 1, 15, 16, 17, 1_000] {
            let items: Vec<usize> = (0..length).collect();
            assert_eq!(
                super::map(&items, 16, |item| item * 2),
                items.iter().map(|i| i * 2).collect::<Vec<_>>()
            );
        }
    }
}
