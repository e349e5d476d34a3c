//! The platform binding, cold and out of its kit, as a user builds it: whole processes, Android
//! beside the bare linker. With a tree of mlc-llm's shape (tests/data/mlc-llm) made larger, and once
//! more as large as upstream's, and models that real TVM compiled.
//!
//! Ends with exit code 1 if a target is missed. Needs scripts/setup-cross.sh.

#[path = "build/machine.rs"]
mod machine;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Sources that are added to the tree, each with functions and a table of 64 KiB.
const SOURCES: usize = 40;
/// Whole runs of each program.
const RUNS: usize = 20;
const COLD_RUNS: usize = 3;
/// Sources that make the tree as large as upstream's, and the functions of each.
const LARGE_SOURCES: usize = 48;
const LARGE_FUNCTIONS: usize = 3000;
/// How much longer than the bare linker a relink of that may take.
const RELINK_LIMIT: f64 = 1.10;
/// How often a warm Android build must be faster than a cold one.
const TIMES_FASTER: f64 = 20.0;
/// How long a warm Apple build may take, in seconds.
const APPLE_LIMIT: f64 = 0.1;

fn main() -> Result<ExitCode> {
    let scene = Scene::prepare()?;
    say(&machine::describe())?;
    let android = android(&scene)?;
    let apple = apple(&scene)?;
    let large = large(&scene)?;
    Ok(if android && apple && large { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A warm build links another model than the one before.
fn android(scene: &Scene) -> Result<bool> {
    let [one, other] = ["one", "other"].map(|name| scene.config("android", name));
    let (one, other) = (one?, other?);
    let cold = median((0..COLD_RUNS).map(|_| seconds(scene.build(&one).arg("--rebuild-binding"))))?;
    seconds(&mut scene.build(&other))?;
    let mut link = scene.bare_link(&one)?;
    let (mut warm, mut bare) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        warm.push(seconds(&mut scene.build(if run % 2 == 0 { &one } else { &other })));
        bare.push(seconds(&mut link));
    }
    let (warm, bare) = (median(warm)?, median(bare)?);
    let met = cold / warm >= TIMES_FASTER;
    say(&format!("\nAndroid, {SOURCES} sources more than in tests/data/mlc-llm"))?;
    line("cold: configure, compile, link, install", cold, "")?;
    line(
        "warm, another model than before",
        warm,
        &format!("{:.0} times faster; target: {TIMES_FASTER}  {}", cold / warm, word(met)),
    )?;
    line("the bare linker", bare, &format!("{:.0} % of the warm build", 100.0 * bare / warm))?;
    Ok(met)
}

/// A relink of a library of upstream's size, in turns with `ld.lld` and the same arguments. The time
/// that the disk takes is apart.
fn large(scene: &Scene) -> Result<bool> {
    for n in 0..LARGE_SOURCES {
        scene.source(&format!("large_{n}"), &large_source(n))?;
    }
    let [one, other] = ["one", "other"].map(|name| scene.config("android", name));
    let (one, other) = (one?, other?);
    seconds(&mut scene.build(&one))?;
    let mut link = scene.bare_link(&one)?;
    let without_sync = scene.without_sync()?;
    let (mut relinks, mut synced, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        relinks.push(seconds(scene.build(&other).env("LD_PRELOAD", &without_sync)));
        synced.push(seconds(&mut scene.build(&one)));
        bares.push(seconds(&mut link));
    }
    let (relink, synced, bare) = (median(relinks)?, median(synced)?, median(bares)?);
    let met = relink / bare <= RELINK_LIMIT;
    let megabytes =
        |path: &Utf8Path| Ok::<_, anyhow::Error>(fs_err::metadata(path)?.len() / 1_000_000);
    let library = megabytes(&scene.root.join("bare.so"))?;
    say(&format!("\nAndroid, a library of {library} MB"))?;
    line(
        "relinked, the whole process, no fsync",
        relink,
        &format!(
            "{:.2} of the bare linker; target: {RELINK_LIMIT:.2}  {}",
            relink / bare,
            word(met)
        ),
    )?;
    line("with fsync, which the linker does not do", synced, "")?;
    line("the bare linker", bare, "")?;
    Ok(met)
}

/// Functions with sections, symbols and relocations of their own, which an assembler makes quickly.
fn large_source(n: usize) -> String {
    format!(
        r#"extern "C" __attribute__((visibility("hidden"))) char large_table_{n}[65536] = {{1}};
__asm__(R"(
  .altmacro
  .macro function at
  .section .text.large_{n}_\at,"ax",@progbits
  .globl large_{n}_\at
  .type large_{n}_\at,@function
large_{n}_\at:
  adrp x8, large_table_{n}
  add x8, x8, :lo12:large_table_{n}
  .rept 32
  add x0, x0, x8
  .endr
  b large_{n}_0
  .section .data.rel.ro.large_{n},"aw",@progbits
  .xword large_{n}_\at
  .endm
  .set at, 0
  .rept {LARGE_FUNCTIONS}
  function %at
  .set at, at + 1
  .endr
  .text
)");
"#
    )
}

fn apple(scene: &Scene) -> Result<bool> {
    let config = scene.config("iphone", "one")?;
    let cold = seconds(&mut scene.build(&config))?;
    let warm = median((0..RUNS).map(|_| seconds(&mut scene.build(&config))))?;
    let met = warm < APPLE_LIMIT;
    say("\nApple, the same tree")?;
    line("cold", cold, "")?;
    line("warm", warm, &format!("target: {:.0} ms  {}", APPLE_LIMIT * 1e3, word(met)))?;
    Ok(met)
}

fn line(what: &str, seconds: f64, rest: &str) -> Result<()> {
    say(&format!("  {what:<42}{:>9.1} ms  {rest}", seconds * 1e3))
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{}", line.trim_end())?)
}

fn word(met: bool) -> &'static str {
    if met { "ok" } else { "MISSED" }
}

fn seconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.output()?;
    let elapsed = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(elapsed)
}

fn median(seconds: impl IntoIterator<Item = Result<f64>>) -> Result<f64> {
    let mut seconds = seconds.into_iter().collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().context("no runs")
}

struct Scene {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl Scene {
    fn prepare() -> Result<Self> {
        let cross = Utf8Path::new(ROOT).join("target/cross/bin/cmake");
        ensure!(cross.exists(), "run scripts/setup-cross.sh first");
        let dir = tempfile::tempdir()?;
        let root = Utf8Path::from_path(dir.path()).context("UTF-8")?.canonicalize_utf8()?;
        let scene = Self { _dir: dir, root };
        for (from, to) in [
            ("mlc-llm", "mlc-llm"),
            ("ndk", "ndk"),
            ("layer", "app/models/one"),
            ("layer", "app/models/other"),
        ] {
            copy(&Utf8Path::new(ROOT).join("tests/data").join(from), &scene.root.join(to))?;
        }
        for n in 0..SOURCES {
            let mut text =
                format!("extern \"C\" const char table_{n}[65536] = {{{}}};\n", n % 100 + 1);
            for f in 0..100 {
                writeln!(
                    text,
                    "extern \"C\" long function_{n}_{f}(long a) {{ for (long i = 0; i < a; ++i) a ^= table_{n}[(i * {f}) & 65535] + (a << 3); return a; }}"
                )?;
            }
            scene.source(&format!("more_{n}"), &text)?;
        }
        for (name, script) in [
            ("rustup", "case \"$*\" in --version) echo 'rustup 1.28.2';; esac"),
            ("rustc", "echo 'rustc 1.95.0'"),
            ("xcrun", "if [ \"$1\" = metal ]; then exit 1; fi; echo 18.2"),
            ("xcodebuild", "echo 'Xcode 16.2'"),
            ("xcode-select", "echo /Applications/Xcode.app/Contents/Developer"),
        ] {
            scene.program(&format!("bin/{name}"), script)?;
        }
        Ok(scene)
    }

    /// A source more of TVM's runtime.
    fn source(&self, name: &str, text: &str) -> Result<()> {
        let dir = self.root.join("mlc-llm/3rdparty/tvm/src/runtime");
        Ok(fs_err::write(dir.join(format!("{name}.cc")), text)?)
    }

    fn program(&self, path: &str, script: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().context("a parent")?)?;
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        Ok(fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?)
    }

    fn config(&self, device: &str, model: &str) -> Result<Utf8PathBuf> {
        let path = self.root.join(format!("app/{device}-{model}.json"));
        let entry = serde_json::json!({
            "model": format!("models/{model}"), "model_id": model, "bundle_weight": true,
            "estimated_vram_bytes": 1_048_576, "model_lib": format!("{model}_layer"),
        });
        let config = serde_json::json!({"device": device, "model_list": [entry]});
        fs_err::write(&path, config.to_string())?;
        Ok(path)
    }

    fn build(&self, config: &Utf8Path) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_mlc-package"));
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.root.join("home");
        command
            .args(["build", "--quiet", "--package-config", config.as_str()])
            .current_dir(self.root.join("app"))
            .env_clear()
            .env("PATH", format!("{}/bin:{ROOT}/target/cross/bin:{path}", self.root))
            .env("HOME", &home)
            .env("PYTHONPATH", format!("{ROOT}/tests/data/compiler"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("STAND_IN_LIBRARIES", format!("{ROOT}/tests/data/libraries"))
            .env("STAND_IN_CALLS", self.root.join("calls"))
            .env("MLC_LLM_SOURCE_DIR", self.root.join("mlc-llm"))
            .env("ANDROID_NDK", self.root.join("ndk"))
            // What is cold is to be cold.
            .env("CCACHE_DISABLE", "1");
        command
    }

    /// A library that is preloaded to have nothing synced.
    fn without_sync(&self) -> Result<Utf8PathBuf> {
        let (source, library) = (self.root.join("nosync.c"), self.root.join("nosync.so"));
        let names = ["fsync(int f)", "fdatasync(int f)", "syncfs(int f)"];
        fs_err::write(&source, names.map(|name| format!("int {name} {{ return 0; }}\n")).concat())?;
        seconds(command("cc").args(["-shared", "-o", library.as_str(), source.as_str()]))?;
        Ok(library)
    }

    /// The linker as a build starts it, on an archive and an output of its own.
    fn bare_link(&self, config: &Utf8Path) -> Result<Command> {
        // For one build, the NDK has a linker that writes its arguments down, one per line.
        let (linker, record) = ("ndk/toolchains/llvm/prebuilt/linux-x86_64/bin/ld.lld", "linked");
        let record = self.root.join(record);
        let script = format!("printf '%s\\n' \"$@\" >{record}; exec ld.lld \"$@\"");
        self.program(linker, &script)?;
        seconds(&mut self.build(config))?;
        fs_err::remove_file(self.root.join(linker))?;
        let plain = self.root.join("plain");
        seconds(self.build(config).args(["--no-binding", "--output", plain.as_str()]))?;
        let mut link = command("ld.lld");
        for word in fs_err::read_to_string(record)?.lines() {
            if word.ends_with("libmodel_android.a") {
                link.arg(plain.join("lib/libmodel_android.a"));
            } else if word.ends_with("/libtvm4j_runtime_packed.so") {
                link.arg(self.root.join("bare.so"));
            } else {
                link.arg(word);
            }
        }
        Ok(link)
    }
}

#[expect(clippy::disallowed_methods, reason = "whole processes are measured")]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry?;
        let path = to.as_std_path().join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(path)?;
        } else {
            fs_err::copy(entry.path(), path)?;
        }
    }
    Ok(())
}
