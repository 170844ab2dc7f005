//! A model as a table.

use std::fmt;

use wengert_autograd::{Element, Module, Path};

/// The parameters of a model with their shapes and numbers of elements: what [`summary`] returns, to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    rows: Vec<[String; 4]>,
    trained: usize,
    others: usize,
}

/// The parameters of a model, one a line.
///
/// ```
/// use wengert_nn::{Linear, summary};
/// let model: Linear = Linear::from_parts([[1.0, 2.0], [0.0, -1.0]], Some([0.5, 0.0].into()))?;
/// let text = summary(&model).to_string();
/// assert_eq!(text, "\
/// path    shape   elements  kind
/// weight  [2, 2]  4         trained
/// bias    [2]     2         trained
/// 6 trained elements, 0 others
/// ");
/// # Ok::<(), wengert_autograd::Error>(())
/// ```
pub fn summary<T: Element>(model: &(impl Module<T> + ?Sized)) -> Summary {
    let mut summary = Summary { rows: Vec::new(), trained: 0, others: 0 };
    model.visit(&mut Path::default(), &mut |path, parameter| {
        let count = parameter.value().len();
        let kind = match (parameter.is_trained(), parameter.is_buffer()) {
            (true, _) => "trained",
            (_, true) => "buffer",
            _ => "frozen",
        };
        *if parameter.is_trained() { &mut summary.trained } else { &mut summary.others } += count;
        summary.rows.push([path.to_string(), parameter.shape().to_string(), count.to_string(), kind.to_string()]);
    });
    summary
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["path", "shape", "elements", "kind"].map(str::to_string);
        let rows = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| rows().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [first, second, third] = [width(0), width(1), width(2)];
        for [path, shape, count, kind] in rows() {
            writeln!(f, "{path:first$}  {shape:second$}  {count:third$}  {kind}")?;
        }
        writeln!(f, "{} trained elements, {} others", self.trained, self.others)
    }
}
