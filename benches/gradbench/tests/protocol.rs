//! What the program answers, message by message.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wengert_gradbench::protocol::{answer, serve};

fn ask(message: &Value) -> Value {
    answer(message.to_string().as_bytes(), None)
}

fn evaluate(module: &str, function: &str, input: Value) -> Value {
    ask(&json!({"id": 7, "kind": "evaluate", "module": module, "function": function, "input": input}))
}

/// The error of an answer that must not be a success.
fn error(answer: &Value) -> &str {
    assert_eq!(answer["success"], false, "{answer}");
    assert!(answer.get("output").is_none());
    answer["error"].as_str().expect("words")
}

#[test]
fn a_sitting_of_the_program() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gradbench"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut exchange = |line: &str| -> Value {
        writeln!(input, "{line}").expect("the program reads");
        let answer = output.next().expect("an answer").expect("text");
        serde_json::from_str(&answer).expect("one object a line")
    };
    assert_eq!(exchange(r#"{"id":0,"kind":"start","eval":"hello"}"#)["tool"], "wengert");
    assert_eq!(exchange(r#"{"id":1,"kind":"define","module":"hello"}"#), json!({"id": 1, "success": true}));
    let square = exchange(r#"{"id":2,"kind":"evaluate","module":"hello","function":"square","input":3.0}"#);
    assert_eq!((&square["id"], &square["success"], &square["output"]), (&json!(2), &json!(true), &json!(9.0)));
    assert!(exchange("{ this is not JSON")["error"].as_str().expect("words").contains("not JSON"));
    let double = exchange(r#"{"id":3,"kind":"evaluate","module":"hello","function":"double","input":9}"#);
    assert_eq!(double["output"], 18.0);
    let names: Vec<&str> =
        double["timings"].as_array().expect("timings").iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["prepare", "evaluate"]);
    assert_eq!(exchange(r#"{"id":4,"kind":"analysis","of":2,"valid":true}"#), json!({"id": 4}));
    assert_eq!(exchange(r#"{"id":5,"kind":"define","module":"bake"}"#), json!({"id": 5, "success": false}));
    assert_eq!(exchange(r#"{"id":"six","kind":"end"}"#), json!({"id": "six"}));
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn lines_that_are_no_messages_get_an_error() {
    for line in
        ["nonsense", "[1]", "3", "{}", r#"{"id":1}"#, r#"{"id":1,"kind":"evaluate"}"#, "\u{0}", "{\"id\":1e999}"]
    {
        let answer = answer(line.as_bytes(), None);
        assert!(!error(&answer).is_empty(), "{line}");
    }
    assert!(!error(&answer(b"\xff\xfe{}", None)).is_empty());
    let deep = "[".repeat(100_000);
    assert!(!error(&answer(deep.as_bytes(), None)).is_empty());
}

#[test]
fn inputs_that_do_not_fit_get_an_error_that_says_where() {
    let lse = |input| evaluate("lse", "gradient", input);
    assert!(error(&lse(json!({"x": []}))).contains("\"x\""));
    assert!(error(&lse(json!({"x": [1, "a"]}))).contains("\"x\""));
    assert!(error(&lse(json!({"x": 1}))).contains("\"x\""));
    assert!(error(&lse(json!(null))).contains("\"x\""));
    assert!(error(&lse(json!({"x": [1], "min_runs": -1}))).contains("min_runs"));
    assert!(error(&lse(json!({"x": [1], "min_seconds": "long"}))).contains("min_seconds"));
    assert!(error(&evaluate("lse", "laplacian", json!({"x": [1]}))).contains("laplacian"));
    assert!(error(&evaluate("lse", "gradient:magic", json!({"x": [1]}))).contains("magic"));
    assert!(error(&evaluate("lse", "gradient:tensor", json!({"x": [1]}))).contains("tensor"));
    assert!(error(&evaluate("bake", "gradient", json!({"x": [1]}))).contains("bake"));
    assert!(error(&evaluate("det", "primal", json!({"A": [1, 2, 3], "ell": 2}))).contains("\"A\""));
    assert!(error(&evaluate("det", "primal", json!({"A": [], "ell": 200}))).contains("\"ell\""));
    assert!(error(&evaluate("llsq", "primal", json!({"x": [1, 2], "n": 1e18}))).contains("\"n\""));
    assert!(error(&evaluate("llsq", "primal", json!({"x": [1, 2], "n": 1.5}))).contains("\"n\""));
    assert!(error(&evaluate("ode", "primal", json!({"x": [1, 2], "s": 0}))).contains("step"));
    let ba = json!({"n": 1, "m": 1, "p": 200_000_000, "cam": [], "x": [], "w": 1, "feat": []});
    assert!(error(&evaluate("ba", "jacobian", ba)).contains("memory"));
    assert!(
        error(&evaluate("kmeans", "dir", json!({"points": [[1, 2], [3]], "centroids": [[1, 2]]}))).contains("points")
    );
    assert!(error(&evaluate("saddle", "rr", json!({"start": [1]}))).contains("start"));
}

#[test]
fn what_is_not_finite_is_an_error() {
    assert!(error(&evaluate("hello", "square", json!(1e300))).contains("finite"));
    assert!(error(&evaluate("llsq", "primal", json!({"x": [1e300, 1e300], "n": 1000}))).contains("finite"));
    // A centroid without points has no curvature.
    let far = json!({"points": [[0.0]], "centroids": [[0.1], [100.0]]});
    assert!(error(&evaluate("kmeans", "dir", far)).contains("finite"));
    // The charges push the particle up for ever.
    assert!(error(&evaluate("particle", "ff", json!({"w": 4.0}))).contains("comes down"));
}

#[test]
fn as_many_runs_as_asked_for() {
    let answer = evaluate("lse", "primal", json!({"x": [0.0, 0.0], "min_runs": 5, "min_seconds": 0.0}));
    assert_eq!(answer["timings"].as_array().expect("timings").len(), 6);
    assert!((answer["output"].as_f64().expect("a number") - 2f64.ln()).abs() < 1e-15);
}

#[test]
fn empty_lines_are_passed_over() {
    let mut output = vec![];
    serve(&b"\n\n{\"id\":1,\"kind\":\"start\"}\r\n"[..], &mut output, None).expect("memory doesn't fail");
    assert_eq!(output.iter().filter(|&&byte| byte == b'\n').count(), 1);
}

#[test]
fn the_shapes_of_outputs() {
    let gmm = json!({
        "d": 1, "k": 2, "n": 2, "m": 0, "gamma": 1.0, "x": [[0.5], [1.5]], "alpha": [0.1, 0.2], "mu": [[0.0], [1.0]],
        "q": [[0.1], [0.2]], "l": [[], []]
    });
    let output = &evaluate("gmm", "jacobian", gmm)["output"];
    assert_eq!(output["l"], json!([[], []]));
    assert_eq!(output["mu"].as_array().expect("rows").len(), 2);
    let ba = json!({
        "n": 3, "m": 5, "p": 7, "w": 0.4, "feat": [1.0, 2.0], "x": [0.5, 0.2, 9.0],
        "cam": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 500.0, 1.0, 2.0, 0.01, 0.02]
    });
    let errors = &evaluate("ba", "objective", ba.clone())["output"];
    assert_eq!((&errors["w_err"]["repeated"], &errors["reproj_error"]["repeated"]), (&json!(7), &json!(7)));
    assert!((errors["w_err"]["element"].as_f64().expect("a number") - 0.84).abs() < 1e-15);
    let jacobian = &evaluate("ba", "jacobian", ba)["output"];
    for (name, last) in [("rows", 30 * 7 + 7), ("cols", 3 * 11 + 5 * 3 + 7 - 1)] {
        let list = jacobian[name].as_array().expect("a list");
        assert_eq!(list.last(), Some(&json!(last)), "{name}");
        assert!(list.len() <= 31);
    }
    assert_eq!(jacobian["vals"].as_array().expect("a list").len(), 31);
    assert_eq!(jacobian["vals"][30], -0.8);
}
