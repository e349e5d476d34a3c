//! Input that nobody means well with.

use camino::Utf8Path;

use super::{checked, codes, shown};
use crate::config::render::{Repository, github, human, json};
use crate::config::{Checked, MAX_BYTES, MAX_PROBLEMS, check_file};

/// Checks a config and renders what was found, in every way.
fn rendered(bytes: &[u8]) -> Checked {
    let checked = checked(bytes);
    let mut out = Vec::new();
    human(&checked, 100, &mut out).unwrap();
    json(&checked, &mut out).unwrap();
    github(&checked, &Repository::default(), &mut out).unwrap();
    assert!(out.len() < 8 << 20, "{} bytes of output", out.len());
    checked
}

#[test]
fn large_files_are_refused_before_they_are_parsed() {
    let large = vec![b' '; MAX_BYTES as usize + 1];
    assert_eq!(codes(&rendered(&large)), ["too-large"]);
    assert_eq!(codes(&rendered(&large[1..])), ["empty-file"]);

    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("c.json");
    fs_err::write(&path, vec![b'['; 50 << 20]).unwrap();
    assert_eq!(codes(&check_file(&path)), ["too-large"]);
}

#[test]
fn deep_nesting_is_refused_at_once() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert_eq!(codes(&rendered(open.repeat(10_000).as_bytes())), ["too-deep"], "{open}");
        assert_eq!(codes(&rendered(open.repeat(500_000).as_bytes())), ["too-deep"], "{open}");
    }
}

#[test]
fn problems_are_counted_up_to_a_limit() {
    let entry = "{},".repeat(1_000_000);
    let unknown: String = (0..200_000).map(|n| format!("\"k{n}\":0,\n")).collect();
    let twice = "\"a\":{\"b\":0,\"b\":1},\n".repeat(100_000);
    for text in [
        format!("{{\"device\":\"android\",\"model_list\":[{entry}0]}}"),
        format!("{{{unknown}\"device\":\"android\"}}"),
        format!("{{{twice}\"device\":\"android\"}}"),
        format!("{{\"model_lib_path_for_prepare_libs\":{{{}}}}}", &unknown[..unknown.len() - 2]),
    ] {
        let checked = rendered(text.as_bytes());
        assert_eq!(checked.diagnostics().len(), MAX_PROBLEMS + 1);
        assert_eq!(codes(&checked).last(), Some(&"too-many-problems"));
        assert!(checked.package().is_none());
    }
}

#[test]
fn long_texts_are_not_shown_whole() {
    let long = "x".repeat(3 << 20);
    for text in [
        format!("{{\"device\":\"{long}\",\"model_list\":[]}}"),
        format!("{{\"{long}\":1,\"{long}\":2}}").replacen(&long, "y", 1),
        format!("{{\"device\":{}}}", "1".repeat(3 << 20)),
        format!("{{\"device\": {long}"),
        format!("\"{long}"),
    ] {
        let checked = rendered(text.as_bytes());
        assert!(checked.package().is_none());
        assert!(shown(&checked).len() < 8 << 10, "{}", shown(&checked).len());
    }
}

#[test]
fn what_cannot_be_read_is_a_diagnostic() {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let of = |path: &Utf8Path| {
        let checked = check_file(path);
        let found = &checked.diagnostics()[0];
        (found.code.as_str(), found.message.clone(), found.help.clone())
    };
    let (code, message, help) = of(&dir.join("absent.json"));
    assert_eq!(
        (code, message.as_str()),
        ("unreadable", "cannot read the config: there is no such file")
    );
    assert_eq!(help, "check the path");
    let (code, message, help) = of(dir);
    assert_eq!(
        (code, message.as_str()),
        ("unreadable", "cannot read the config: it is a directory")
    );
    assert!(help.ends_with("/mlc-package-config.json"), "{help}");
}
