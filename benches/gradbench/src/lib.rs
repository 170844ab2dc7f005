//! GradBench's evaluations with `wengert::scalar`: each objective written once, for every kind of number.
//!
//! The definitions are those of the public repository gradbench/gradbench. The program `gradbench` speaks its protocol.

pub mod bench;
pub mod descent;
pub mod evals;
pub mod inputs;
pub mod job;
pub mod json;
pub mod number;
pub mod protocol;
pub mod ways;
