//! One closure over many items, or over jobs that bring further ones, on as many threads as there are cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    map_with(items, worth, || (), |(), item| f(item))
}

/// As [`map`], with something that each thread has of its own.
pub(super) fn map_with<T: Sync, R: Send, S>(
    items: &[T],
    worth: usize,
    own: impl Fn() -> S + Sync,
    f: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    if items.len() < worth || count() == 1 {
        let mut own = own();
        return items.iter().map(|item| f(&mut own, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let batch = BATCH.min(items.len().div_ceil(count()));
    let work = || {
        let mut done = Vec::new();
        let mut own = own();
        loop {
            let start = next.fetch_add(batch, Ordering::Relaxed);
            let Some(rest) = items.get(start..) else {
                return done;
            };
            let results: Vec<R> = rest
                .iter()
                .take(batch)
                .map(|item| f(&mut own, item))
                .collect();
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

/// Carries out jobs and those that they bring, in no order, until there are none left: alone until what was done is
/// `much`, as a thread has to be worth its start. The first error ends it.
pub(super) fn drain<J: Send, R: Send, E: Send>(
    mut jobs: Vec<J>,
    much: impl Fn(&[R]) -> bool,
    carry_out: impl Fn(J, &mut dyn FnMut(J)) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let mut results = Vec::new();
    while !much(&results) {
        let Some(job) = jobs.pop() else {
            return Ok(results);
        };
        results.push(carry_out(job, &mut |job| jobs.push(job))?);
    }
    let queue = Queue::new(jobs);
    let work = || {
        let mut results = Vec::new();
        while let Some(job) = queue.take() {
            let result = carry_out(job, &mut |job| queue.add(job));
            queue.done(result.is_err());
            results.push(result?);
        }
        Ok(results)
    };
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..count()).map(|_| scope.spawn(work)).collect();
        results.extend(work()?);
        for helper in helpers {
            match helper.join() {
                Ok(found) => results.extend(found?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(results)
    })
}

/// The jobs that threads take from and add to; it ends when nobody can add any more.
struct Queue<J> {
    state: Mutex<QueueState<J>>,
    changed: Condvar,
}

struct QueueState<J> {
    jobs: Vec<J>,
    busy: usize,
    waiting: usize,
    failed: bool,
}

impl<J> Queue<J> {
    fn new(jobs: Vec<J>) -> Self {
        Self {
            state: Mutex::new(QueueState {
                jobs,
                busy: 0,
                waiting: 0,
                failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.failed {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                state.busy += 1;
                return Some(job);
            }
            if state.busy == 0 {
                return None;
            }
            state.waiting += 1;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    fn add(&self, job: J) {
        let mut state = self.lock();
        state.jobs.push(job);
        if state.waiting > 0 {
            self.changed.notify_one();
        }
    }

    fn done(&self, failed: bool) {
        let mut state = self.lock();
        state.busy -= 1;
        state.failed |= failed;
        if state.failed || state.busy == 0 {
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn jobs_bring_jobs_until_none_is_left_or_one_fails() {
        let count_down = |job: u32, more: &mut dyn FnMut(u32)| {
            (0..job).for_each(more);
            if job == 99 { Err("99") } else { Ok(1) }
        };
        for alone in [0, 1, usize::MAX] {
            let much = |done: &[i32]| done.len() >= alone;
            let done = super::drain(vec![12, 3], much, count_down).unwrap();
            assert_eq!(done.len(), (1 << 12) + (1 << 3), "{alone}");
            let failed = super::drain(vec![3, 99, 3], much, count_down);
            assert_eq!(failed, Err("99"), "{alone}");
            assert_eq!(super::drain(Vec::new(), much, count_down), Ok(Vec::new()));
        }
    }

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
