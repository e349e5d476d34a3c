//! `mlc-package report` of 50 models with a baseline and budgets: each format alone, and the whole
//! process. The goal is under 50 ms for the process.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use divan::Bencher;
use mlc_package::manifest::Manifest;
use mlc_package::model::{Budget, ByteSize, Levels, Limits, PackageBudgets};
use mlc_package::report::{
    COMMENT_CHARS, PackageInput, ReportContext, SizeReport, html, markdown, write_report,
};

#[path = "../tests/report/packages.rs"]
mod packages;

const MODELS: usize = 50;

const PROJECT: &str = "budgets: {model: {download: {warn: {growth: 50MiB}, fail: {max: 8GiB}}}}\n";

fn main() -> anyhow::Result<()> {
    let scene = Scene::new()?;
    for format in ["markdown", "html", "json"] {
        ensure!(scene.run(format) == Some(0), "the report cannot be made as {format}");
    }
    divan::main();
    Ok(())
}

/// A package that a pull request changes, as two files.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| Utf8PathBuf::from_path_buf(dir.path().join(name)).ok();
        let before = packages::package("android", MODELS);
        let now = packages::changed(&before);
        for (name, text) in [
            ("before.json", before.to_string()),
            ("now.json", now.to_string()),
            ("mlc-package.yml", PROJECT.to_owned()),
        ] {
            fs_err::write(at(name).context("a path in UTF-8")?, text)?;
        }
        Ok(Self { dir })
    }

    #[expect(clippy::disallowed_methods, reason = "the process is what is measured")]
    fn run(&self, format: &str) -> Option<i32> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlc-package"));
        command.args(["report", "--manifest", "now.json", "--baseline", "before.json"]);
        command.args(["--format", format]).current_dir(self.dir.path());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.ok().and_then(|status| status.code())
    }
}

#[divan::bench(args = ["human", "markdown", "json", "html"])]
fn process(bencher: Bencher, format: &str) {
    if let Ok(scene) = Scene::new() {
        bencher.bench(|| scene.run(format));
    }
}

fn input() -> Option<PackageInput> {
    let before = packages::package("android", MODELS);
    let read = |text: String| Manifest::read(Utf8Path::new("m.json"), text.as_bytes()).ok();
    let limits = Limits { max: Some(ByteSize(8 << 30)), ..Limits::default() };
    let download = Levels { fail: limits, ..Levels::default() };
    let any_model = Budget { download, ..Budget::default() };
    Some(PackageInput {
        name: "android".to_owned(),
        called: None,
        manifest: read(packages::changed(&before).to_string())?,
        baseline: read(before.to_string()),
        budgets: PackageBudgets { any_model, ..PackageBudgets::default() },
        config: None,
    })
}

/// The comparison and one rendering, without files or a process.
#[divan::bench(args = ["human", "markdown", "json", "html"])]
fn function(bencher: Bencher, format: &str) {
    let Some(input) = input() else { return };
    bencher.bench(|| {
        let report = SizeReport::new(std::slice::from_ref(&input), &ReportContext::default());
        match format {
            "human" => {
                let mut out = Vec::new();
                write_report(&mut out, &report, None).map_or(0, |()| out.len())
            }
            "markdown" => markdown(&report, COMMENT_CHARS).len(),
            "json" => serde_json::to_string(&report).map_or(0, |text| text.len()),
            _ => html(&report, std::time::UNIX_EPOCH).map_or(0, |page| page.len()),
        }
    });
}
