//! Six libraries of 3 MB into one archive: ours (read, validate, write) beside `llvm-ar rcs` and
//! `llvm-nm -g` on the same objects. The goal is to be faster than the two together.
//!
//! The libraries are a real compiled model each: TVM's blob for an Android llama, in objects of
//! the size that such models have.

#![expect(clippy::expect_used, reason = "without its files there is nothing to measure")]

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use divan::Bencher;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mlc_package::io::contents::Contents;
use mlc_package::library::{LibraryFile, Linked, Target, validate, write_archive};
use mlc_package::model::{Device, LibraryName, MacabiArch};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};
use tempfile::TempDir;

const LIBRARIES: usize = 6;
const FUNCTIONS: usize = 150;
const BYTES: usize = 3_000_000;

#[expect(clippy::print_stdout, reason = "the numbers are what it is for")]
fn main() {
    let scene = Scene::new();
    println!("{LIBRARIES} libraries of {} bytes each", scene.library_bytes());
    let ours = median(|| scene.ours(&scene.tars));
    let compressed = median(|| scene.ours(&scene.compressed));
    let llvm = median(|| scene.llvm());
    println!("ours, from plain .tar       {ours:>10.2?}  {:.1} times as fast", ratio(llvm, ours));
    println!(
        "ours, from compressed .tar  {compressed:>10.2?}  {:.1} times as fast",
        ratio(llvm, compressed)
    );
    println!("llvm-ar rcs and llvm-nm -g  {llvm:>10.2?}");
    divan::main();
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// The median of some runs, after one that warms the files up.
fn median(mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[divan::bench]
fn plain_tar(bencher: Bencher) {
    let scene = Scene::new();
    bencher.bench(|| scene.ours(&scene.tars));
}

#[divan::bench]
fn compressed_tar(bencher: Bencher) {
    let scene = Scene::new();
    bencher.bench(|| scene.ours(&scene.compressed));
}

#[divan::bench]
fn llvm_ar_and_nm(bencher: Bencher) {
    let scene = Scene::new();
    bencher.bench(|| scene.llvm());
}

/// The libraries on disk: as files of ours, and as bare objects for LLVM.
struct Scene {
    dir: TempDir,
    names: Vec<LibraryName>,
    tars: Vec<Utf8PathBuf>,
    compressed: Vec<Utf8PathBuf>,
    objects: Vec<Utf8PathBuf>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("a path in UTF-8");
        let blob = real_blob();
        let mut scene =
            Self { dir, names: vec![], tars: vec![], compressed: vec![], objects: vec![] };
        for index in 0..LIBRARIES {
            let name = format!("model_{index}_q4f16_1");
            let devc = blob_object(&name, &blob);
            let lib0 = code_object(&name, BYTES.saturating_sub(devc.len()));
            let tar = tar(&[("lib0.o", &lib0), (&format!("{name}_devc.o"), &devc)]);
            scene.tars.push(write(&root, &format!("{name}.tar"), &tar));
            scene.compressed.push(write(&root, &format!("{name}.tar.gz"), &gzip(&tar)));
            scene.objects.push(write(&root, &format!("{name}_lib0.o"), &lib0));
            scene.objects.push(write(&root, &format!("{name}_devc.o"), &devc));
            scene.names.push(name.parse().expect("a name"));
        }
        scene
    }

    fn library_bytes(&self) -> u64 {
        let size = |path: &Utf8PathBuf| fs_err::metadata(path).map_or(0, |file| file.len());
        self.tars.iter().map(size).max().unwrap_or_default()
    }

    /// Files to a validated archive on disk.
    fn ours(&self, paths: &[Utf8PathBuf]) {
        let maps: Vec<_> =
            paths.iter().map(|path| Contents::open(path).expect("a library")).collect();
        let files: Vec<(&Utf8Path, &[u8])> =
            paths.iter().zip(&maps).map(|(path, map)| (path.as_path(), &**map)).collect();
        let files: Result<Vec<_>, _> = LibraryFile::parse_all(&files).into_iter().collect();
        let files = files.expect("libraries");
        let opened: Result<Vec<_>, _> = LibraryFile::open_all(&files).into_iter().collect();
        let opened = opened.expect("libraries");
        let linked: Vec<_> = self
            .names
            .iter()
            .zip(&opened)
            .map(|(name, library)| Linked { name, library, expects: &[] })
            .collect();
        let target = Target { device: Device::Android, macabi_arch: MacabiArch::Arm64 };
        let problems = validate(target, &linked);
        assert!(problems.is_empty(), "{problems:?}");
        let mut out = BufWriter::new(self.create("ours.a"));
        write_archive(Device::Android, &linked, &mut out).expect("an archive");
        out.flush().expect("an archive");
    }

    #[expect(clippy::disallowed_methods, reason = "the file is what is measured")]
    fn create(&self, name: &str) -> File {
        File::create(self.dir.path().join(name)).expect("a file")
    }

    /// The same by LLVM's tools. The archive is made anew, as ours is.
    fn llvm(&self) {
        let archive = self.dir.path().join("llvm.a");
        drop(fs_err::remove_file(&archive));
        run(tool("llvm-ar").arg("rcs").arg(&archive).args(&self.objects));
        run(tool("llvm-nm").arg("-g").arg(&archive));
    }
}

#[expect(clippy::disallowed_methods, reason = "the process is what is measured")]
fn tool(name: &str) -> Command {
    let versions = (11..=30).rev().map(|version| format!("{name}-{version}"));
    let mut names = std::iter::once(name.to_owned()).chain(versions);
    let path = names.find_map(|name| which::which(name).ok());
    Command::new(path.expect("LLVM's tools: scripts/setup-tools.sh installs them"))
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().expect("a tool that starts");
    assert!(status.success(), "{command:?}");
}

fn real_blob() -> Vec<u8> {
    let compressed = include_bytes!("../tests/data/blobs/android-llama.bin.gz");
    let mut blob = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut blob).expect("a blob");
    blob
}

fn blob_object(name: &str, blob: &[u8]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
    let data = object.add_section(Vec::new(), b".rodata".to_vec(), SectionKind::ReadOnlyData);
    object.append_section_data(data, blob, 16);
    let symbol = format!("{name}___tvm_ffi__library_bin");
    let size = blob.len() as u64;
    object.add_symbol(global(symbol, 0, size, SymbolKind::Data, SymbolSection::Section(data)));
    object.write().expect("an object")
}

/// Host code: functions, and the data that makes up the rest of `bytes`.
fn code_object(name: &str, bytes: usize) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
    let text = object.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    let code: Vec<u8> = (0..bytes).map(|n| ((n * n) >> 7) as u8).collect();
    object.append_section_data(text, &code, 16);
    let size = (bytes / FUNCTIONS) as u64;
    for index in 0..FUNCTIONS {
        let symbol = format!("__tvm_ffi_{name}_fused_dequantize_matmul_{index}");
        let section = SymbolSection::Section(text);
        object.add_symbol(global(symbol, size * index as u64, size, SymbolKind::Text, section));
    }
    for symbol in ["TVMFFIFunctionCall", "TVMFFIEnvModLookupFromImports"] {
        let symbol = symbol.to_owned();
        object.add_symbol(global(symbol, 0, 0, SymbolKind::Text, SymbolSection::Undefined));
    }
    object.write().expect("an object")
}

fn global(name: String, value: u64, size: u64, kind: SymbolKind, section: SymbolSection) -> Symbol {
    let (scope, flags) = (SymbolScope::Dynamic, SymbolFlags::None);
    Symbol { name: name.into_bytes(), value, size, kind, scope, weak: false, section, flags }
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *data).expect("a tar");
    }
    builder.into_inner().expect("a tar")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("memory takes all");
    out.finish().expect("memory takes all")
}

fn write(root: &Utf8Path, name: &str, bytes: &[u8]) -> Utf8PathBuf {
    let path = root.join(name);
    fs_err::write(&path, bytes).expect("a file");
    path
}
