//! Pages of the docs that are generated from what the tests prove.

#![allow(dead_code, reason = "only one of the pages differs by feature")]

use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn found(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

/// Whether every line that a build without some features has stands on a page of `docs/`, in the same order.
///
/// # Panics
/// A line does not.
pub(crate) fn part_of_page(name: &str, expected: &str) {
    let found = found(name);
    let mut lines = found.lines();
    for line in expected.lines() {
        assert!(lines.any(|found| found == line), "docs/{name} has not, or not in this order: {line}");
    }
}

/// Compares a page of `docs/` with what it should be, or writes it where `WENGERT_WRITE_DOCS` is set.
///
/// # Panics
/// The page is out of date.
pub(crate) fn page(name: &str, expected: &str) {
    if std::env::var_os("WENGERT_WRITE_DOCS").is_some() {
        std::fs::write(path(name), expected).expect("the page can be written");
        return;
    }
    let found = found(name);
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
