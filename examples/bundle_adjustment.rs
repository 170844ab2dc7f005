//! Cameras and points found from pictures alone: bundle adjustment by the method of Levenberg and Marquardt.
//!
//! Every observation depends on one camera and one point, so the Jacobian has 9 entries in a row of 78: one small tape an
//! observation, swept once for both of its rows.

use num_traits::Float;
use wengert::scalar::Tape;

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

/// The unknowns that observation `i` depends on: one pose, one point.
fn columns(i: usize) -> [usize; POSE + 3] {
    let (camera, point) = (i % CAMERAS, i / CAMERAS);
    std::array::from_fn(|j| if j < POSE { POSE * camera + j } else { POSE * CAMERAS + 3 * point + j - POSE })
}

fn residual(unknowns: &[f64], pictures: &[[f64; 2]], i: usize) -> [f64; 2] {
    let inputs = columns(i).map(|column| unknowns[column]);
    let seen = project(&inputs[..POSE], &inputs[POSE..]);
    [seen[0] - pictures[i][0], seen[1] - pictures[i][1]]
}

fn cost(unknowns: &[f64], pictures: &[[f64; 2]]) -> f64 {
    (0..pictures.len()).flat_map(|i| residual(unknowns, pictures, i)).map(|r| r * r).sum()
}

/// `Jᵀ J` and `Jᵀ r`, from the nonzero entries alone.
fn normal_equations(unknowns: &[f64], pictures: &[[f64; 2]]) -> (Vec<[f64; UNKNOWNS]>, Vec<f64>) {
    let (mut matrix, mut right) = (vec![[0.0; UNKNOWNS]; UNKNOWNS], vec![0.0; UNKNOWNS]);
    let mut tape = Tape::new();
    for i in 0..pictures.len() {
        tape.clear();
        let columns = columns(i);
        let inputs = columns.map(|column| tape.var(unknowns[column]));
        let [u, v] = project(&inputs[..POSE], &inputs[POSE..]);
        let adjoints = tape.backward_lanes(&[(u, [1.0, 0.0]), (v, [0.0, 1.0])]);
        let entries = inputs.map(|x| adjoints.wrt(x));
        let residual = residual(unknowns, pictures, i);
        for (&row, a) in columns.iter().zip(&entries) {
            right[row] += a[0] * residual[0] + a[1] * residual[1];
            for (&column, b) in columns.iter().zip(&entries) {
                matrix[row][column] += a[0] * b[0] + a[1] * b[1];
            }
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
    let pictures: Vec<[f64; 2]> = (0..CAMERAS * POINTS).map(|i| residual(&truth, &vec![[0.0; 2]; CAMERAS * POINTS], i)).collect();
    let mut guess: Vec<f64> = truth.iter().enumerate().map(|(i, x)| x + 0.15 * number(i, 9)).collect();

    println!("{CAMERAS} cameras, {POINTS} points, {} numbers measured, {UNKNOWNS} unknown", 2 * pictures.len());
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
