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
        if !(1..=14).contains(&det.ell) {
            return Err(format!("\"ell\" must be between 1 and 14, not {}", det.ell));
        }
        json::expect("A", det.a.len(), det.ell * det.ell)?;
        Ok(det)
    }
}

/// Rows and columns that are left: each names the one that follows it, and the last place the first one.
struct Left {
    rows: Vec<usize>,
    columns: Vec<usize>,
}

/// The determinant of the minor of `a`, `n` by `n`, that has the `m` rows and columns that are left.
fn minor<T: Number>(a: &[T], n: usize, m: usize, left: &mut Left) -> T {
    let row = left.rows[n];
    let mut column = left.columns[n];
    if m == 1 {
        return a[row * n + column];
    }
    left.rows[n] = left.rows[row];
    let mut before = n;
    let mut sum = T::plain(0.0);
    for j in 0..m {
        left.columns[before] = left.columns[column];
        let smaller = minor(a, n, m - 1, left);
        left.columns[before] = column;
        let entry = a[row * n + column];
        sum = if j % 2 == 0 { sum.add_product(entry, smaller) } else { sum.sub_product(entry, smaller) };
        before = column;
        column = left.columns[column];
    }
    left.rows[n] = row;
    sum
}

impl Objective for Det {
    fn point(&self) -> &[f64] {
        &self.a
    }

    fn value<T: Number>(&self, x: &[T]) -> T {
        let next = |_| (1..=self.ell).chain([0]).collect();
        let [rows, columns] = [(), ()].map(next);
        minor(x, self.ell, self.ell, &mut Left { rows, columns })
    }
}
