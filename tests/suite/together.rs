//! Beside other threads: several tapes at once, tapes in the tasks of another pool, and what the environment says.

use std::process::{Command, Output};
use std::sync::{Barrier, Mutex};

use crate::determinism::{bits, trained, with_every_number_of_threads};
use wengert::prelude::*;

/// One of several kinds of work: products, chains and reductions large enough for several threads, or a small model.
fn work(kind: u64) -> Result<Vec<u32>> {
    if kind % 4 == 3 {
        return trained([5, 16, 3], 12, 10, kind);
    }
    let tape = Tape::<f32>::training(kind);
    let wave = |i: usize| ((i as u64 * (3 + kind) % 1013) as f32 * 0.37).sin();
    let x = tape.input(Tensor::from_fn([200, 210], wave));
    let chain = (x * 0.5).tanh().dropout(0.2) + x.exp() / (1.0 + x.square());
    let rows = chain.matmul(x.t()).softmax(-1).logsumexp_axes(&[1], false);
    let total = rows.square().sum() + chain.var();
    let [gx] = total.grad([x]);
    Ok(bits(tape.eval([total, gx])?))
}

#[test]
fn several_tapes_on_several_threads() -> Result<()> {
    let alone: Vec<Vec<u32>> = (0..6).map(work).collect::<Result<_>>()?;
    with_every_number_of_threads(|| {
        let start = Barrier::new(6);
        let together: Vec<Result<Vec<u32>>> = std::thread::scope(|scope| {
            let start = &start;
            let one = |kind| {
                scope.spawn(move || {
                    start.wait();
                    (0..4).map(|_| work(kind)).reduce(|first, next| {
                        let (first, next) = (first?, next?);
                        assert_eq!(first, next, "the same work again");
                        Ok(next)
                    })
                })
            };
            let threads: Vec<_> = (0..6).map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic").expect("a result")).collect()
        });
        let together: Vec<Vec<u32>> = together.into_iter().collect::<Result<_>>()?;
        for (kind, (together, alone)) in together.iter().zip(&alone).enumerate() {
            assert!(together == alone, "work {kind} differs beside other work");
        }
        Ok(together.concat())
    })
}

/// A program with a pool of its own: five threads that take tasks from one list, as `rayon` or a server does.
#[test]
fn tapes_in_the_tasks_of_another_pool() -> Result<()> {
    let alone: Vec<Vec<u32>> = (0..24).map(work).collect::<Result<_>>()?;
    with_every_number_of_threads(|| {
        let tasks = Mutex::new((0..24).rev().collect::<Vec<u64>>());
        let done = Mutex::new(vec![Vec::new(); 24]);
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    loop {
                        // Not in the head of a loop, which would hold the lock for its body.
                        let task = tasks.lock().expect("no panic").pop();
                        let Some(task) = task else { return };
                        let result = work(task).expect("a result");
                        done.lock().expect("no panic")[task as usize] = result;
                    }
                });
            }
        });
        let done = done.into_inner().expect("no panic");
        assert!(done == alone, "a result differs in another pool");
        Ok(done.concat())
    })
}

/// The threads of this process that are ours.
fn own_threads() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let name =
        |thread: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok();
    threads.filter_map(name).filter(|name| name.starts_with("wengert-")).count()
}

/// Prints how many threads may be used, and a result.
#[test]
#[ignore = "runs in a process of its own"]
fn process_of_its_own() -> Result<()> {
    std::thread::scope(|scope| {
        (0..4).for_each(|kind| drop(scope.spawn(move || work(kind).expect("a result"))));
    });
    // However many callers there are, they share the threads.
    assert!(own_threads() < wengert::threads(), "{} of {}", own_threads(), wengert::threads());
    let result = work(0)?.into_iter().fold(0u64, |sum, bits| sum.rotate_left(5) ^ u64::from(bits));
    println!("\nthreads {}, bits {result:x}", wengert::threads());
    Ok(())
}

/// What such a process prints, on standard output in its line above and on standard error.
fn process(variables: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "--nocapture", "together::process_of_its_own"]);
    command.env_remove("WENGERT_NUM_THREADS").env_remove("WENGERT_SIMD").envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("a process");
    assert!(status.success());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let line = text(stdout).lines().find(|line| line.starts_with("threads ")).expect("the line").to_string();
    (line, text(stderr))
}

#[test]
fn the_environment_says_how_many_threads() {
    let (line, error) = process(&[]);
    assert_eq!(error, "");
    let cores = std::thread::available_parallelism().expect("a number").get();
    let bits = line.strip_prefix(&format!("threads {cores}")).expect("one for each core");
    let asked = |value: &str| process(&[("WENGERT_NUM_THREADS", value)]);
    for count in ["1", "2", "3", "8", " 8 "] {
        assert_eq!(asked(count), (format!("threads {}{bits}", count.trim()), String::new()));
    }
    for default in ["0", "", " "] {
        assert_eq!(asked(default), (line.clone(), String::new()));
    }
    for unknown in ["-1", "abc", "2.5"] {
        let said =
            format!("WENGERT_NUM_THREADS={unknown:?} is no number of threads; {cores} are used, one for each core\n");
        assert_eq!(asked(unknown), (line.clone(), said));
    }
    let said = "WENGERT_NUM_THREADS=10000: 1024 threads are used, the most that there may be\n".to_string();
    assert_eq!(asked("10000"), (format!("threads 1024{bits}"), said));
}

#[test]
fn the_environment_says_which_instructions() {
    let asked = |value: &str| process(&[("WENGERT_SIMD", value)]).1;
    for known in ["", "v4", "v3", "baseline"] {
        assert_eq!(asked(known), "");
    }
    assert_eq!(asked("v9"), "WENGERT_SIMD=\"v9\" is not known; baseline, v3 or v4 is the most that may be used\n");
}
