//! A determinant by Laplace's expansion, minor after minor.

use serde_json::Value;

use crate::json::{self, Result};
use crate::number::Number;
use crate::ways::Objective;

/// A square matrix, row after row.
#[derive(Clone, Debug)]
pub struct Det {
    /// The entries.
    pub a: Vec<f64>,
    /// Rows.
    pub ell: usize,
}

impl Det {
    /// From the input of a message.
    pub fn parse(input: &Value) -> Result<Det> {
        let det = Det { a: json::numbers(input, "A")?, ell: json::size(input, "ell")? };
        // The work grows with the factorial: 13 rows are a minute's, 20 rows a lifetime's.
        if !(1..=LARGEST).contains(&det.ell) {
            return Err(format!("\"ell\" must be between 1 and {LARGEST}, not {}", det.ell));
        }
        json::expect("A", det.a.len(), det.ell * det.ell)?;
        Ok(det)
    }
}

/// The most rows.
const LARGEST: usize = 14;
const SIGNS: [f64; LARGEST] = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0];

/// Rows and columns that are left: each names the one that follows it, and the last place the first one.
struct Left<T> {
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// The entries and minors of one expansion for each size.
    entries: Vec<T>,
    minors: Vec<T>,
}

/// The determinant of the minor of `a`, `n` by `n`, that has the `m` rows and columns that are left.
fn minor<T: Number>(a: &[T], n: usize, m: usize, left: &mut Left<T>) -> T {
    let row = left.rows[n];
    let mut column = left.columns[n];
    if m == 1 {
        return a[row * n + column];
    }
    left.rows[n] = left.rows[row];
    let mut before = n;
    let place = m * n;
    for j in 0..m {
        left.columns[before] = left.columns[column];
        left.minors[place + j] = minor(a, n, m - 1, left);
        left.columns[before] = column;
        left.entries[place + j] = a[row * n + column];
        before = column;
        column = left.columns[column];
    }
    left.rows[n] = row;
    T::signed_dot(&SIGNS[..m], &left.entries[place..place + m], &left.minors[place..place + m])
}

impl Objective for Det {
    fn point(&self) -> &[f64] {
        &self.a
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        let next = |_| (1..=self.ell).chain([0]).collect();
        let [rows, columns] = [(), ()].map(next);
        let [entries, minors] = [(), ()].map(|()| vec![T::plain(0.0); (self.ell + 1) * self.ell]);
        minor(x, self.ell, self.ell, &mut Left { rows, columns, entries, minors })
    }
}
