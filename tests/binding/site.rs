//! A scene with sources, an NDK, and the programs that a build needs.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::call::{Call, Run};
use crate::scene::{DATA, Scene};
use crate::tree;

/// The script's Android library, in `dist/`.
pub(crate) const LIBRARY: &str = "lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so";

pub(crate) struct Site {
    pub(crate) scene: Scene,
    /// CMake, Ninja and the system's programs; none of them where nothing is built.
    path: String,
}

impl Site {
    /// Where things are built.
    pub(crate) fn new(device: &str) -> Self {
        let cross = std::env::var("MLC_PACKAGE_TEST_CROSS")
            .expect("needs scripts/setup-cross.sh: make test");
        Self::with_path(device, &format!("{cross}:{}", std::env::var("PATH").unwrap()))
    }

    /// Where nothing is found on `PATH` but what the scene has.
    pub(crate) fn bare(device: &str) -> Self {
        Self::with_path(device, "")
    }

    fn with_path(device: &str, path: &str) -> Self {
        let scene = Scene::new(device);
        tree::copy(format!("{DATA}/mlc-llm"), scene.root.join("mlc-llm"));
        tree::copy(format!("{DATA}/ndk"), scene.root.join("ndk"));
        let path = format!("{}:{path}", scene.root.join("bin"));
        let site = Self { scene, path };
        site.program("rustup", "echo \"rustup $*\" >>\"$STAND_IN_RUSTUP\"");
        site.program("rustc", "echo 'rustc 1.95.0 (test)'");
        site.program("javac", "echo 'javac 17.0.15'");
        site.scene.write("include/jni.h", "");
        site
    }

    /// A program of the scene's own on `PATH`, in front of others. Each says what it is; `script`
    /// is what it does otherwise.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let script = match name {
            "rustup" => format!(
                "case \"$*\" in --version) echo 'rustup 1.28.2'; exit;; \
                 'target list --installed') exit;; esac\n{script}"
            ),
            _ => script.to_owned(),
        };
        self.executable(&format!("bin/{name}"), &script);
    }

    /// A program of the scene's own, anywhere.
    pub(crate) fn executable(&self, path: &str, script: &str) {
        let path = self.scene.write(path, format!("#!/bin/sh\n{script}\n"));
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Programs that are there on a Mac.
    pub(crate) fn xcode(&self) {
        self.program("xcodebuild", "echo 'Xcode 16.2'; echo 'Build version 16C5032a'");
        // The Metal toolchain was not downloaded: kernels stay source, as in the stand-in's libraries.
        self.program("xcrun", "if [ \"$1\" = metal ]; then exit 1; fi; echo 18.2");
        self.program("xcode-select", "echo /Applications/Xcode.app/Contents/Developer");
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Call<'_> {
        let path = |relative: &str| self.scene.root.join(relative).into_string();
        self.scene
            .call(arguments)
            .env("PATH", &self.path)
            .env("MLC_LLM_SOURCE_DIR", path("mlc-llm"))
            .env("ANDROID_NDK", path("ndk"))
            .env("STAND_IN_RUSTUP", path("rustup-calls"))
    }

    pub(crate) fn build(&self, more: &[&str]) -> Call<'_> {
        self.call(&[&["build"], more].concat())
    }

    /// Builds and gives the manifest's word on the binding.
    #[track_caller]
    pub(crate) fn built(&self) -> Value {
        self.build(&["--format", "json"]).ok().json()["binding"].clone()
    }

    /// What `plan` says of the binding.
    #[track_caller]
    pub(crate) fn planned(&self) -> Value {
        self.call(&["plan", "--format", "json"]).ok().json()["binding"].clone()
    }

    /// Why the binding would be built, in `plan`'s words.
    #[track_caller]
    pub(crate) fn reason(&self) -> String {
        let run = self.call(&["plan"]).ok();
        let line = run.stdout.lines().find(|line| line.starts_with("platform binding: "));
        let line = line.unwrap_or_else(|| panic!("{}", run.shown()));
        line.split_once("  ").map_or(line, |(_, state)| state).to_owned()
    }

    /// How often upstream's script ran: it begins with rustup.
    pub(crate) fn scripts(&self) -> usize {
        let calls = fs_err::read_to_string(self.scene.root.join("rustup-calls"));
        calls.unwrap_or_default().lines().count()
    }

    pub(crate) fn kits_dir(&self) -> Utf8PathBuf {
        self.scene.cache().join("kits")
    }

    /// The kits of the cache.
    pub(crate) fn kits(&self) -> Vec<Utf8PathBuf> {
        let names = tree::names(&self.kits_dir()).into_iter();
        names.filter(|name| !name.starts_with('.')).map(|name| self.kits_dir().join(name)).collect()
    }

    /// What is unfinished among kits and elsewhere.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut found = self.scene.leftovers();
        let kept = [".locks", ".answers.json"];
        let names = tree::names(&self.kits_dir()).into_iter();
        found.extend(names.filter(|name| name.starts_with('.') && !kept.contains(&&**name)));
        found
    }

    /// The log of upstream's script.
    pub(crate) fn log(&self) -> String {
        let dir = self.scene.cache().join("binding");
        let [name] = tree::names(&dir).try_into().unwrap();
        fs_err::read_to_string(dir.join(name).join("prepare_libs.log")).unwrap()
    }

    pub(crate) fn library(&self) -> Vec<u8> {
        fs_err::read(self.scene.dist().join(LIBRARY)).unwrap()
    }

    pub(crate) fn git(&self, dir: &str, arguments: &[&str]) {
        let dir = self.scene.root.join(dir);
        git(&dir, &self.scene.root, arguments);
    }
}

/// The system's linker.
pub(crate) fn lld() -> Utf8PathBuf {
    let path = std::env::var("PATH").unwrap();
    let mut places = path.split(':').map(|dir| Utf8Path::new(dir).join("ld.lld"));
    places.find(|place| place.is_file()).expect("needs scripts/setup-cross.sh: make test")
}

fn git(dir: &Utf8Path, home: &Utf8Path, arguments: &[&str]) {
    assert_cmd::Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=m"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .env("HOME", home)
        .current_dir(dir)
        .assert()
        .success();
}

/// What a run said, without what differs by the compiler's version and the scene's place.
pub(crate) fn stable(run: &Run<'_>) -> String {
    let mut text = run.shown();
    for (pattern, placeholder) in [
        (r"\b(android|iphone)-[0-9a-f]{16}\b", "$1-[SOURCE]"),
        (r"(?m)^(  library ) +[\d.]+ \w+", "$1 [SIZE]"),
        (r"(?m)^( +Compiled 2 libraries in ).+$", "$1[TIME]"),
    ] {
        text = regex::Regex::new(pattern).unwrap().replace_all(&text, placeholder).into_owned();
    }
    text
}

/// What `object` reads of a library.
pub(crate) struct Elf {
    pub(crate) symbols: Vec<String>,
    /// The alignments of what is loaded.
    pub(crate) pages: Vec<u64>,
}

pub(crate) fn elf(bytes: &[u8]) -> Elf {
    use object::{Architecture, Object as _, ObjectSegment as _, ObjectSymbol as _};
    let file = object::File::parse(bytes).unwrap();
    assert_eq!(file.architecture(), Architecture::Aarch64);
    let symbols = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    Elf {
        symbols: symbols.map(|symbol| symbol.name().unwrap().to_owned()).collect(),
        pages: file.segments().map(|segment| segment.align()).collect(),
    }
}
