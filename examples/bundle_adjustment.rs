//! Cameras and points found from pictures alone: bundle adjustment by the method of Levenberg and Marquardt.
//!
//! Every observation depends on one camera and one point, so a row of the Jacobian has 9 entries in 78 columns. Columns
//! that share no row are differentiated together.

use num_traits::Float;
use wengert::scalar::sparse_jacobian;

const CAMERAS: usize = 4;
const POINTS: usize = 18;
/// Of a camera: where it is, and how it is turned.
const POSE: usize = 6;
const UNKNOWNS: usize = POSE * CAMERAS + 3 * POINTS;

/// Where a camera sees a point: turned by Rodrigues' formula, moved, divided by the depth.
fn project<T: Float>(pose: &[T], point: &[T]) -> [T; 2] {
    let [x, y, z] = rotate([pose[3], pose[4], pose[5]], [0, 1, 2].map(|i| point[i] - pose[i]));
    [x / z, y / z]
}

fn rotate<T: Float>(turn: [T; 3], x: [T; 3]) -> [T; 3] {
    let dot = |a: [T; 3], b: [T; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let angle = (dot(turn, turn) + T::epsilon()).sqrt();
    let axis = turn.map(|t| t / angle);
    let cross = |i: usize, j: usize| axis[i] * x[j] - axis[j] * x[i];
    let (across, along) = ([cross(1, 2), cross(2, 0), cross(0, 1)], dot(axis, x) * (T::one() - angle.cos()));
    [0, 1, 2].map(|i| x[i] * angle.cos() + across[i] * angle.sin() + axis[i] * along)
}

/// How far what each camera sees lies from its picture: two numbers for each camera and point.
fn residuals<T: Float>(unknowns: &[T], pictures: &[f64]) -> Vec<T> {
    let (poses, points) = unknowns.split_at(POSE * CAMERAS);
    let pairs = poses.chunks(POSE).flat_map(|pose| points.chunks(3).map(move |point| (pose, point)));
    let seen = pairs.flat_map(|(pose, point)| project(pose, point));
    seen.zip(pictures).map(|(seen, &picture)| seen - T::from(picture).expect("a constant")).collect()
}

fn cost(unknowns: &[f64], pictures: &[f64]) -> f64 {
    residuals(unknowns, pictures).iter().map(|r| r * r).sum()
}

/// `Jᵀ J` and `Jᵀ r`, from the nonzero entries alone.
fn normal_equations(unknowns: &[f64], pictures: &[f64]) -> (Vec<[f64; UNKNOWNS]>, Vec<f64>) {
    let (mut matrix, mut right) = (vec![[0.0; UNKNOWNS]; UNKNOWNS], vec![0.0; UNKNOWNS]);
    let jacobian = sparse_jacobian(|x| residuals(x, pictures), unknowns);
    for (row, residual) in jacobian.row_pointers().windows(2).zip(residuals(unknowns, pictures)) {
        let columns = &jacobian.column_indices()[row[0]..row[1]];
        let values = &jacobian.values()[row[0]..row[1]];
        for (&i, a) in columns.iter().zip(values) {
            right[i] += a * residual;
            columns.iter().zip(values).for_each(|(&j, b)| matrix[i][j] += a * b);
        }
    }
    (matrix, right)
}

/// `a x = b` of a symmetric positive matrix, by Cholesky's factors.
fn solve(mut a: Vec<[f64; UNKNOWNS]>, mut b: Vec<f64>) -> Vec<f64> {
    for i in 0..UNKNOWNS {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            a[i][j] = if i == j { (a[i][i] - known).sqrt() } else { (a[i][j] - known) / a[j][j] };
        }
        let known: f64 = (0..i).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    for i in (0..UNKNOWNS).rev() {
        let known: f64 = (i + 1..UNKNOWNS).map(|k| a[k][i] * b[k]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

fn main() {
    // Any fixed numbers between -1 and 1 will do.
    let number = |i: usize, j: usize| (12.9898 * i as f64 + 78.233 * j as f64).sin();
    let mut truth = vec![];
    for camera in 0..CAMERAS {
        truth.extend([1.5 * number(camera, 0), 1.5 * number(camera, 1), 0.3 * number(camera, 2) - 6.0]);
        truth.extend([2, 3, 4].map(|j| 0.1 * number(camera, j)));
    }
    (0..POINTS).for_each(|point| truth.extend([5, 6, 7].map(|j| number(point, j))));
    let pictures = residuals(&truth, &[0.0; 2 * CAMERAS * POINTS]);
    let mut guess: Vec<f64> = truth.iter().enumerate().map(|(i, x)| x + 0.15 * number(i, 9)).collect();

    println!("{CAMERAS} cameras, {POINTS} points, {} numbers measured, {UNKNOWNS} unknown", pictures.len());
    println!("error {:.2e} at the start", cost(&guess, &pictures));
    let mut damping = 1e-3;
    for step in 1..=40 {
        let (mut matrix, right) = normal_equations(&guess, &pictures);
        (0..UNKNOWNS).for_each(|i| matrix[i][i] += damping * (1e-3 + matrix[i][i]));
        let change = solve(matrix, right);
        let next: Vec<f64> = guess.iter().zip(&change).map(|(x, d)| x - d).collect();
        if cost(&next, &pictures) < cost(&guess, &pictures) {
            (guess, damping) = (next, damping / 10.0);
            println!("error {:.2e} after step {step}", cost(&guess, &pictures));
        } else {
            damping *= 10.0;
        }
        if cost(&guess, &pictures) < 1e-20 {
            break;
        }
    }
    assert!(cost(&guess, &pictures) < 1e-16, "the pictures must be explained");
}
