//! Looking at plans: as text, as JSON, with measured times, and on standard error as they are made.

use std::process::{Command, Output};

use serde_json::Value;
use wengert_autograd::kernels::pool;
use wengert_autograd::{ErrorKind, Result, Tape, Tensor, Var};

fn layers(tape: &Tape<f32>) -> (Var<'_>, Var<'_>) {
    let x = tape.constant(Tensor::from_fn([32, 16], |i| (i as f32 * 0.1).sin()));
    let w = tape.input(Tensor::from_fn([16, 16], |i| (i as f32 * 0.3).cos() * 0.2));
    let h = x.matmul(w).tanh().named("hidden\t\"h\"");
    (h.matmul(w).square().mean(), w)
}

#[test]
fn a_plan_as_json_says_what_its_text_says() -> Result<()> {
    let tape = Tape::new();
    let (loss, w) = layers(&tape);
    tape.memory_limit(1 << 20);
    let plan = tape.plan([loss, loss.grad([w])[0]])?;
    let json: Value = serde_json::from_str(&plan.to_json()).expect("JSON");
    let kernels = json["kernels"].as_array().expect("kernels");
    assert_eq!(kernels.len(), plan.kernels().len());
    for (kernel, json) in plan.kernels().iter().zip(kernels) {
        assert_eq!(json["formulas"].as_array().expect("formulas").len(), kernel.formulas.len());
        assert_eq!(json["formulas"][0].as_str(), Some(kernel.formulas[0].as_str()));
        assert_eq!(json["flops"], kernel.flops);
        assert_eq!(json["bytes"], kernel.bytes);
        assert_eq!(json["shape"].as_array().expect("a shape").len(), kernel.shape.len());
    }
    assert_eq!(json["peak_bytes"], plan.peak_bytes());
    assert_eq!(json["limit"], 1 << 20);
    assert_eq!(json["recomputed"], 0);
    let sums = kernels.iter().map(|kernel| kernel["flops"].as_u64().expect("a number")).sum::<u64>();
    assert_eq!(json["flops"], sums);
    let text = plan.to_string();
    assert!(text.contains(&format!("{} bytes at most", plan.peak_bytes())), "{text}");
    assert!(text.contains("to result ") && text.contains("to buffer "), "{text}");
    assert!(text.ends_with("limit 1048576 bytes: no value is computed again\n"), "{text}");
    Ok(())
}

#[test]
fn buffers_that_are_used_again_are_called_so() -> Result<()> {
    let tape = Tape::<f64>::inference();
    let x = tape.input(Tensor::ones([100]));
    let plan = tape.plan([(0..4).fold(x, |y, _| y.cumsum(0))])?;
    let writes: Vec<&str> = plan.kernels().iter().map(|kernel| kernel.writes[0].as_str()).collect();
    assert_eq!(writes, ["buffer 0", "buffer 1", "buffer 0 again", "result 0"]);
    assert_eq!((plan.buffer_bytes(), plan.result_bytes(), plan.peak_bytes()), (1600, 800, 2400));
    Ok(())
}

#[test]
fn a_profile_has_a_time_for_each_kernel() -> Result<()> {
    let tape = Tape::new();
    let (loss, w) = layers(&tape);
    let gradient = loss.grad([w])[0];
    let profile = tape.profile([loss, gradient])?;
    let kernels = profile.plan().kernels();
    assert_eq!((profile.seconds().len(), profile.limits().count()), (kernels.len(), kernels.len()));
    assert!(profile.seconds().iter().chain(&profile.limits().collect::<Vec<_>>()).all(|&seconds| seconds > 0.0));
    assert!((profile.seconds().iter().sum::<f64>() - profile.total_seconds()).abs() < 1e-12);
    assert!(profile.runs() >= 2);
    let text = profile.to_string();
    assert_eq!(text.lines().count(), kernels.len() + 3, "{text}");
    let json: Value = serde_json::from_str(&profile.to_json()).expect("JSON");
    for (json, (kernel, &seconds)) in
        json["kernels"].as_array().expect("kernels").iter().zip(kernels.iter().zip(profile.seconds()))
    {
        let near = |name: &str, value: f64| (json[name].as_f64().expect("a number") / value - 1.0).abs() < 1e-12;
        assert!(near("seconds", seconds));
        assert!(near("flops_per_second", kernel.flops as f64 / seconds));
        assert!(near("bytes_per_second", kernel.bytes as f64 / seconds));
        assert!(json["share_of_limit"].as_f64().expect("a share") > 0.0);
    }
    assert_eq!(json["threads"], pool::threads());
    assert_eq!(json["peak"]["passes"].as_array().expect("passes").len(), profile.peak().passes.len());
    // Nothing was left on the tape, and values are what they are without.
    let other = Tape::new();
    let (expected, _) = layers(&other);
    assert_eq!(loss.value()?, expected.value()?);
    Ok(())
}

#[test]
fn a_profile_of_what_cannot_run_is_an_error() {
    let tape = Tape::<f32>::new();
    let x = tape.input(Tensor::ones([2]));
    assert_eq!(tape.profile([x.reshape([3])]).unwrap_err().kind(), ErrorKind::Shape);
    let tape = Tape::<f32>::new();
    tape.check_finite(true);
    let x = tape.input(Tensor::zeros([2]));
    assert_eq!(tape.profile([x.ln()]).unwrap_err().kind(), ErrorKind::NonFinite);
}

#[test]
fn a_profile_of_nothing_takes_no_time() -> Result<()> {
    let tape = Tape::<f32>::new();
    let profile = tape.profile([tape.input(Tensor::ones([2]))])?;
    assert_eq!(profile.seconds(), [0.0; 0]);
    assert!(profile.to_string().contains("\n0.00 us on "), "{profile}");
    assert!(profile.to_json().contains("\"seconds\":0.0,"), "{}", profile.to_json());
    Ok(())
}

#[test]
fn the_machine_is_measured_once() {
    let peak = wengert_autograd::kernels::peak::peak::<f32>();
    assert!(peak.flops > 1e6 && peak.flops.is_finite(), "{peak:?}");
    assert!(peak.passes.iter().all(|pass| pass.1 > 1e6 && pass.1.is_finite()), "{peak:?}");
    assert_eq!(peak.bandwidth(1), peak.passes[0].1);
    assert_eq!(peak.bandwidth(usize::MAX), peak.passes[peak.passes.len() - 1].1);
}

/// Computes something in a process whose environment is known: see `traced`.
#[test]
#[ignore = "runs in a process of its own"]
fn traced_process() -> Result<()> {
    for _ in 0..3 {
        let tape = Tape::<f64>::new();
        tape.input(Tensor::ones([5])).tanh().sum().value()?;
    }
    Ok(())
}

fn traced(value: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--ignored", "--exact", "--nocapture", "traced_process"]);
    match value {
        Some(value) => command.env("WENGERT_TRACE", value),
        None => command.env_remove("WENGERT_TRACE"),
    };
    let Output { status, stderr, .. } = command.output().expect("a process");
    assert!(status.success());
    String::from_utf8(stderr).expect("text")
}

#[test]
fn the_environment_asks_for_plans_as_they_are_made() {
    let plan = traced(Some("1"));
    // Three steps of one structure are one plan.
    assert_eq!(plan.matches("plan of 3 nodes for 1 output, f64\nkernel 0 : [5]").count(), 1, "{plan}");
    assert!(plan.contains("    %1 = tanh(%0)\n"), "{plan}");
    assert_eq!(traced(Some("plan")), plan);
    for off in [None, Some(""), Some("0")] {
        assert_eq!(traced(off), "");
    }
    let unknown = traced(Some("loud"));
    assert_eq!(unknown, "WENGERT_TRACE=\"loud\" is not known; 1 or plan prints plans as they are made\n");
}
