//! The mixture's gradient on the tensor tape: all points and components at once.

use wengert::{IndexTensor, Result, Tape, Tensor, Var};

use super::gmm::{Gmm, Parts};
use crate::ways::Gradient;

/// Records once a call and sweeps: a plan for the same shapes is found again.
pub fn gradient(gmm: Gmm) -> crate::json::Result<Gradient> {
    let places = places(gmm.d);
    let points = tensor([1, gmm.n, gmm.d], &gmm.x).map_err(|error| error.to_string())?;
    let mut tape = Tape::new();
    Ok(Box::new(move |out| {
        tape.clear();
        write(&tape, &gmm, &points, &places, out).map_err(|error| error.to_string())
    }))
}

fn tensor<const R: usize>(shape: [usize; R], values: &[f64]) -> Result<Tensor<f64>> {
    Tensor::from_vec(shape, values.to_vec())
}

fn write(tape: &Tape<f64>, gmm: &Gmm, points: &Tensor<f64>, places: &IndexTensor, out: &mut Vec<f64>) -> Result<()> {
    let (d, k) = (gmm.d, gmm.k);
    let Parts { alpha, mu, q, l } = gmm.parts(&gmm.parameters);
    let alpha = tape.input(tensor([k, 1], alpha)?);
    let mu = tape.input(tensor([k, 1, d], mu)?);
    let q = tape.input(tensor([k, d], q)?);
    let l = tape.input(tensor([k, gmm.below()], l)?);
    let zero = tape.constant(Tensor::zeros([k, 1]));
    let factors = tape.cat(&[zero, q.exp(), l], 1).index_select(1, places.clone()).reshape([k, d, d]);
    let scaled = (tape.constant(points) - mu).matmul(factors);
    let terms = alpha + q.sum_axes(&[1], true) - scaled.square().sum_axes(&[2], false) * 0.5;
    let value = terms.logsumexp_axes(&[0], false).sum() + rest(gmm, alpha, q, l);
    let gradients = value.backward()?;
    out.clear();
    for part in [alpha, mu, q, l] {
        match gradients.wrt(part) {
            Some(gradient) => out.extend_from_slice(gradient.as_slice()),
            None => out.resize(out.len() + part.shape().iter().product::<usize>(), 0.0),
        }
    }
    Ok(())
}

/// What the prior and the weights' normalisation add.
fn rest<'t>(gmm: &Gmm, alpha: Var<'t, f64>, q: Var<'t, f64>, l: Var<'t, f64>) -> Var<'t, f64> {
    let squares = q.exp().square().sum() + l.square().sum();
    let prior = squares * (0.5 * gmm.gamma * gmm.gamma) - q.sum() * gmm.m as f64;
    alpha.logsumexp() * -(gmm.n as f64) - prior + gmm.constant()
}

/// Where in (0, diagonal, below it) each entry of the transposed factor stands.
fn places(d: usize) -> IndexTensor {
    let mut places = vec![0; d * d];
    let mut next = 1 + d;
    for i in 0..d {
        places[i * d + i] = 1 + i;
        for j in i + 1..d {
            places[i * d + j] = next;
            next += 1;
        }
    }
    IndexTensor::from(places)
}
