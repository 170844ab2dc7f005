//! GradBench's protocol: one JSON message a line, one answer a line.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::evals::{Evaluation, MODULES};
use crate::job::times;
use crate::json::{Result, printable, size};
use crate::ways::Way;

/// The longest that one message may keep the tool busy, in seconds of measured time.
const LONGEST: f64 = 86_400.0;

/// Answers messages until there are no more.
///
/// # Errors
/// Those of reading and writing.
pub fn serve(input: impl BufRead, mut output: impl Write, way: Option<Way>) -> std::io::Result<()> {
    for line in input.split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        writeln!(output, "{}", answer(&line, way))?;
        output.flush()?;
    }
    Ok(())
}

/// The answer to one line, whatever it says.
pub fn answer(line: &[u8], way: Option<Way>) -> Value {
    let message = match serde_json::from_slice::<Value>(line) {
        Ok(Value::Object(message)) => message,
        Ok(_) => return json!({"id": null, "success": false, "error": "a message is an object"}),
        Err(error) => return json!({"id": null, "success": false, "error": format!("not JSON: {error}")}),
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    match message.get("kind").and_then(Value::as_str) {
        Some("start") => json!({"id": id, "tool": "wengert", "config": {"way": way.map(|way| way.to_string())}}),
        Some("define") => {
            let module = message.get("module").and_then(Value::as_str).unwrap_or_default();
            json!({"id": id, "success": MODULES.iter().any(|(name, _)| *name == module)})
        }
        Some("evaluate") => {
            let mut answer = match evaluated(&message, way) {
                Ok(answer) => answer,
                Err(error) => json!({"success": false, "error": error}),
            };
            answer["id"] = id;
            answer
        }
        Some(_) => json!({"id": id}),
        None => json!({"id": id, "success": false, "error": "the message has no \"kind\""}),
    }
}

fn text<'m>(message: &'m Map<String, Value>, name: &str) -> Result<&'m str> {
    message.get(name).and_then(Value::as_str).ok_or_else(|| format!("the message has no \"{name}\""))
}

/// A mistake that the input provokes deep inside ends as an answer, not as the end of the program.
fn evaluated(message: &Map<String, Value>, way: Option<Way>) -> Result<Value> {
    let module = text(message, "module")?;
    let function = text(message, "function")?;
    let input = message.get("input").ok_or("the message has no \"input\"")?;
    catch_unwind(AssertUnwindSafe(|| evaluate(module, function, input, way))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(format!("the evaluation panicked: {}", words.unwrap_or_default()))
    })
}

/// Runs `function`, or `function:way`.
fn evaluate(module: &str, function: &str, input: &Value, way: Option<Way>) -> Result<Value> {
    let (function, way) = match function.split_once(':') {
        Some((function, way)) => (function, Some(way.parse()?)),
        None => (function, way),
    };
    let min_runs = if input.get("min_runs").is_some() { size(input, "min_runs")? } else { 1 };
    let min_seconds = input.get("min_seconds").map_or(Some(0.0), Value::as_f64);
    let min_seconds = min_seconds.filter(|seconds| *seconds <= LONGEST).ok_or("\"min_seconds\" isn't a time")?;
    let start = Instant::now();
    let mut job = Evaluation::parse(module, input)?.job(function, way)?;
    let prepared = start.elapsed();
    let evaluated = times(&mut *job, min_runs.max(1), min_seconds)?;
    let output = job.output();
    if !printable(&output) {
        return Err("the output isn't finite".into());
    }
    let timing = |name: &str, time: std::time::Duration| json!({"name": name, "nanoseconds": time.as_nanos() as u64});
    let mut timings = vec![timing("prepare", prepared)];
    timings.extend(evaluated.into_iter().map(|time| timing("evaluate", time)));
    Ok(json!({"success": true, "output": output, "timings": timings}))
}
