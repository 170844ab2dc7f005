//! Tests of the pool: every task once, nesting, several callers, panics, and a loom model of the protocol.

use super::*;

/// Runs `body` with `n` threads. Their number belongs to the process, so the tests that set it take turns.
#[cfg(not(loom))]
pub(crate) fn with_threads<R>(n: usize, body: impl FnOnce() -> R) -> R {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    set_threads(n);
    assert_eq!(threads(), n);
    let result = body();
    set_threads(0);
    result
}

#[cfg(not(loom))]
mod threads {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_task_runs_once() {
        for count in [1, 2, 3, 8] {
            with_threads(count, || {
                for round in 0..400 {
                    let tasks = [0, 1, 2, 3, 7, 64, 257][round % 7];
                    let hits: Vec<AtomicU32> = (0..tasks).map(|_| AtomicU32::new(0)).collect();
                    run(tasks, &|i| {
                        hits[i].fetch_add(1, Relaxed);
                    });
                    assert!(hits.iter().all(|h| h.load(Relaxed) == 1));
                }
            });
        }
    }

    #[test]
    fn results_are_visible_to_the_caller() {
        with_threads(3, || {
            let mut data = vec![0_usize; 1000];
            for round in 1..300 {
                split(&mut data, 37, |start, part| {
                    for (i, x) in part.iter_mut().enumerate() {
                        *x += (start + i) * round;
                    }
                });
            }
            let rounds: usize = (1..300).sum();
            assert!(data.iter().enumerate().all(|(i, &x)| x == i * rounds));
        });
    }

    #[test]
    fn groups_are_cut_at_chunks_and_ends() {
        for (count, chunk) in [(1, 1), (1, 100), (2, 4), (3, 1), (3, 7), (8, 5), (2, 0)] {
            with_threads(count, || {
                // The second slice of a group is as long as the first, or shorter.
                let lengths = [(3, 3), (0, 0), (10, 10), (1, 0), (20, 4), (0, 0), (6, 6)];
                let mut data = lengths.map(|(first, second)| (vec![0_usize; first], vec![0_usize; second]));
                let mut groups: Vec<[&mut [usize]; 2]> =
                    data.iter_mut().map(|(first, second)| [&mut first[..], &mut second[..]]).collect();
                split_groups(&mut groups, chunk, |group, start, parts| {
                    for part in parts {
                        part.iter_mut().enumerate().for_each(|(i, x)| *x += 1 + 100 * group + start + i);
                    }
                });
                for (group, (first, second)) in data.iter().enumerate() {
                    let once = |list: &[usize]| list.iter().enumerate().all(|(i, &x)| x == 1 + 100 * group + i);
                    assert!(once(first) && once(second), "group {group} of {data:?}");
                }
                split_groups::<u8, 0>(&mut [[], []], 3, |_, _, _: [&mut [u8]; 0]| {});
                split_groups::<u8, 1>(&mut [], 3, |_, _, _| unreachable!());
            });
        }
    }

    #[test]
    fn split_handles_edges() {
        with_threads(2, || {
            split(&mut [] as &mut [u8], 0, |_, _| unreachable!());
            let mut three = [0_usize; 3];
            split(&mut three, 0, |start, part| part.fill(start));
            assert_eq!(three, [0, 1, 2]);
            split(&mut three, 100, |start, part| part.fill(start + 9));
            assert_eq!(three, [9, 9, 9]);
        });
    }

    #[test]
    fn nested_calls_run() {
        with_threads(3, || {
            let hits = AtomicU32::new(0);
            run(5, &|_| {
                run(7, &|_| {
                    run(2, &|_| {
                        hits.fetch_add(1, Relaxed);
                    });
                });
            });
            assert_eq!(hits.into_inner(), 70);
        });
    }

    #[test]
    fn several_callers_at_once() {
        with_threads(3, || {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let hits = AtomicU32::new(0);
                            run(13, &|i| {
                                hits.fetch_add(i as u32, Relaxed);
                            });
                            assert_eq!(hits.into_inner(), 78);
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        for count in [1, 2, 8] {
            with_threads(count, || {
                for bad in [0, 5, 19] {
                    let outcome = catch_unwind(|| {
                        run(20, &|i| {
                            if i == bad {
                                resume_unwind(Box::new("boom"));
                            }
                        });
                    });
                    let payload = outcome.expect_err("the panic of the task");
                    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
                    let hits = AtomicU32::new(0);
                    run(20, &|_| {
                        hits.fetch_add(1, Relaxed);
                    });
                    assert_eq!(hits.into_inner(), 20);
                }
            });
        }
    }

    #[test]
    fn sleeping_workers_wake_and_stop() {
        let pool = Pool::new();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| pool.work(0));
            }
            let _stop = Stop(&pool);
            for _ in 0..300 {
                let hits = AtomicU32::new(0);
                assert!(pool.claim());
                pool.dispatch(9, 3, &|_| {
                    hits.fetch_add(1, Relaxed);
                });
                assert_eq!(hits.into_inner(), 9);
            }
        });
    }

    /// Stops the workers in the end, also where an assertion fails: the scope waits for them.
    struct Stop<'a>(&'a Pool);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
}

impl Pool {
    fn stop(&self) {
        self.state.fetch_or(STOP, AcqRel);
        fence(SeqCst);
        drop(self.lock.lock());
        self.wake.notify_all();
    }
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test --release --lib pool`.
#[cfg(loom)]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    /// Data of the caller that a task writes: loom reports any access that is not ordered with the caller's.
    struct Cells([UnsafeCell<usize>; 2]);
    // SAFETY: loom checks every access.
    unsafe impl Sync for Cells {}

    fn explore(workers: usize, jobs: usize, spins: u32) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(if workers > 1 { 2 } else { 4 });
        builder.check(move || {
            let pool = Arc::new(Pool::new());
            let threads: Vec<_> = (0..workers)
                .map(|_| {
                    let pool = pool.clone();
                    loom::thread::spawn(move || pool.work(spins))
                })
                .collect();
            for _ in 0..jobs {
                let cells = Cells([UnsafeCell::new(0), UnsafeCell::new(0)]);
                assert!(pool.claim());
                let shared = &cells;
                // SAFETY: each task has its own cell; loom checks it.
                pool.dispatch(2, workers, &|i| shared.0[i].with_mut(|x| unsafe { *x += i + 1 }));
                for (i, cell) in cells.0.iter().enumerate() {
                    // SAFETY: all tasks are done; loom checks that this read is ordered after them.
                    cell.with(|x| assert_eq!(unsafe { *x }, i + 1));
                }
            }
            pool.stop();
            threads.into_iter().for_each(|t| t.join().expect("a worker ends"));
        });
    }

    #[test]
    fn one_worker_two_jobs_parking() {
        explore(1, 2, 0);
    }

    #[test]
    fn one_worker_two_jobs_spinning() {
        explore(1, 2, 1);
    }

    #[test]
    fn two_workers_one_job() {
        explore(2, 1, 0);
    }
}
