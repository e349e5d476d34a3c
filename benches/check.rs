//! `mlc-package check` on a config of 20 models: the function alone, with its output, and the
//! whole process. The goal is under 10 ms for the process.

use std::io::Write as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use divan::Bencher;
use mlc_package::config::{Disk, Place, check, check_file, render};

fn main() {
    divan::main();
}

/// 20 models: hub repositories with overrides, and a mistake in every fourth if asked for.
fn config(with_mistakes: bool) -> String {
    let models: Vec<_> = (0..20)
        .map(|n| {
            let vram = if with_mistakes && n % 4 == 0 { "3e9" } else { "3000000000" };
            format!(
                r#"        {{
            "model": "HF://mlc-ai/Qwen3-{n}B-q4f16_1-MLC",
            "model_id": "Qwen3-{n}B-q4f16_1-MLC",
            "estimated_vram_bytes": {vram},
            "overrides": {{
                "prefill_chunk_size": 128,
                "context_window_size": 2048
            }}
        }}"#
            )
        })
        .collect();
    format!(
        "{{\n    \"device\": \"android\",\n    \"model_list\": [\n{}\n    ]\n}}\n",
        models.join(",\n")
    )
}

#[divan::bench(args = [false, true])]
fn function(bencher: Bencher, with_mistakes: bool) {
    let text = config(with_mistakes);
    let path = Utf8Path::new("config.json");
    bencher.bench(|| check(path, divan::black_box(text.as_bytes()), &Place::default(), &Disk));
}

#[divan::bench(args = [false, true])]
fn function_and_output(bencher: Bencher, with_mistakes: bool) {
    let text = config(with_mistakes);
    let path = Utf8Path::new("config.json");
    bencher.bench(|| {
        let checked = check(path, text.as_bytes(), &Place::default(), &Disk);
        let mut out = Vec::new();
        render::human(&checked, 120, &mut out).map(|()| out)
    });
}

#[divan::bench(args = [false, true])]
fn file(bencher: Bencher, with_mistakes: bool) {
    let (_file, path) = on_disk(&config(with_mistakes));
    bencher.bench(|| check_file(&path));
}

#[divan::bench(args = [false, true])]
fn process(bencher: Bencher, with_mistakes: bool) {
    let (_file, path) = on_disk(&config(with_mistakes));
    bencher.bench(|| run(&path));
}

/// The worst that fits into the size limit: every line a problem.
#[divan::bench(sample_count = 5)]
fn worst_case(bencher: Bencher) {
    let unknown: String = (0..250_000).map(|n| format!("\"k{n}\":0,\n")).collect();
    let text = format!("{{{unknown}\"device\":\"android\"}}");
    bencher.bench(|| {
        let checked = check(Utf8Path::new("c"), text.as_bytes(), &Place::default(), &Disk);
        let mut out = Vec::new();
        render::human(&checked, 120, &mut out).map(|()| out)
    });
}

#[expect(clippy::disallowed_methods, reason = "the process is what is measured")]
fn run(path: &Utf8Path) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlc-package"));
    command.arg("check").arg(path).stdout(Stdio::null());
    command.status().ok().and_then(|status| status.code())
}

#[expect(clippy::expect_used, reason = "without a file there is nothing to measure")]
fn on_disk(text: &str) -> (tempfile::NamedTempFile, Utf8PathBuf) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("a config");
    let path = Utf8PathBuf::from_path_buf(file.path().to_owned()).expect("a path in UTF-8");
    (file, path)
}
