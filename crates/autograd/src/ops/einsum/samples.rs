//! Samples of `einsum`, and its definition: a sum over all values of all letters.

use ndarray::ArrayD;

use super::einsum;
use crate::kernels::number::Element;
use crate::ops::registry::{Sample, Text, spread};

/// The sum of products over all values of all letters. Terms have a letter for each axis; an axis of length 1 repeats.
fn slow(terms: &[&str], output: &str, x: &[ArrayD<f64>]) -> ArrayD<f64> {
    let mut letters: Vec<(char, usize)> = vec![];
    for (term, x) in terms.iter().zip(x) {
        for (letter, &length) in term.chars().zip(x.shape()) {
            match letters.iter_mut().find(|(own, _)| *own == letter) {
                Some((_, known)) if *known == 1 => *known = length,
                Some(_) => {}
                None => letters.push((letter, length)),
            }
        }
    }
    let find = |letter: char| letters.iter().position(|(own, _)| *own == letter).unwrap_or(0);
    let output: Vec<usize> = output.chars().map(find).collect();
    let mut y = ArrayD::zeros(output.iter().map(|&i| letters[i].1).collect::<Vec<usize>>());
    let all = ArrayD::<f64>::zeros(letters.iter().map(|&(_, length)| length).collect::<Vec<usize>>());
    for (values, _) in all.indexed_iter() {
        let product: f64 = terms
            .iter()
            .zip(x)
            .map(|(term, x)| {
                let place: Vec<usize> =
                    term.chars().zip(x.shape()).map(|(l, &length)| values[find(l)].min(length - 1)).collect();
                x[&*place]
            })
            .product();
        let to: Vec<usize> = output.iter().map(|&i| values[i]).collect();
        y[&*to] += product;
    }
    y
}

/// What it shows is the equation; the same with a letter for each axis; the shapes.
type Case = (&'static str, &'static [&'static str], &'static str, &'static [&'static [usize]]);

const CASES: [Case; 29] = [
    ("->", &[""], "", &[&[]]),
    ("i->", &["i"], "", &[&[3]]),
    ("i->i", &["i"], "i", &[&[1]]),
    ("ij->ji", &["ij"], "ji", &[&[2, 3]]),
    ("ij->j", &["ij"], "j", &[&[2, 3]]),
    ("ii->i", &["ii"], "i", &[&[3, 3]]),
    ("ii->", &["ii"], "", &[&[3, 3]]),
    ("iji->j", &["iji"], "j", &[&[2, 3, 2]]),
    ("iii->i", &["iii"], "i", &[&[2, 2, 2]]),
    ("ba", &["ba"], "ab", &[&[2, 3]]),
    ("i,i->", &["i", "i"], "", &[&[3], &[3]]),
    ("i,j->ij", &["i", "j"], "ij", &[&[3], &[2]]),
    ("i,i->i", &["i", "i"], "i", &[&[3], &[3]]),
    ("ij,jk->ik", &["ij", "jk"], "ik", &[&[2, 3], &[3, 2]]),
    ("ij,jk", &["ij", "jk"], "ik", &[&[2, 3], &[3, 2]]),
    ("ij,kj->ki", &["ij", "kj"], "ki", &[&[2, 3], &[2, 3]]),
    ("bij,bjk->bik", &["bij", "bjk"], "bik", &[&[2, 2, 3], &[2, 3, 1]]),
    ("bhqd,bhkd->bhqk", &["bhqd", "bhkd"], "bhqk", &[&[1, 2, 2, 2], &[1, 2, 2, 2]]),
    ("ij,ij->", &["ij", "ij"], "", &[&[2, 3], &[2, 3]]),
    ("ij,k->i", &["ij", "k"], "i", &[&[2, 3], &[2]]),
    ("ijk,jil->kl", &["ijk", "jil"], "kl", &[&[2, 3, 2], &[3, 2, 2]]),
    ("i,ij,j->", &["i", "ij", "j"], "", &[&[2], &[2, 3], &[3]]),
    ("ab,bc,cd,da->a", &["ab", "bc", "cd", "da"], "a", &[&[2, 2], &[2, 1], &[1, 2], &[2, 2]]),
    ("ij,jk->ik of nothing", &["ij", "jk"], "ik", &[&[0, 3], &[3, 2]]),
    ("ij,jk->ik over nothing", &["ij", "jk"], "ik", &[&[2, 0], &[0, 2]]),
    ("... i j, ... j k -> ... i k", &["xyij", "xyjk"], "xyik", &[&[2, 1, 1, 2], &[1, 2, 2, 1]]),
    ("i...,...->i...", &["ixy", "xy"], "ixy", &[&[2, 1, 3], &[2, 1]]),
    ("...i->i", &["xi"], "i", &[&[2, 3]]),
    ("...i,...i->i", &["xi", "xi"], "i", &[&[2, 3], &[1, 3]]),
];

/// What the docs say of `einsum`.
pub(in crate::ops) const EINSUM: Text = Text::composed(
    "y = the sum of products that an equation describes",
    "diagonal, sum, permute, reshape, matmul, product",
    "",
);

/// Samples of `einsum`.
pub(in crate::ops) fn samples<T: Element>() -> Vec<Sample<T>> {
    let sample = |(equation, terms, output, shapes): Case| {
        let text = equation.split(" of nothing").next().unwrap_or_default().split(" over").next().unwrap_or_default();
        Sample::new(
            equation,
            shapes.iter().enumerate().map(|(i, &shape)| spread(shape, -1.5, 1.5, 20 * i)),
            move |x| einsum(text, x),
            move |x| slow(terms, output, x),
        )
    };
    let mut samples: Vec<Sample<T>> = CASES.into_iter().map(sample).collect();
    let square = || [spread([2, 2], -1.5, 1.5, 3)];
    samples.push(Sample::new(
        "the same operand three times, one of them transposed",
        square(),
        |x| einsum("ij,jk,kl->il", &[x[0], x[0].t(), x[0]]),
        |x| slow(&["ij", "kj", "kl"], "il", &[x[0].clone(), x[0].clone(), x[0].clone()]),
    ));
    samples.push(Sample::new(
        "of a repeated row and a part",
        [spread([3], -1.5, 1.5, 3), spread([3, 4], -1.5, 1.5, 9)],
        |x| einsum("ij,jk->ik", &[x[0].expand([2, 3]), x[1].slice(1, .., 2)]),
        |x| {
            let part = x[1].slice_axis(ndarray::Axis(1), ndarray::Slice::new(0, None, 2)).to_owned();
            slow(&["ij", "jk"], "ik", &[super::super::samples::repeated(&x[0], &[2, 3]), part])
        },
    ));
    samples
}
