use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Bytes that one thread has read before another one has been started.
pub(super) const WORTH_A_THREAD: usize = 1 << 18;

/// `work` on every item, in the items' order. Several threads share it where `size`, in bytes,
/// says that it pays.
pub(super) fn map<'i, T: Sync, R: Send>(
    items: &'i [T],
    size: impl Fn(&T) -> usize,
    work: impl Fn(&'i T) -> R + Sync,
) -> Vec<R> {
    let bytes = items.iter().map(size).fold(0, usize::saturating_add);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(items.len()).min(bytes / WORTH_A_THREAD);
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(share)).collect();
        let mut done = share();
        for other in others {
            match other.join() {
                Ok(results) => done.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Barrier, Mutex};
    use std::thread;

    use super::{WORTH_A_THREAD, map};

    #[test]
    fn results_are_in_order_and_the_work_is_shared() {
        let items: Vec<usize> = (0..100).collect();
        let seen = Mutex::new(HashSet::new());
        let several = thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        // Two items meet here, so one thread alone would never get past it.
        let meeting = Barrier::new(if several { 2 } else { 1 });
        let doubled = map(
            &items,
            |_| WORTH_A_THREAD,
            |n| {
                if *n < 2 {
                    meeting.wait();
                }
                seen.lock().unwrap().insert(thread::current().id());
                n * 2
            },
        );
        assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(seen.lock().unwrap().len() > 1, several);
    }

    #[test]
    fn small_work_stays_on_this_thread() {
        let ids = map(&[1, 2, 3], |_| 100, |_| thread::current().id());
        assert!(ids.iter().all(|id| *id == thread::current().id()));
    }
}
