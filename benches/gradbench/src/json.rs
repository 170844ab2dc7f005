//! Reading inputs: every mistake in them is an error that says where it is.

use serde_json::Value;

/// What went wrong, in words.
pub type Result<T> = std::result::Result<T, String>;

/// More numbers than this (2 GiB) are refused: a few digits of a message can ask for any amount of memory.
pub const MOST: usize = 1 << 28;

/// The field `name`.
pub fn field<'v>(value: &'v Value, name: &str) -> Result<&'v Value> {
    value.get(name).ok_or_else(|| format!("the input has no field \"{name}\""))
}

/// A number.
pub fn number(value: &Value, name: &str) -> Result<f64> {
    field(value, name)?.as_f64().ok_or_else(|| format!("\"{name}\" isn't a number"))
}

/// A size: a whole number, not negative.
pub fn size(value: &Value, name: &str) -> Result<usize> {
    let value = field(value, name)?;
    let whole = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64));
    let size = whole.ok_or_else(|| format!("\"{name}\" isn't a size: {value}"))?;
    usize::try_from(size).ok().filter(|&size| size <= MOST).ok_or_else(|| format!("\"{name}\" is too large: {size}"))
}

/// The product of sizes, refused where it is too large.
pub fn product(sizes: &[usize]) -> Result<usize> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.filter(|&product| product <= MOST).ok_or_else(|| format!("the sizes {sizes:?} ask for too much memory"))
}

fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("\"{name}\" isn't a list"))
}

fn entries(values: &[Value], name: &str, out: &mut Vec<f64>) -> Result<()> {
    for value in values {
        out.push(value.as_f64().ok_or_else(|| format!("\"{name}\" has an entry that isn't a number"))?);
    }
    Ok(())
}

/// A list of numbers.
pub fn numbers(value: &Value, name: &str) -> Result<Vec<f64>> {
    let mut out = vec![];
    entries(list(field(value, name)?, name)?, name, &mut out)?;
    Ok(out)
}

/// A list of whole numbers.
pub fn integers(value: &Value, name: &str) -> Result<Vec<i64>> {
    let whole = |value: &Value| value.as_i64().ok_or_else(|| format!("\"{name}\" has an entry that isn't an integer"));
    list(field(value, name)?, name)?.iter().map(whole).collect()
}

/// A matrix, row after row, and its numbers of rows and columns (none of a matrix without rows).
pub fn matrix(value: &Value, name: &str) -> Result<(Vec<f64>, usize, usize)> {
    rows(field(value, name)?, name)
}

/// The same, of a value that has been found already.
pub fn rows(value: &Value, name: &str) -> Result<(Vec<f64>, usize, usize)> {
    let all = list(value, name)?;
    let mut out = vec![];
    let mut columns = None;
    for row in all {
        let row = list(row, name)?;
        if *columns.get_or_insert(row.len()) != row.len() {
            return Err(format!("the rows of \"{name}\" have different lengths"));
        }
        entries(row, name, &mut out)?;
    }
    Ok((out, all.len(), columns.unwrap_or(0)))
}

/// The entries of a list.
pub fn items<'v>(value: &'v Value, name: &str) -> Result<&'v [Value]> {
    list(field(value, name)?, name)
}

/// Says which lengths don't fit unless `found` is `expected`.
pub fn expect(name: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("\"{name}\" has {found} entries, expected {expected}")) }
}

/// Rows of `columns` numbers as lists of lists.
pub fn nested(x: &[f64], columns: usize) -> Value {
    if columns == 0 {
        return Value::Array(vec![]);
    }
    Value::Array(x.chunks(columns).map(Value::from).collect())
}

/// Whether all numbers in a value can be printed: `serde_json` writes what isn't finite as `null`.
pub fn printable(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(values) => values.iter().all(printable),
        Value::Object(fields) => fields.values().all(printable),
        _ => true,
    }
}
