//! Linear systems of which only products with vectors are known.

use crate::error::Result;

/// Vectors of a basis before it is started anew: systems of up to this size need no restart.
const MOST_BASIS: usize = 200;

/// Restarts at most; each is a step of iterative refinement as well.
const MOST_RESTARTS: usize = 30;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The Euclidean norm.
pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// `a + factor b` in place.
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}

/// What a solution could not do better than: the norm of its residual over that of the right side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unsolved(pub(super) f64);

/// Solves `A x = b` by GMRES (Saad and Schultz, 1986), with the basis orthogonalised twice, until the residual is
/// within 64 `unit` of what rounding `A x` and `b` alone would leave.
pub(super) fn solve(
    mut product: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    b: &[f64],
    unit: f64,
) -> Result<Result<Vec<f64>, Unsolved>> {
    let (size, mut x, mut residual) = (norm(b), vec![0.0; b.len()], b.to_vec());
    let mut scale = 0.0;
    let mut left = size;
    for _ in 0..MOST_RESTARTS {
        let bound = 64.0 * unit * (size + scale * norm(&x));
        if left <= bound {
            return Ok(Ok(x));
        }
        let Some(step) = minimise(&mut product, &residual, 0.1 * bound, unit, &mut scale)? else { break };
        add(&mut x, 1.0, &step);
        residual = b.to_vec();
        add(&mut residual, -1.0, &product(&x)?);
        let before = std::mem::replace(&mut left, norm(&residual));
        if left.is_nan() || left > 0.9 * before {
            break;
        }
    }
    let bound = 64.0 * unit * (size + scale * norm(&x));
    Ok(if left <= bound { Ok(x) } else { Err(Unsolved(left / size)) })
}

/// The vector of a Krylov space that leaves the smallest residual; none where the space says that `A` is singular.
fn minimise(
    product: &mut impl FnMut(&[f64]) -> Result<Vec<f64>>,
    residual: &[f64],
    bound: f64,
    unit: f64,
    scale: &mut f64,
) -> Result<Option<Vec<f64>>> {
    let start = norm(residual);
    let mut basis = vec![residual.iter().map(|element| element / start).collect::<Vec<f64>>()];
    // The columns of the triangular factor, the rotations that made it, and the rotated right side.
    let (mut columns, mut rotations) = (Vec::<Vec<f64>>::new(), Vec::<(f64, f64)>::new());
    let mut right = vec![start];
    for j in 0..residual.len().min(MOST_BASIS) {
        let mut next = product(&basis[j])?;
        let length = norm(&next);
        *scale = f64::max(*scale, length);
        let mut column = vec![0.0; j + 1];
        for _ in 0..2 {
            for (element, vector) in column.iter_mut().zip(&basis) {
                let part = dot(vector, &next);
                *element += part;
                add(&mut next, -part, vector);
            }
        }
        let rest = norm(&next);
        for (i, &(cosine, sine)) in rotations.iter().enumerate() {
            let (above, below) = (column[i], column[i + 1]);
            (column[i], column[i + 1]) = (cosine * above + sine * below, cosine * below - sine * above);
        }
        let diagonal = column[j].hypot(rest);
        if diagonal.is_nan() || diagonal <= 16.0 * unit * *scale {
            return Ok(None);
        }
        let (cosine, sine) = (column[j] / diagonal, rest / diagonal);
        column[j] = diagonal;
        rotations.push((cosine, sine));
        columns.push(column);
        right.push(-sine * right[j]);
        right[j] *= cosine;
        if right[j + 1].abs() <= bound || rest <= 16.0 * unit * length {
            break;
        }
        basis.push(next.iter().map(|element| element / rest).collect());
    }
    let count = columns.len();
    let mut weights = vec![0.0; count];
    for i in (0..count).rev() {
        let known: f64 = (i + 1..count).map(|j| columns[j][i] * weights[j]).sum();
        weights[i] = (right[i] - known) / columns[i][i];
    }
    let mut step = vec![0.0; residual.len()];
    basis.iter().zip(&weights).for_each(|(vector, &weight)| add(&mut step, weight, vector));
    Ok(Some(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(rows: &[Vec<f64>]) -> impl FnMut(&[f64]) -> Result<Vec<f64>> {
        move |x| Ok(rows.iter().map(|row| dot(row, x)).collect())
    }

    #[test]
    fn systems_are_solved_to_rounding() {
        for n in [1, 2, 5, 40] {
            let element = |i: usize, j: usize| ((7 * i + 3 * j * j + 1) as f64 * 0.618_033_988_749).fract() - 0.5;
            let rows: Vec<Vec<f64>> =
                (0..n).map(|i| (0..n).map(|j| element(i, j) + if i == j { 3.0 } else { 0.0 }).collect()).collect();
            let expected: Vec<f64> = (0..n).map(|i| (i as f64).sin() + 2.0).collect();
            let b = dense(&rows)(&expected).unwrap();
            let x = solve(dense(&rows), &b, f64::EPSILON).unwrap().unwrap();
            let error = x.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(error < 1e-11, "{n}: {error:e}");
        }
    }

    #[test]
    fn a_singular_matrix_is_said_to_be_one() {
        let rows = [vec![1.0, 1.0], vec![1.0, 1.0]];
        assert!(solve(dense(&rows), &[1.0, 0.0], f64::EPSILON).unwrap().is_err());
        assert!(solve(dense(&[vec![0.0]]), &[1.0], f64::EPSILON).unwrap().is_err());
        assert!(solve(dense(&[vec![f64::NAN]]), &[1.0], f64::EPSILON).unwrap().is_err());
        // Of a singular system that has a solution, it is one.
        let x = solve(dense(&rows), &[2.0, 2.0], f64::EPSILON).unwrap().unwrap();
        assert!((x[0] + x[1] - 2.0).abs() < 1e-14);
        assert_eq!(solve(dense(&rows), &[0.0, 0.0], f64::EPSILON).unwrap().unwrap(), [0.0, 0.0]);
    }
}
