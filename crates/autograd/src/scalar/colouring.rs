//! Which rows or columns of a sparse matrix can be found by one sweep. Must know no tape.

use std::ops::Range;

/// Where a matrix has entries, by rows: the columns of row `i` are `entries[starts[i]..starts[i + 1]]`, increasing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    pub(super) starts: Vec<usize>,
    pub(super) entries: Vec<usize>,
}

impl Pattern {
    pub(super) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The places of a row's entries.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// The columns of a row.
    pub(super) fn row(&self, row: usize) -> &[usize] {
        &self.entries[self.range(row)]
    }

    /// The place of an entry.
    pub(super) fn place(&self, row: usize, column: usize) -> Option<usize> {
        (row < self.rows()).then(|| self.row(row).binary_search(&column).ok()).flatten().map(|k| self.starts[row] + k)
    }

    /// The number of entries in the fullest row.
    pub(super) fn fullest(&self) -> usize {
        (0..self.rows()).map(|row| self.range(row).len()).max().unwrap_or(0)
    }

    /// The pattern of the transposed matrix, which has so many rows.
    pub(super) fn transposed(&self, columns: usize) -> Pattern {
        let mut starts = vec![0; columns + 1];
        self.entries.iter().for_each(|&column| starts[column + 1] += 1);
        (0..columns).for_each(|column| starts[column + 1] += starts[column]);
        let mut next = starts.clone();
        let mut entries = vec![0; self.entries.len()];
        for row in 0..self.rows() {
            for &column in self.row(row) {
                entries[next[column]] = row;
                next[column] += 1;
            }
        }
        Pattern { starts, entries }
    }

    /// The entries of a square pattern and their mirror images.
    pub(super) fn symmetric(&self) -> Pattern {
        let transposed = self.transposed(self.rows());
        let mut both = Pattern { starts: vec![0], entries: vec![] };
        for row in 0..self.rows() {
            let start = both.entries.len();
            both.entries.extend(self.row(row).iter().chain(transposed.row(row)));
            both.entries[start..].sort_unstable();
            let mut kept = start;
            for place in start..both.entries.len() {
                if kept == start || both.entries[kept - 1] != both.entries[place] {
                    both.entries[kept] = both.entries[place];
                    kept += 1;
                }
            }
            both.entries.truncate(kept);
            both.starts.push(kept);
        }
        both
    }
}

/// The least colour that is not forbidden for a line; `forbidden[c]` names the line that colour `c` was last forbidden
/// for.
fn free(forbidden: &[usize], line: usize) -> usize {
    forbidden.iter().position(|&for_line| for_line != line).unwrap_or(forbidden.len())
}

/// Forbids a colour for a line.
fn forbid(forbidden: &mut Vec<usize>, colour: usize, line: usize) {
    if forbidden.len() <= colour {
        forbidden.resize(colour + 1, usize::MAX);
    }
    forbidden[colour] = line;
}

/// No colour yet.
const NONE: usize = usize::MAX;

/// Colours for lines (columns, say), each with the crossing lines that it has entries in: two that share one differ.
pub(super) fn distance_two(lines: &Pattern, crossing: &Pattern) -> Vec<usize> {
    let mut colours = vec![NONE; lines.rows()];
    let mut forbidden = vec![];
    for line in 0..lines.rows() {
        let neighbours = lines.row(line).iter().flat_map(|&cross| crossing.row(cross));
        for &neighbour in neighbours.filter(|&&neighbour| colours[neighbour] != NONE) {
            forbid(&mut forbidden, colours[neighbour], line);
        }
        colours[line] = free(&forbidden, line);
    }
    colours
}

/// Colours for the rows and columns of a symmetric matrix: neighbours differ, and every path of four has three colours.
///
/// Greedy; Gebremedhin, Manne and Pothen, "What color is your Jacobian?", 2005, algorithm 4.1.
pub(super) fn star(pattern: &Pattern) -> Vec<usize> {
    let mut colours = vec![NONE; pattern.rows()];
    let mut forbidden = vec![];
    for line in 0..pattern.rows() {
        for &near in pattern.row(line).iter().filter(|&&near| near != line) {
            if colours[near] != NONE {
                forbid(&mut forbidden, colours[near], line);
            }
            for &next in pattern.row(near).iter().filter(|&&next| next != line && next != near) {
                if colours[next] == NONE {
                    continue;
                }
                // line - near - next - last would have two colours if line had that of next.
                let last = |&&last: &&usize| last != near && last != next && colours[last] == colours[near];
                if colours[near] == NONE || pattern.row(next).iter().any(|other| last(&other)) {
                    forbid(&mut forbidden, colours[next], line);
                }
            }
        }
        colours[line] = free(&forbidden, line);
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patterns in no simple order, of matrices with some full rows.
    fn pattern(rows: usize, columns: usize, seed: usize) -> Pattern {
        let mut pattern = Pattern { starts: vec![0], entries: vec![] };
        for row in 0..rows {
            let entry = |column: usize| (row * 7919 + column * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
            pattern.entries.extend((0..columns).filter(|&column| entry(column).is_multiple_of(5) || row == seed));
            pattern.starts.push(pattern.entries.len());
        }
        pattern
    }

    #[test]
    fn lines_of_one_colour_have_no_entry_beside_one_another() {
        for seed in 0..20 {
            let rows = pattern(15, 20, seed);
            let columns = rows.transposed(20);
            assert_eq!(columns.transposed(15), rows);
            let colours = distance_two(&columns, &rows);
            for row in 0..15 {
                let mut found: Vec<usize> = rows.row(row).iter().map(|&column| colours[column]).collect();
                found.sort_unstable();
                found.dedup();
                assert_eq!(found.len(), rows.row(row).len());
            }
        }
    }

    #[test]
    fn stars_leave_every_entry_alone_in_its_row_or_column() {
        for seed in 0..20 {
            let square = pattern(20, 20, seed).symmetric();
            assert_eq!(square, square.transposed(20));
            let colours = star(&square);
            let alone = |row: usize, column: usize| {
                square.row(row).iter().filter(|&&k| colours[k] == colours[column]).count() == 1
            };
            for row in 0..20 {
                for &column in square.row(row).iter().filter(|&&column| column != row) {
                    assert_ne!(colours[row], colours[column]);
                    assert!(alone(row, column) || alone(column, row));
                }
            }
        }
    }

    #[test]
    fn a_star_takes_two_colours_and_a_band_few() {
        // An arrow: one full row and column, and the diagonal.
        let arrow = Pattern {
            starts: (0..=10).map(|row| if row == 0 { 0 } else { 10 + 2 * (row - 1) }).collect(),
            entries: (0..10).chain((1..10).flat_map(|row| [0, row])).collect(),
        };
        assert_eq!(star(&arrow).iter().max(), Some(&1));
        assert_eq!(distance_two(&arrow, &arrow).iter().max(), Some(&9));
    }
}
