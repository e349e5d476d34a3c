//! Imports point one way. The table of ARCHITECTURE.md, held against the `use` lines.

#![expect(clippy::expect_used, reason = "a source tree that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What every module may name that has an error of a stage: what it says to the run.
const STAGE_ERRORS: [&str; 2] = ["stage_error", "exit"];

/// What each module of `src/` may name besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "pipeline",
            "answer",
            "cache",
            "report",
            "config",
            "convert",
            "doctor",
            "fetch",
            "library",
            "compile",
            "plan",
            "binding",
            "publish",
            "manifest",
            "github",
            "io",
            "model",
            "ui",
            "error",
            "exit",
            "stage_error",
        ],
    ),
    (
        "pipeline",
        &[
            "answer",
            "config",
            "convert",
            "doctor",
            "fetch",
            "plan",
            "toolchain",
            "compile",
            "library",
            "binding",
            "assemble",
            "publish",
            "manifest",
            "report",
            "store",
            "github",
            "io",
            "model",
            "ui",
            "error",
        ],
    ),
    ("error", &["exit", "stage_error"]),
    ("answer", &["toolchain", "library", "manifest", "io", "model"]),
    ("store", &["io", "model"]),
    ("toolchain", &["store", "io", "model", "ui"]),
    ("ui", &["github", "io", "model"]),
    ("report", &["plan", "manifest", "model"]),
    ("config", &["io", "github", "model"]),
    ("fetch", &["config", "plan", "store", "io", "model", "ui"]),
    ("convert", &["toolchain", "fetch", "plan", "store", "io", "model", "ui"]),
    ("plan", &["store", "model"]),
    ("compile", &["toolchain", "library", "manifest", "plan", "store", "io", "model", "ui"]),
    ("library", &["plan", "io", "model"]),
    ("binding", &["toolchain", "library", "plan", "store", "io", "model", "ui"]),
    ("doctor", &["toolchain", "library", "binding", "plan", "io", "model", "ui"]),
    (
        "assemble",
        &["binding", "compile", "config", "library", "manifest", "plan", "io", "model", "ui"],
    ),
    ("cache", &["binding", "convert", "fetch", "store", "io", "model", "ui"]),
    ("publish", &["manifest", "github", "io", "model", "ui"]),
    ("manifest", &["model"]),
    ("github", &["io"]),
    ("io", &["model"]),
    ("model", &[]),
    ("exit", &[]),
    ("stage_error", &["exit"]),
];

#[test]
fn imports_point_one_way() {
    let may_use: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path()) {
        let module = path.split(['/', '.']).next().unwrap_or_default().to_owned();
        if module == "lib" {
            continue;
        }
        let Some(allowed) = may_use.get(module.as_str()) else {
            wrong.push(format!("src/{path}: the module `{module}` is not in the table"));
            continue;
        };
        for used in crate_paths(&text) {
            let allowed = [*allowed, &STAGE_ERRORS].concat();
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{path}: `{module}` must not use `{used}`"));
            }
        }
        uses.entry(module).or_default().extend(crate_paths(&text));
    }
    // A table that allows more than there is says nothing about what there is.
    for (module, allowed) in &may_use {
        let Some(used) = uses.get(*module) else {
            wrong.push(format!("`{module}` is in the table but not in src"));
            continue;
        };
        let unused = allowed.iter().filter(|name| !used.contains(**name));
        wrong.extend(unused.map(|name| format!("`{module}` may use `{name}`, and does not")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_module_leads_back_to_itself() {
    let may_use: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    for (module, used) in MAY_USE {
        let mut reached = BTreeSet::new();
        let mut next = used.to_vec();
        while let Some(name) = next.pop() {
            assert_ne!(name, *module, "`{module}` leads back to itself");
            if reached.insert(name) {
                next.extend(may_use.get(name).into_iter().flat_map(|used| used.iter()));
            }
        }
    }
}

#[test]
fn no_stage_names_the_error_that_a_person_sees() {
    let joins = ["main", "cli", "pipeline", "error"];
    for (module, used) in MAY_USE.iter().filter(|(module, _)| !joins.contains(module)) {
        let joined = used.iter().find(|name| joins.contains(name));
        assert_eq!(joined, None, "`{module}` is below the modules that join the stages");
    }
}

#[test]
fn only_io_touches_files_programs_and_the_network() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (path, text) in sources(&root) {
        if path.starts_with("io/") || is_test_file(&path) {
            continue;
        }
        for name in
            ["fs_err", "reflink_copy", "walkdir", "rustix", "reqwest", "tokio", "Command::new("]
        {
            assert!(!production(&text).contains(name), "src/{path} uses {name}");
        }
    }
}

/// A text that is meant to go on in the next line, and is written with one backslash too many.
#[test]
fn no_message_has_a_line_break_that_is_spelled_out() {
    // The one says how a line break is written in JSON, the other is a piece of a template.
    const MEANT: [&str; 2] = ["config/syntax.rs", "convert/derive/rules.rs"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (path, text) in sources(&root) {
        if is_test_file(&path) || MEANT.contains(&path.as_str()) {
            continue;
        }
        let line = production(&text).lines().find(|line| line.contains(r"\\n"));
        assert_eq!(line, None, "src/{path}");
    }
}

/// Every source file under a directory: its path from there, and its text.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.expect("src can be listed");
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let path = entry.path().strip_prefix(root).expect("below the root");
            let text = fs_err::read_to_string(entry.path()).expect("a source file is UTF-8");
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
    assert!(found.len() > 20, "the sources were not found under {}", root.display());
    found
}

/// The first names after `crate::` (or, in main.rs, after the library's name), in the part of
/// the file that is not a test.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let code: String =
        production(text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    for start in ["crate::", "mlc_package::"] {
        for rest in code.split(start).skip(1) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if name.is_empty() {
                // `use crate::{a, b::c}`: not our style, and not read here.
                assert!(!rest.starts_with('{'), "write one `use crate::` a module");
            }
            names.insert(name);
        }
    }
    names
}

fn is_test_file(path: &str) -> bool {
    path.contains("tests") || path.ends_with("_test.rs")
}

fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}
