//! GradBench's tool: messages on standard input, answers on standard output; or `gradbench --bench`.

use std::io::{BufWriter, stdin, stdout};
use std::process::ExitCode;

use wengert_gradbench::bench::{Options, bench};
use wengert_gradbench::protocol::serve;
use wengert_gradbench::ways::Way;

const HELP: &str = "\
gradbench [--way record|replay|tensor] [--threads N]     answers GradBench's messages on standard input
gradbench --bench [--seconds S] [--json] [--only CASE] [--way WAY]
                                                         measures on inputs of its own

A gradient is computed in the fastest way unless --way says otherwise; a message can ask for a way itself:
\"jacobian:record\". There is one thread unless --threads says otherwise.";

enum Action {
    Serve(Option<Way>),
    Bench(Options),
    Help,
}

fn main() -> ExitCode {
    // GradBench compares tools on one thread.
    wengert::set_threads(1);
    let result = match action() {
        Ok(Action::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Action::Serve(way)) => {
            serve(stdin().lock(), BufWriter::new(stdout().lock()), way).map_err(|error| error.to_string())
        }
        Ok(Action::Bench(options)) => bench(&options),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn action() -> Result<Action, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut way, mut bench, mut options) = (None, false, Options::default());
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("way") => way = Some(parser.value()?.parse()?),
            Long("threads") => wengert::set_threads(parser.value()?.parse()?),
            Long("bench") => bench = true,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("json") => options.json = true,
            Long("only") => options.only = Some(parser.value()?.string()?),
            Long("help") | Short('h') => return Ok(Action::Help),
            _ => return Err(argument.unexpected()),
        }
    }
    options.way = way;
    if bench { Ok(Action::Bench(options)) } else { Ok(Action::Serve(way)) }
}
