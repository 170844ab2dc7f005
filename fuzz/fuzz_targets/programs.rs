//! Any bytes are a program: recorded on a tape, and run by every executor. The test `executors` of `wengert-autograd` does
//! the same with random bytes.
//!
//! `cargo +nightly fuzz run --codegen-units 16 programs -- -max_total_time=600 -max_len=160 -len_control=0` in `fuzz/` builds
//! and runs it. The first runs, of 19 minutes together on a shared machine, tried 16,000 programs of up to 6 bytes and 650 of
//! up to 160, and found nothing.

#![no_main]

#[path = "../../crates/autograd/tests/program/bytes.rs"]
mod bytes;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../crates/autograd/tests/program/steps.rs"]
mod steps;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let program = bytes::decode(data);
    if let Err(difference) = bytes::compare(&program) {
        panic!("{difference}, by {program:?}");
    }
});
