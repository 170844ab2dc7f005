//! A network of two hidden layers learns to read handwritten digits.
//!
//! `cargo run --release --example mnist -- --help` lists the options.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::ValueExt;
use rand::{SeedableRng, rngs::StdRng};
use wengert::data::{self, ImageSet};
use wengert::prelude::*;

const HELP: &str = "\
Trains a network of two hidden layers of 128 on handwritten digits.

  --data DIR           the four IDX files of MNIST, plain or .gz [an embedded subset: 10,000 + 1,000 images]
  --epochs N           passes over the training images [10]
  --batch-size N       images a step [128]
  --learning-rate X    of Adam [0.001]
  --seed N             of the first weights and of the order of the images [0]
  --save FILE          writes the trained weights (safetensors)
  --json               one JSON object a line instead of text
  --help               this text
";

struct Options {
    data: Option<PathBuf>,
    epochs: u64,
    batch_size: usize,
    learning_rate: f64,
    seed: u64,
    save: Option<PathBuf>,
    json: bool,
}

/// The model: its parameters, by the names that they have in a saved file, and one formula.
#[derive(Module, Clone, Debug)]
struct Mlp {
    first: Linear,
    second: Linear,
    out: Linear,
}

impl Mlp {
    fn new(rng: &mut StdRng) -> Self {
        Mlp { first: Linear::new(784, 128, rng), second: Linear::new(128, 128, rng), out: Linear::new(128, 10, rng) }
    }

    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let x = self.first.forward(x).relu();
        let x = self.second.forward(x).relu();
        self.out.forward(x)
    }

    /// The most likely digit of each image. An inference tape keeps no intermediate values, for nobody will
    /// differentiate.
    fn predict(&self, images: &Tensor) -> Result<Vec<usize>> {
        let tape = Tape::inference();
        let digits = self.forward(tape.constant(images)).argmax(1, false).value()?;
        Ok(digits.as_slice().iter().map(|&digit| digit as usize).collect())
    }

    fn accuracy(&self, test: &ImageSet) -> Result<f64> {
        let mut right = 0;
        for batch in test.loader(1000) {
            let batch = batch?;
            let predictions = self.predict(&batch.inputs)?;
            right += predictions.iter().zip(batch.targets.as_slice()).filter(|(p, t)| p == t).count();
        }
        Ok(right as f64 / test.len().max(1) as f64)
    }
}

fn run(options: &Options, out: &mut impl Write) -> Result<()> {
    let (train, test) = match &options.data {
        Some(folder) => data::Mnist::open(folder)?,
        None => data::mnist()?,
    };
    let mut model = Mlp::new(&mut StdRng::seed_from_u64(options.seed));
    let mut optimizer = Adam::new(options.learning_rate);
    let mut step = 0;
    let mut training_seconds = 0.0;
    for epoch in 1..=options.epochs {
        let start = Instant::now();
        let loader = train.loader(options.batch_size).shuffle(options.seed.wrapping_add(epoch));
        let bar = progress_bar(epoch, loader.num_batches());
        let mut total = 0.0;
        for batch in loader {
            let batch = batch?;
            // A tape lives for one step. The model outlives it: the tape only borrows its parameters.
            let tape = Tape::training(step);
            let loss = loss::cross_entropy(model.forward(tape.constant(&batch.inputs)), &batch.targets);
            let gradients = loss.backward()?;
            optimizer.step(&mut model, &gradients)?;
            total += f64::from(loss.item()?) * batch.targets.len() as f64;
            step += 1;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let seconds = start.elapsed().as_secs_f64();
        training_seconds += seconds;
        let loss = total / train.len() as f64;
        if !loss.is_finite() {
            let message = format!("the loss is {loss} after epoch {epoch}");
            return Err(Error::new(ErrorKind::NonFinite, message).hint("try a smaller --learning-rate"));
        }
        let accuracy = model.accuracy(&test)?;
        match options.json {
            true => {
                let numbers = format!(r#""loss":{loss:.6},"test_accuracy":{accuracy:.4},"seconds":{seconds:.3}"#);
                writeln!(out, r#"{{"epoch":{epoch},{numbers}}}"#)?;
            }
            false => writeln!(out, "epoch {epoch:2}   loss {loss:.4}   test accuracy {accuracy:.4}   {seconds:.2} s")?,
        }
    }
    if let Some(path) = &options.save {
        nn::save(&model, path)?;
    }
    let accuracy = model.accuracy(&test)?;
    match options.json {
        true => writeln!(out, r#"{{"test_accuracy":{accuracy:.4},"training_seconds":{training_seconds:.3}}}"#)?,
        false => {
            draw(&model, &test, out)?;
            writeln!(out, "test accuracy: {accuracy:.4}")?;
        }
    }
    Ok(())
}

/// Four test images side by side, and below each what it shows and what the model reads.
fn draw(model: &Mlp, test: &ImageSet, out: &mut impl Write) -> Result<()> {
    // One character shows 2 x 2 pixels: bit 0 is the one at the top left, bit 3 the one at the bottom right.
    const QUARTERS: [char; 16] = [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'];
    let images = test.batch(&[0, 1, 2, 3])?;
    let ink = |image: usize, y: usize, x: usize| usize::from(images.inputs.as_slice()[784 * image + 28 * y + x] > 0.4);
    writeln!(out)?;
    for y in (0..28).step_by(2) {
        let row = |i| -> String {
            let character = |x| ink(i, y, x) + 2 * ink(i, y, x + 1) + 4 * ink(i, y + 1, x) + 8 * ink(i, y + 1, x + 1);
            (0..28).step_by(2).map(|x| QUARTERS[character(x)]).collect()
        };
        writeln!(out, "{}", [0, 1, 2, 3].map(row).join("     ").trim_end())?;
    }
    let labels = images.targets.as_slice().iter().zip(model.predict(&images.inputs)?);
    let labels: Vec<String> =
        labels.map(|(label, read)| format!("{:14}", format!("  is {label}, read {read}"))).collect();
    writeln!(out, "{}\n", labels.join("     ").trim_end())?;
    Ok(())
}

/// On stderr, so that the results can be piped; invisible where stderr is not a terminal.
fn progress_bar(epoch: u64, steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len}  {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps as u64).with_style(style).with_prefix(format!("epoch {epoch:2}"))
}

/// The options of the command line, or `None` where the help was asked for.
fn options() -> std::result::Result<Option<Options>, lexopt::Error> {
    use lexopt::Arg::Long;
    let mut options =
        Options { data: None, epochs: 10, batch_size: 128, learning_rate: 1e-3, seed: 0, save: None, json: false };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("data") => options.data = Some(parser.value()?.into()),
            Long("epochs") => options.epochs = number(&mut parser, "--epochs")?,
            Long("batch-size") => options.batch_size = number(&mut parser, "--batch-size")?,
            Long("learning-rate") => options.learning_rate = number(&mut parser, "--learning-rate")?,
            Long("seed") => options.seed = number(&mut parser, "--seed")?,
            Long("save") => options.save = Some(parser.value()?.into()),
            Long("json") => options.json = true,
            Long("help") | lexopt::Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    if options.batch_size == 0 {
        return Err("--batch-size must be at least 1".into());
    }
    if !(options.learning_rate > 0.0 && options.learning_rate.is_finite()) {
        return Err("--learning-rate must be a number above 0".into());
    }
    Ok(Some(options))
}

/// The number after a flag, or an error that names the flag.
fn number<N: FromStr<Err: Display>>(parser: &mut lexopt::Parser, flag: &str) -> std::result::Result<N, lexopt::Error> {
    let text = parser.value()?.string()?;
    text.parse().map_err(|error| format!("{flag} {text}: {error}").into())
}

fn is_broken_pipe(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match run(&options, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who read the results has read enough of them.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
