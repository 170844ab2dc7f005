//! A floor of the house knows only itself and the floors below it: reads the paths in the sources, and fails when one
//! reaches upwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest. `scalar` shares `ops` with the tensor side and must not know it.
const FLOORS: [&str; 10] = ["error", "kernels", "tensor", "module", "tape", "ops", "grad", "run", "scalar", "check"];

/// `(floor, floor above it that it uses, why)`: each is a debt.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("grad", "run", "backward() records the gradients, and then runs them with the loss as one plan")];

/// Every source file with its text, comments left out.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => {
                    let text = fs::read_to_string(&path).expect("a source file");
                    let code = text.lines().filter_map(|line| line.split("//").next()).collect::<Vec<_>>().join("\n");
                    sources.push((path.strip_prefix(&root).expect("below the root").to_owned(), code));
                }
                false => {}
            }
        }
    }
    sources.sort();
    sources
}

/// The floor of a file: the first part of its path.
fn floor_of(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

/// The first parts of all paths from the root of the crate, `crate::{a, b::c}` opened up; macros are left out.
fn roots(code: &str) -> BTreeSet<String> {
    let mut roots = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => roots.extend(members(group).iter().filter_map(|member| first_name(member))),
            None => roots.extend(first_name(rest)),
        }
    }
    roots
}

/// The members of a group of imports, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let (mut members, mut depth) = (vec![String::new()], 0);
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                members.last_mut().expect("one at least").push(letter);
            }
        }
    }
    members
}

fn first_name(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    (!name.is_empty() && !rest.starts_with('!')).then(|| name.to_string())
}

/// The floor that each name at the root of the crate comes from: modules, and what `lib.rs` exports of them.
fn names() -> BTreeMap<String, String> {
    let library = &sources().into_iter().find(|(file, _)| file == Path::new("lib.rs")).expect("lib.rs").1;
    let mut names: BTreeMap<String, String> =
        FLOORS.iter().map(|floor| (floor.to_string(), floor.to_string())).collect();
    for item in library.split(';') {
        let Some((_, path)) = item.split_once("pub use ") else { continue };
        let floor = first_name(path).expect("a module");
        let last = path.rsplit_once("::").map_or(path, |(_, last)| last);
        for name in last.trim_matches(['{', '}']).split(',').filter_map(first_name) {
            names.insert(name, floor.clone());
        }
    }
    names
}

fn height(floor: &str) -> usize {
    let height = FLOORS.iter().position(|known| *known == floor);
    height.unwrap_or_else(|| panic!("{floor} has no floor: give it one in this test, and in the design"))
}

#[test]
fn no_floor_reaches_upwards() {
    let names = names();
    let mut wrong = vec![];
    let mut used = BTreeSet::new();
    for (file, code) in sources() {
        let floor = floor_of(&file);
        if floor == "lib" {
            continue;
        }
        for root in roots(&code) {
            let Some(other) = names.get(&root) else {
                wrong.push(format!("{}: crate::{root} is on no floor", file.display()));
                continue;
            };
            if height(other) <= height(&floor) {
                continue;
            }
            match EXCEPTIONS.iter().position(|(from, to, _)| *from == floor && *to == other.as_str()) {
                Some(exception) => drop(used.insert(exception)),
                None => wrong.push(format!("{}: {floor} uses {other} (crate::{root}), a floor above", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception that nothing needs any more: take it out");
}

#[test]
fn checking_uses_the_public_face_only() {
    let library = &sources().into_iter().find(|(file, _)| file == Path::new("lib.rs")).expect("lib.rs").1;
    let names = names();
    let public = |name: &str| library.contains(&format!("pub mod {name};")) || !FLOORS.contains(&name);
    for (file, code) in sources().into_iter().filter(|(file, _)| floor_of(file) == "check") {
        for root in roots(&code) {
            assert!(public(&root) && names.contains_key(&root), "{}: crate::{root} is not public", file.display());
        }
    }
}

#[test]
fn paths_are_found() {
    let code =
        "use crate::{Element, tape::{Tape, var::Var}, run};\nlet x = $crate::ops::Exp; crate::assert_close!(1, 1);";
    assert_eq!(roots(code).into_iter().collect::<Vec<_>>(), ["Element", "ops", "run", "tape"]);
    assert_eq!(names()["Gradients"], "grad");
    assert_eq!(names()["Shape"], "tensor");
}
