//! Plans on standard error as they are made, where the environment asks for it.

use std::sync::OnceLock;

use super::plan::Steps;
use super::print::{Plan, counted};
use crate::kernels::number::Element;
use crate::tape::Inner;

/// The environment variable: `1` or `plan` prints plans; `0`, nothing, or no variable does not.
const VARIABLE: &str = "WENGERT_TRACE";

/// Prints a plan that was just made, if that is asked for.
pub(crate) fn show<T: Element>(tape: &Inner<T>, ids: &[u32], steps: &Steps) {
    static ON: OnceLock<bool> = OnceLock::new();
    if *ON.get_or_init(is_on) {
        let (nodes, outputs) = (counted(ids.len(), "node"), counted(steps.asked().outputs.len(), "output"));
        eprint!("plan of {nodes} for {outputs}, {}\n{}", T::NAME, Plan::of(tape, ids, steps));
    }
}

fn is_on() -> bool {
    let value = std::env::var_os(VARIABLE).unwrap_or_default();
    match value.to_str() {
        Some("1" | "plan") => true,
        Some("" | "0") => false,
        _ => {
            eprintln!("{VARIABLE}={value:?} is not known; 1 or plan prints plans as they are made");
            false
        }
    }
}
