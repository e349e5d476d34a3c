//! What holds of a file after its check, whatever is in it.

use std::fmt::Debug;

use mlc_package::config::Checked;
use mlc_package::config::render::{Contents, Repository, annotations, github, human, json};
use serde_json::Value;

use crate::harmless;

/// Spans lie inside the file, and every format says each problem, harmlessly.
pub(crate) fn holds<T: Contents + Debug>(checked: &Checked<T>, bytes: &[u8]) {
    for found in checked.diagnostics() {
        for span in found.span.iter().chain(found.related.iter().map(|(span, _)| span)) {
            assert!(span.start <= span.end && span.end <= bytes.len(), "{found:?}");
            if let Ok(text) = std::str::from_utf8(bytes) {
                assert!(text.get(span.start..span.end).is_some(), "{found:?}");
            }
        }
        for line in [&found.message, &found.help] {
            assert!(!line.is_empty() && line.len() < 5000, "{} bytes", line.len());
            harmless::line(line);
        }
    }
    let count = checked.diagnostics().len();
    let mut out = Vec::new();
    human(checked, 100, &mut out).expect("memory takes all");
    let shown = without_styles(&String::from_utf8(out).expect("text"));
    shown.split('\n').for_each(harmless::excerpt);
    let mut out = Vec::new();
    json(checked, &mut out).expect("memory takes all");
    let value: Value = serde_json::from_slice(&out).expect("our own JSON");
    assert_eq!(value["diagnostics"].as_array().map(Vec::len), Some(count));
    let mut out = Vec::new();
    github(checked, &Repository::default(), &mut out).expect("memory takes all");
    let text = String::from_utf8(out).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), count + 1, "a command each, and the summary");
    for (line, found) in lines.iter().zip(checked.diagnostics()) {
        assert!(line.starts_with(&format!("::{} file=", found.severity.as_str())), "{line}");
        harmless::line(line.trim_start_matches(':'));
    }
    harmless::line(lines[count]);
    for note in annotations(checked, &Repository::default()) {
        harmless::lines(&note.message);
    }
}

/// A text without its colours.
fn without_styles(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| {
        let (style, rest) = part.split_once('m').expect("a style");
        assert!(style.bytes().all(|byte| byte == b';' || byte.is_ascii_digit()), "{style:?}");
        rest
    });
    first + &rest.collect::<String>()
}
