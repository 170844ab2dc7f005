//! The evaluations, each in a file of its own.

pub mod ba;
pub mod det;
pub mod gmm;
pub mod gmm_tensor;
pub mod hello;
pub mod ht;
pub mod kmeans;
pub mod llsq;
pub mod lse;
pub mod lstm;
pub mod ode;
pub mod particle;
pub mod saddle;

use serde_json::{Value, json};

use crate::job::{Job, job};
use crate::json::{self, Result};
use crate::ways::{self, Forward, Objective, Reverse, Way};

/// An evaluation with its input.
#[derive(Clone, Debug)]
pub enum Evaluation {
    /// See [`hello`].
    Hello(hello::Hello),
    /// See [`gmm`].
    Gmm(gmm::Gmm),
    /// See [`ba`].
    Ba(ba::Ba),
    /// See [`lstm`].
    Lstm(lstm::Lstm),
    /// See [`ht`].
    Ht(ht::Ht),
    /// See [`kmeans`].
    Kmeans(kmeans::Kmeans),
    /// See [`lse`].
    Lse(lse::Lse),
    /// See [`ode`].
    Ode(ode::Ode),
    /// See [`det`].
    Det(det::Det),
    /// See [`llsq`].
    Llsq(llsq::Llsq),
    /// See [`saddle`].
    Saddle(saddle::Saddle),
    /// See [`particle`].
    Particle(particle::Particle),
}

/// Names, with those of the functions: the plain one first where there is one.
pub const MODULES: [(&str, &[&str]); 12] = [
    ("hello", &["square", "double"]),
    ("gmm", &["objective", "jacobian"]),
    ("ba", &["objective", "jacobian"]),
    ("lstm", &["objective", "jacobian"]),
    ("ht", &["objective", "jacobian"]),
    ("kmeans", &["cost", "dir"]),
    ("lse", &["primal", "gradient"]),
    ("ode", &["primal", "gradient"]),
    ("det", &["primal", "gradient"]),
    ("llsq", &["primal", "gradient"]),
    ("saddle", &["rr", "ff", "fr", "rf"]),
    ("particle", &["rr", "ff", "fr", "rf"]),
];

impl Evaluation {
    /// Reads the input of a message.
    pub fn parse(module: &str, input: &Value) -> Result<Evaluation> {
        Ok(match module {
            "hello" => Evaluation::Hello(hello::Hello([input.as_f64().ok_or("the input isn't a number")?])),
            "gmm" => Evaluation::Gmm(gmm::Gmm::parse(input)?),
            "ba" => Evaluation::Ba(ba::Ba::parse(input)?),
            "lstm" => Evaluation::Lstm(lstm::Lstm::parse(input)?),
            "ht" => Evaluation::Ht(ht::Ht::parse(input)?),
            "kmeans" => Evaluation::Kmeans(kmeans::Kmeans::parse(input)?),
            "lse" => Evaluation::Lse(lse::Lse::parse(input)?),
            "ode" => Evaluation::Ode(ode::Ode::parse(input)?),
            "det" => Evaluation::Det(det::Det::parse(input)?),
            "llsq" => Evaluation::Llsq(llsq::Llsq::parse(input)?),
            "saddle" => Evaluation::Saddle(saddle::Saddle::parse(input)?),
            "particle" => Evaluation::Particle(particle::Particle::parse(input)?),
            _ => return Err(format!("there is no module \"{module}\"")),
        })
    }

    /// The function `name`, ready to run; `way` is how a gradient is computed, the fastest unless it is given.
    pub fn job(self, name: &str, way: Option<Way>) -> Result<Box<dyn Job>> {
        let flat = |x: &[f64]| Value::from(x);
        match (self, name) {
            (Evaluation::Hello(e), "square") => Ok(value(e)),
            (Evaluation::Hello(e), "double") => gradient(e, way, |_, g| Value::from(g[0])),
            (Evaluation::Gmm(e), "objective") => Ok(value(e)),
            (Evaluation::Gmm(e), "jacobian") => gradient(e, way, print_gmm),
            (Evaluation::Lstm(e), "objective") => Ok(value(e)),
            (Evaluation::Lstm(e), "jacobian") => gradient(e, way, move |_, g| flat(g)),
            (Evaluation::Lse(e), "primal") => Ok(value(e)),
            (Evaluation::Lse(e), "gradient") => gradient(e, way, move |_, g| flat(g)),
            (Evaluation::Det(e), "primal") => Ok(value(e)),
            (Evaluation::Det(e), "gradient") => gradient(e, way, move |_, g| flat(g)),
            (Evaluation::Llsq(e), "primal") => Ok(value(e)),
            (Evaluation::Llsq(e), "gradient") => gradient(e, way, move |_, g| flat(g)),
            (Evaluation::Ode(e), "primal") => Ok(ode_primal(e)),
            (Evaluation::Ode(e), "gradient") => gradient(e, way, move |_, g| flat(g)),
            (Evaluation::Kmeans(e), "cost") => Ok(value(e)),
            (Evaluation::Kmeans(e), "dir") => kmeans::direction(e, way),
            (Evaluation::Ba(e), "objective") => Ok(ba_errors(e)),
            (Evaluation::Ba(e), "jacobian") => ba::jacobian(e, way),
            (Evaluation::Ht(e), "objective") => Ok(ht_errors(e)),
            (Evaluation::Ht(e), "jacobian") => ht::jacobian(e, way),
            (Evaluation::Saddle(e), modes) => saddle_job(e, modes, way),
            (Evaluation::Particle(e), modes) => particle_job(e, modes),
            _ => Err(format!("there is no function \"{name}\"")),
        }
    }
}

fn value<O: Objective + 'static>(objective: O) -> Box<dyn Job> {
    let run = move |out: &mut f64| {
        *out = objective.value::<f64>(std::hint::black_box(objective.point()));
        Ok(())
    };
    job(run, |&out| Value::from(out))
}

fn gradient<O: Objective + Clone + 'static>(
    objective: O,
    way: Option<Way>,
    print: impl Fn(&O, &[f64]) -> Value + 'static,
) -> Result<Box<dyn Job>> {
    let shape = objective.clone();
    let run = ways::gradient(objective, way)?;
    Ok(job(run, move |out: &Vec<f64>| print(&shape, out)))
}

fn print_gmm(gmm: &gmm::Gmm, gradient: &[f64]) -> Value {
    let gmm::Parts { alpha, mu, q, l } = gmm.parts(gradient);
    let l = match gmm.below() {
        0 => Value::from(vec![Value::Array(vec![]); gmm.k]),
        below => json::nested(l, below),
    };
    json!({"alpha": alpha, "mu": json::nested(mu, gmm.d), "q": json::nested(q, gmm.d), "l": l})
}

fn ode_primal(ode: ode::Ode) -> Box<dyn Job> {
    let run = move |out: &mut Vec<f64>| {
        *out = ode.solution::<f64>(std::hint::black_box(&ode.x));
        Ok(())
    };
    job(run, |out: &Vec<f64>| Value::from(out.as_slice()))
}

fn ba_errors(ba: ba::Ba) -> Box<dyn Job> {
    let run = move |out: &mut ba::Errors| {
        ba.errors(out);
        Ok(())
    };
    job(run, ba::print_errors)
}

fn ht_errors(ht: ht::Ht) -> Box<dyn Job> {
    let run = move |out: &mut Vec<f64>| {
        *out = ht.errors::<f64>(std::hint::black_box(&ht.theta), &ht.us);
        Ok(())
    };
    job(run, |out: &Vec<f64>| Value::from(out.as_slice()))
}

fn saddle_job(saddle: saddle::Saddle, modes: &str, way: Option<Way>) -> Result<Box<dyn Job>> {
    let solve = match modes {
        "rr" => saddle::Saddle::solve::<Reverse, Reverse>,
        "rf" => saddle::Saddle::solve::<Reverse, Forward>,
        "fr" => saddle::Saddle::solve::<Forward, Reverse>,
        "ff" => saddle::Saddle::solve::<Forward, Forward>,
        _ => return Err(format!("there is no function \"{modes}\"")),
    };
    let run = move |out: &mut Vec<f64>| {
        *out = solve(&saddle, way == Some(Way::Record));
        Ok(())
    };
    Ok(job(run, |out: &Vec<f64>| Value::from(out.as_slice())))
}

fn particle_job(particle: particle::Particle, modes: &str) -> Result<Box<dyn Job>> {
    let solve = match modes {
        "rr" => particle::Particle::solve::<Reverse, Reverse>,
        "rf" => particle::Particle::solve::<Reverse, Forward>,
        "fr" => particle::Particle::solve::<Forward, Reverse>,
        "ff" => particle::Particle::solve::<Forward, Forward>,
        _ => return Err(format!("there is no function \"{modes}\"")),
    };
    let run = move |out: &mut f64| {
        *out = solve(&particle)?;
        Ok(())
    };
    Ok(job(run, |&out| Value::from(out)))
}
