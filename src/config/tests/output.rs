//! The renderings for programs, and what `--strict` does.

use camino::Utf8Path;

use super::{Imagined, checked, codes, place, shown};
use crate::config::render::{Repository, explaining, github, human, json, summary};
use crate::config::{Checked, ConfigError, check};

const TWO_PROBLEMS: &str = concat!(
    "\u{feff}{\r\n",
    "\t\"模型\": 100,\r\n",
    "\t\"device\": \"ios\",\r\n",
    "\t\"model_list\": [], \"model_list\": []\r\n",
    "}\r\n"
);

fn as_json(checked: &Checked) -> serde_json::Value {
    let mut out = Vec::new();
    json(checked, &mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1, "one line a config");
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn json_has_places_in_characters_and_bytes() {
    let report = as_json(&checked(TWO_PROBLEMS.as_bytes()));
    insta::assert_json_snapshot!("two-problems.json", report);
    let offset = |index: usize| report["diagnostics"][index]["offset"].as_u64().unwrap() as usize;
    // Offsets are those of the file as it is, byte order mark and all.
    assert!(TWO_PROBLEMS[offset(0)..].starts_with("\"模型\""));
    assert!(TWO_PROBLEMS[offset(1)..].starts_with("\"ios\""));
    let whole_file = as_json(&checked(b""));
    assert!(whole_file["diagnostics"][0]["line"].is_null());
}

#[test]
fn github_gets_workflow_commands() {
    let repository = Repository { root: "/repo".into(), working_dir: "/repo".into() };
    let annotate = |path: &str, text: &str| {
        let checked = check(Utf8Path::new(path), text.as_bytes(), &place(), &Imagined::new());
        let mut out = Vec::new();
        github(&checked, &repository, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    insta::assert_snapshot!("two-problems.github", annotate("./app/c.json", TWO_PROBLEMS));
    // What an author of a pull request can choose ends no command and begins none.
    let hostile = annotate("a,b:c%\n::error::x.json", "{\"device\": \"%\\n::error::x\"}");
    insta::assert_snapshot!("hostile.github", hostile);
    assert!(hostile.lines().all(|line| !line.starts_with("::error::")), "{hostile}");
    // A span over several lines has no columns.
    let comment = annotate("c.json", "{ /* a\n b */ }");
    assert!(
        comment.starts_with("::error file=c.json,line=1,endLine=2,title=syntax::"),
        "{comment}"
    );
}

#[test]
fn strict_makes_warnings_errors_and_says_so() {
    let text = br#"{"device": "android", "model_list": []}"#;
    let lenient = checked(text);
    assert_eq!((lenient.errors(), lenient.warnings()), (0, 1));
    assert!(lenient.package().is_some());
    let strict = lenient.deny_warnings();
    assert_eq!((strict.errors(), strict.warnings()), (1, 0));
    assert!(strict.package().is_none());
    insta::assert_snapshot!("strict", shown(&strict));
    assert_eq!(as_json(&strict)["diagnostics"][0]["severity"], "error");
    let ConfigError::Invalid(returned) = strict.into_package().unwrap_err();
    assert_eq!(codes(&returned), ["no-models"]);
}

#[test]
fn colours_are_there_for_a_terminal() {
    let mut out = Vec::new();
    human(&checked(b"{}"), 100, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\u{1b}["), "{text}");
}

#[test]
fn a_path_cannot_forge_a_line() {
    let path = Utf8Path::new("a\n::error::x\u{1b}[2J");
    let checked = check(path, b"{}", &place(), &Imagined::new());
    assert_eq!(summary(&checked).lines().count(), 1);
    let shown = shown(&checked);
    assert!(!shown.contains('\u{1b}') && !shown.contains("\n::error"), "{shown}");
}

/// As many codes as fit the line, each once; a command that can be pasted, whatever the width.
#[test]
fn the_command_that_explains_fits_its_line() {
    let codes = ["unknown-device", "unknown-device", "invalid-vram-estimate", "no-models"];
    assert_eq!(explaining([], 60), None);
    let at = |width| {
        let (name, command) = explaining(codes, width).unwrap();
        format!("{name}: {command}")
    };
    assert_eq!(at(1), "explain 1 of 3 codes: mlc-package explain unknown-device");
    assert_eq!(at(70), "explain 2 of 3 codes: mlc-package explain unknown-device no-models");
    assert_eq!(
        at(120),
        "explain: mlc-package explain unknown-device invalid-vram-estimate no-models"
    );
    assert!((60..200).all(|width| at(width).len() <= width));
}
