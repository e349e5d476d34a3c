use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::{checked, codes, shown};
use crate::config::Code;
use crate::config::project::tests::OF_PROJECTS;

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/configs");

pub(super) fn configs(kind: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs_err::read_dir(format!("{CONFIGS}/{kind}"))
        .unwrap()
        .map(|entry| {
            let path = Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap();
            (path.file_stem().unwrap().to_owned(), fs_err::read(&path).unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Each file of `bad/` is named by the code that it must bring out, and each code has one.
#[test]
fn every_code_has_a_config_that_shows_it() {
    let mut seen = BTreeSet::new();
    for (name, bytes) in configs("bad") {
        let checked = checked(&bytes);
        let code = name.split('.').next().unwrap().to_owned();
        assert!(codes(&checked).contains(&code.as_str()), "{name}: {:?}", codes(&checked));
        insta::assert_snapshot!(name.clone(), shown(&checked));
        seen.insert(code);
    }
    // `mlc-package.yml` has its own, and sizes are no matter of the text.
    seen.extend(OF_PROJECTS.iter().chain(&[Code::OverBudget]).map(|code| code.as_str().to_owned()));
    // These need no text of their own: `limits` has three, only a build finds the fourth, and the
    // environment decides on the last.
    let others = ["unreadable", "too-large", "too-many-problems", "vram-too-low", "confined"];
    seen.extend(others.map(str::to_owned));
    let all: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(seen, all);
}

#[test]
fn the_configs_that_upstream_ships_are_good() {
    let good = configs("good");
    assert!(good.len() >= 4);
    for (name, bytes) in good {
        let checked = checked(&bytes);
        assert_eq!(codes(&checked), <[&str; 0]>::default(), "{name}");
        assert!(checked.package().is_some_and(|package| !package.models.is_empty()), "{name}");
    }
}
