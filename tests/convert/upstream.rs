//! Conversions by upstream's own code, byte for byte: `tests/data/conversions`.

use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conversions");

/// What upstream was told, and what it wrote.
#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    quantization: String,
    /// None where only weights were converted.
    conv_template: Option<String>,
    model_type_argument: Option<String>,
    overrides: Option<String>,
    upstream_refuses: Option<String>,
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

fn differs(case: &Case, scratch: &Utf8Path) -> Option<String> {
    let out = scratch.join("model");
    let checkpoint = format!("{DATA}/{}", case.checkpoint);
    let mut arguments = vec!["convert", &checkpoint, "--engine", "native", "-o", out.as_str()];
    arguments.extend(["--quantization", &case.quantization]);
    match &case.conv_template {
        Some(template) => arguments.extend(["--conv-template", template]),
        None => arguments.push("--weights-only"),
    }
    if let Some(name) = &case.model_type_argument {
        arguments.extend(["--model-type", name]);
    }
    if let Some(overrides) = &case.overrides {
        arguments.extend(["--overrides", overrides]);
    }
    #[expect(clippy::disallowed_methods, reason = "the program is run as a user runs it")]
    let run = Command::new(env!("CARGO_BIN_EXE_mlc-package"))
        .args(&arguments)
        .env("XDG_CACHE_HOME", scratch.join("cache"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    match (&case.upstream_refuses, run.status.code()) {
        (Some(_), Some(11)) => return None,
        (Some(_), code) => return Some(format!("is not refused: {code:?} {said}")),
        (None, Some(0)) => {}
        (None, code) => return Some(format!("{code:?} {said}")),
    }
    let digest = |bytes: &[u8]| {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let entries = fs_err::read_dir(&out).unwrap().map(|entry| entry.unwrap());
    let written: BTreeMap<String, String> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, digest(&fs_err::read(entry.path()).unwrap()))
        })
        .collect();
    let names = written.keys().chain(case.sha256.keys());
    let mut wrong: Vec<_> =
        names.filter(|name| written.get(*name) != case.sha256.get(*name)).cloned().collect();
    wrong.dedup();
    (!wrong.is_empty()).then(|| format!("differs: {}", wrong.join(", ")))
}

#[test]
fn every_conversion_is_upstreams_byte_for_byte() {
    let text = fs_err::read(format!("{DATA}/expected.json")).unwrap();
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&text).unwrap();
    assert!(cases.len() > 40, "{}", cases.len());
    let mut wrong = Vec::new();
    for (name, case) in &cases {
        let scratch = tempfile::tempdir().unwrap();
        let scratch = Utf8Path::from_path(scratch.path()).unwrap();
        wrong.extend(differs(case, scratch).map(|what| format!("{name} {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
