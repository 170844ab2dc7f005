//! Pages of the docs that are generated from what the tests prove.

use std::path::Path;

/// Compares a page of `docs/` with what it should be, or writes it where `WENGERT_WRITE_DOCS` is set.
///
/// # Panics
/// The page is out of date.
pub(crate) fn page(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("WENGERT_WRITE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("the page can be written");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "docs/{name} is out of date: WENGERT_WRITE_DOCS=1 cargo test -p wengert-autograd writes it.\n\
         first difference: {differs:?}, {} lines for {}",
        found.lines().count(),
        expected.lines().count()
    );
}

/// A row of a table in Markdown.
pub(crate) fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}
