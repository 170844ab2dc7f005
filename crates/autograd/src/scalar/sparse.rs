//! Sparse Jacobians and Hessians: the pattern is read off the tape, rows or columns without a common entry share a sweep.

use ndarray::Array2;

use super::colouring::{Pattern, distance_two, star};
use super::number::{Scalar, unit};
use super::tape::Tape;
use super::transform::LANES;
use super::var::Var;

/// A matrix of which only some entries are stored, by rows, the columns of each row in increasing order (CSR).
#[derive(Clone, Debug, PartialEq)]
pub struct SparseMatrix<T> {
    pattern: Pattern,
    columns: usize,
    values: Vec<T>,
}

impl<T: Copy> SparseMatrix<T> {
    /// How many rows and columns it has.
    pub fn shape(&self) -> [usize; 2] {
        [self.pattern.rows(), self.columns]
    }

    /// Where each row begins in the other two arrays, and where the last one ends.
    pub fn row_pointers(&self) -> &[usize] {
        &self.pattern.starts
    }

    /// The column of each entry.
    pub fn column_indices(&self) -> &[usize] {
        &self.pattern.entries
    }

    /// The value of each entry.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The entry of a row and a column; `None` where it is not stored.
    pub fn get(&self, row: usize, column: usize) -> Option<T> {
        let place = self.pattern.place(row, column)?;
        self.values.get(place).copied()
    }

    /// The matrix with all its zeros.
    pub fn to_dense(&self, zero: T) -> Array2<T> {
        let mut dense = Array2::from_elem(self.shape(), zero);
        for row in 0..self.pattern.rows() {
            for place in self.pattern.range(row) {
                dense[[row, self.pattern.entries[place]]] = self.values[place];
            }
        }
        dense
    }
}

/// `Jᵢⱼ = ∂fᵢ/∂xⱼ`, of which only the entries that can differ from 0 are stored.
///
/// The function is recorded once. Columns that have no row in common are found together (Curtis, Powell and Reid, "On
/// the estimation of sparse Jacobian matrices", 1974), eight such groups a forward sweep; or rows, by reverse sweeps,
/// where those are fewer. The price depends on the fullest row or column, not on the size of the matrix.
///
/// The pattern is that at `x`: a partial derivative that is exactly 0 there leaves no entry.
///
/// ```
/// use wengert_autograd::scalar::sparse_jacobian;
/// let x: Vec<f64> = (1..=100).map(f64::from).collect();
/// let j = sparse_jacobian(|x| x.windows(2).map(|x| x[0] * x[1]).collect(), &x);
/// assert_eq!((j.shape(), j.values().len()), ([99, 100], 198));
/// assert_eq!((j.get(5, 5), j.get(5, 6), j.get(5, 7)), (Some(7.0), Some(6.0), None));
/// assert_eq!(j.row_pointers()[..3], [0, 2, 4]);
/// ```
#[track_caller]
pub fn sparse_jacobian<T: Scalar>(
    f: impl for<'t> FnOnce(&[Var<'t, T>]) -> Vec<Var<'t, T>>,
    x: &[T],
) -> SparseMatrix<T> {
    let tape = Tape::with_capacity(x.len());
    let x = tape.vars(x);
    let y = f(&x);
    let pattern = tape.pattern(x.len(), &y);
    let transposed = pattern.transposed(x.len());
    let mut values = vec![T::of(0.0); pattern.entries.len()];
    if pattern.fullest() <= transposed.fullest() {
        let colours = distance_two(&transposed, &pattern);
        columns_of(&tape, &x, &y, &pattern, &colours, |place, value| values[place] = value);
    } else {
        let colours = distance_two(&pattern, &transposed);
        for (first, directions) in groups(&y, &colours) {
            let adjoints = tape.backward_lanes(&directions);
            for row in (0..y.len()).filter(|&row| (first..first + LANES).contains(&colours[row])) {
                for place in pattern.range(row) {
                    values[place] = adjoints.wrt(x[pattern.entries[place]])[colours[row] - first];
                }
            }
        }
    }
    SparseMatrix { pattern, columns: x.len(), values }
}

/// `Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ`, of which only the entries that can differ from 0 are stored, both halves.
///
/// The gradient is recorded on a second tape, which has the pattern; rows and columns are grouped by a star colouring,
/// which makes use of the symmetry (Coleman and Moré, "Estimation of sparse Hessian matrices and graph coloring
/// problems", 1984).
///
/// ```
/// use wengert_autograd::scalar::{Var, sparse_hessian};
/// let h = sparse_hessian(|x| x.windows(2).map(|x| x[0] * x[0] * x[1]).sum(), &[1.0, 2.0, 3.0]);
/// assert_eq!(h.get(0, 0), Some(4.0));                   // 2 x₁
/// assert_eq!((h.get(1, 2), h.get(0, 2)), (Some(4.0), None));
/// ```
#[track_caller]
pub fn sparse_hessian<T: Scalar>(
    f: impl for<'t, 'o> FnOnce(&[Var<'t, Var<'o, T>>]) -> Var<'t, Var<'o, T>>,
    x: &[T],
) -> SparseMatrix<T> {
    let tape = Tape::with_capacity(x.len());
    let x = tape.vars(x);
    let gradient = super::grad(f, &x);
    let pattern = tape.pattern(x.len(), &gradient).symmetric();
    let colours = star(&pattern);
    let mut values = vec![T::of(0.0); pattern.entries.len()];
    columns_of(&tape, &x, &gradient, &pattern, &colours, |place, value| values[place] = value);
    // Where a row has another column of the same colour, the entry is read at the mirrored place.
    for row in 0..x.len() {
        for place in pattern.range(row) {
            let column = pattern.entries[place];
            let same = |&k: &usize| k != column && colours[k] == colours[column];
            if pattern.row(row).iter().any(same)
                && let Some(mirrored) = pattern.place(column, row)
            {
                values[place] = values[mirrored];
            }
        }
    }
    SparseMatrix { pattern, columns: x.len(), values }
}

/// Numbers, each with what it is in the lanes of a sweep.
type Directions<'t, T> = Vec<(Var<'t, T>, [T; LANES])>;

/// For every [`LANES`] colours: the first, and the directions that have a 1 for each number of the colour.
fn groups<'t, 'n, T: Scalar>(
    numbers: &'n [Var<'t, T>],
    colours: &'n [usize],
) -> impl Iterator<Item = (usize, Directions<'t, T>)> + use<'t, 'n, T> {
    let count = colours.iter().max().map_or(0, |last| last + 1);
    (0..count).step_by(LANES).map(move |first| {
        let of_group = numbers.iter().zip(colours).filter(move |(_, colour)| (first..first + LANES).contains(*colour));
        (first, of_group.map(|(&x, &colour)| (x, unit(colour - first))).collect())
    })
}

/// Forward sweeps along the colours of the columns, and the entries that they give.
fn columns_of<'t, T: Scalar>(
    tape: &'t Tape<T>,
    x: &[Var<'t, T>],
    y: &[Var<'t, T>],
    pattern: &Pattern,
    colours: &[usize],
    mut found: impl FnMut(usize, T),
) {
    for (first, directions) in groups(x, colours) {
        let tangents = tape.forward_lanes(&directions);
        for (row, &y) in y.iter().enumerate() {
            let tangent = tangents.of(y);
            for place in pattern.range(row) {
                if let Some(lane) = colours[pattern.entries[place]].checked_sub(first).filter(|&lane| lane < LANES) {
                    found(place, tangent[lane]);
                }
            }
        }
    }
}

impl<T: Scalar> Tape<T> {
    /// Which of the first `inputs` records each result depends on.
    fn pattern(&self, inputs: usize, y: &[Var<'_, T>]) -> Pattern {
        let statements = self.statements.borrow();
        let ends: Vec<usize> = statements
            .heads
            .iter()
            .scan(0, |end, &[_, count]| {
                *end += count as usize;
                Some(*end)
            })
            .collect();
        let summed: Vec<usize> = self.columns.records(|records| {
            let mut summed = 0;
            let before = |place| {
                summed += usize::from(records.has_summand(place));
                summed - usize::from(records.has_summand(place))
            };
            (0..records.links.len()).map(before).collect()
        });
        let mut pattern = Pattern { starts: vec![0], entries: vec![] };
        // The last row that came by each record.
        let mut seen = vec![u32::MAX; self.columns.len()];
        let mut waiting = vec![];
        for (row, y) in y.iter().enumerate() {
            let start = pattern.entries.len();
            waiting.push(y.record());
            while let Some(record) = waiting.pop() {
                if record == 0 || std::mem::replace(&mut seen[record as usize], row as u32) == row as u32 {
                    continue;
                }
                if record as usize <= inputs {
                    pattern.entries.push(record as usize - 1);
                    continue;
                }
                let place = record as usize;
                self.columns.records(|records| waiting.extend(records.operands(place, summed[place])));
                if let Ok(head) = statements.heads.binary_search_by_key(&record, |head| head[0]) {
                    let count = statements.heads[head][1] as usize;
                    waiting.extend(&statements.links[ends[head] - count..ends[head]]);
                }
            }
            pattern.entries[start..].sort_unstable();
            pattern.starts.push(pattern.entries.len());
        }
        pattern
    }
}
