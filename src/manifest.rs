//! The record of one package: what went in, what came out, how big it is and how long it took.
//! It lies in `dist/`, tells the next build which files are ours, and is what a size report
//! compares.

mod read;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::model::{
    ArtifactKind, CompilerIdentity, Device, Digest, Fingerprint, KernelsChecked, KitInputs,
    LibraryName, MacabiArch, Metal, ModelId, Overrides,
};

pub use self::read::ManifestError;

/// The file's name in `dist/`.
pub const FILE_NAME: &str = "mlc-package-manifest.json";

/// One package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format, 1.
    pub schema: u32,
    /// The version of this tool.
    pub tool: String,
    /// The phone the package is for.
    pub device: Device,
    /// The processor of a Mac Catalyst package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macabi_arch: Option<MacabiArch>,
    /// The package config.
    pub config: InputFile,
    /// The compiler; none where every library was prepared beforehand.
    pub compiler: Option<CompilerIdentity>,
    /// The models, in the config's order.
    pub models: Vec<ModelRecord>,
    /// The libraries of the archive, in its order.
    pub libraries: Vec<LibraryRecord>,
    /// Parts that the package holds more than once, most costly first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<DuplicateRecord>,
    /// The platform binding; none where it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingRecord>,
    /// What an app can depend on with one line; none where none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactRecord>,
    /// What was done and how long it took, in order.
    pub stages: Vec<StageRecord>,
    /// Every file of the package but this one, sorted by path.
    pub outputs: Vec<OutputFile>,
}

/// A Maven artifact, or a Swift package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// What it is.
    pub kind: ArtifactKind,
    /// What an app knows it by: `group:artifact:version`, or `name version`.
    pub name: String,
    /// The one file that holds it, in `dist/`.
    pub file: Utf8PathBuf,
    /// The size of that in bytes.
    pub bytes: u64,
}

/// A file that went in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Its name, without the directories of this machine.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its name in the app.
    pub model_id: ModelId,
    /// The library it loads.
    pub model_lib: LibraryName,
    /// Where it came from, as the config has it.
    pub model: String,
    /// The commit of its repository on the Hub, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Its architecture.
    pub model_type: String,
    /// Its quantization scheme.
    pub quantization: String,
    /// Its conversation template, where it was converted in the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conv_template: Option<String>,
    /// What the compiler was told beside the model's own config.
    pub overrides: Overrides,
    /// The digest of its own config.
    pub chat_config: Digest,
    /// Whether its files are shipped with the app.
    pub bundled: bool,
    /// The sizes of its files.
    pub sizes: ModelSizes,
    /// The memory the app is told it needs, in bytes.
    pub estimated_vram_bytes: u64,
    /// The memory it needs by its library's own metadata; none where the metadata does not say.
    pub memory: Option<MemoryRecord>,
    /// What it was asked and what it answered, where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerRecord>,
    /// Its largest tensors as they are stored, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest_tensors: Vec<PartRecord>,
}

/// What a model was asked on the machine that packaged it, and what it answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// The device it ran on, by TVM's name.
    pub device: String,
    /// What was asked.
    pub prompt: String,
    /// What the answer was to have in it: texts, and regular expressions between slashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<String>,
    /// What it answered.
    pub text: String,
    /// How many tokens that is.
    pub tokens: u32,
    /// Why it said no more.
    pub end: AnswerEnd,
    /// The perplexity of our text.
    pub perplexity: f64,
    /// The limit of that.
    pub max_perplexity: f64,
    /// How many tokens of our text were measured.
    pub scored: u32,
    /// How far the logits of a prompt at once, and of the same token by token, were apart, as a
    /// share of the largest.
    pub difference: f64,
    /// How long loading and running it took.
    pub seconds: f64,
}

impl AnswerRecord {
    /// In one line, without the texts.
    pub fn summary(&self) -> String {
        let Self { tokens, perplexity, scored, device, seconds, .. } = self;
        let end = match self.end {
            AnswerEnd::StopToken | AnswerEnd::StopText => "and the end",
            AnswerEnd::Length => "without an end",
        };
        let perplexity = shown_perplexity(*perplexity);
        format!(
            "{tokens} tokens {end}, perplexity {perplexity} over {scored} tokens, {seconds:.1} s \
             on {device}"
        )
    }
}

/// A perplexity as a person reads it: a model that knows nothing reaches any number.
pub fn shown_perplexity(perplexity: f64) -> String {
    match perplexity {
        ..100.0 => format!("{perplexity:.2}"),
        100.0..1e9 => format!("{perplexity:.0}"),
        _ => format!("{perplexity:.1e}"),
    }
}

/// Why an answer has no more tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerEnd {
    /// One of the template's `stop_token_ids`.
    StopToken,
    /// One of the template's `stop_str`.
    StopText,
    /// As many as were asked for.
    Length,
}

/// A named part of a model or a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The tensor or the kernel.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A part that several models or libraries hold, byte for byte the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateRecord {
    /// What it is.
    pub kind: DuplicateKind,
    /// Its name in the first of its owners.
    pub name: String,
    /// The size of one copy in bytes.
    pub bytes: u64,
    /// The libraries that hold the kernel, or the models that hold the shard; one of them twice
    /// if it holds two copies.
    pub owners: Vec<String>,
}

impl DuplicateRecord {
    /// What the copies after the first cost, in bytes.
    pub fn wasted(&self) -> u64 {
        self.bytes * (self.owners.len() as u64).saturating_sub(1)
    }
}

/// What can be there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateKind {
    /// A kernel of libraries.
    Kernel,
    /// A shard of bundled models.
    Shard,
}

/// Sizes in bytes. What the phone downloads is their sum, unless they are bundled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSizes {
    /// The shards.
    pub weights: u64,
    /// The tokenizer's files.
    pub tokenizer: u64,
    /// The model's config, its tensor cache and anything else in the directory.
    pub other: u64,
}

impl ModelSizes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.weights + self.tokenizer + self.other
    }
}

/// Memory in bytes, by upstream's formulas: the compiler's (`mlc_llm/cli/model_metadata.py`) and
/// the runtime's (`cpp/serve/config.cc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRecord {
    /// The parameters.
    pub parameters: u64,
    /// The largest function's temporary buffers.
    pub temporary: u64,
    /// The KV cache for one token of context.
    pub kv_cache_per_token: u64,
    /// The tokens that the KV cache holds: the context, or the sliding window.
    pub context: u64,
    /// What the compiler prints: parameters, temporary buffers and KV cache.
    pub total: u64,
    /// What the runtime asks for, and refuses the model without; none in records of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<u64>,
}

impl MemoryRecord {
    /// What the phone has to have.
    pub fn needed(&self) -> u64 {
        self.runtime.unwrap_or(self.total)
    }
}

/// One library of the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LibraryRecord {
    /// Its name.
    pub model_lib: LibraryName,
    /// The models that load it.
    pub models: Vec<ModelId>,
    /// How it was come by.
    pub origin: LibraryOrigin,
    /// Its name in the store; none for a prepared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// How long the compiler ran, now or when it was put into the store, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compile_seconds: Option<f64>,
    /// The digest of the file it was read from.
    pub digest: Digest,
    /// The sizes of its parts.
    pub sizes: LibrarySizes,
    /// How its kernels for Apple's GPUs are stored; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metal: Option<Metal>,
    /// How many of its kernels were checked (`count`), and the version of the clang that did it (`clang`);
    /// none if they were not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels_checked: Option<KernelsChecked>,
    /// Its largest kernels, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub largest_kernels: Vec<PartRecord>,
}

/// How a library was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibraryOrigin {
    /// The user compiled it.
    Prepared,
    /// The store had it.
    Cached,
    /// It was compiled in this run.
    Compiled,
}

/// Sizes in bytes of the parts of a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibrarySizes {
    /// The file it was read from.
    pub file: u64,
    /// Machine code for the phone's processor.
    pub host_code: u64,
    /// Kernels for the phone's GPU.
    pub kernels: u64,
    /// The whole blob: kernels, virtual machine code, constants, metadata.
    pub blob: u64,
    /// What it adds to the archive.
    pub archive: u64,
}

/// The platform binding: mlc4j, or the static libraries for Apple.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// What its kit is kept under.
    pub fingerprint: Fingerprint,
    /// Everything that can change it but the models, by name.
    pub inputs: KitInputs,
    /// How it was come by.
    pub origin: BindingOrigin,
    /// How long upstream's script ran, now or when the kit was made, in seconds.
    pub build_seconds: f64,
    /// How long the linker ran in this build, in seconds; none where nothing is linked, or only
    /// upstream's script did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_seconds: Option<f64>,
    /// What was linked or copied: paths in `dist/` and sizes. The models' code is in Android's.
    pub libraries: Vec<PartRecord>,
}

/// How the platform binding was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingOrigin {
    /// From a kit of the cache.
    Cached,
    /// It was built in this run.
    Built,
}

/// One stage of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its name.
    pub stage: String,
    /// How long it took.
    pub seconds: f64,
}

/// One file of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Its path in `dist/`.
    pub path: Utf8PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Manifest {
    /// The version of the format that this tool writes.
    pub const SCHEMA: u32 = 1;

    /// The text of the file.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// How many libraries came out of the store.
    pub fn cache_hits(&self) -> usize {
        self.count(LibraryOrigin::Cached)
    }

    /// How many libraries were compiled.
    pub fn compiled(&self) -> usize {
        self.count(LibraryOrigin::Compiled)
    }

    fn count(&self, origin: LibraryOrigin) -> usize {
        self.libraries.iter().filter(|library| library.origin == origin).count()
    }

    /// The size of one file of the package.
    pub fn bytes_of(&self, path: &Utf8Path) -> Option<u64> {
        self.outputs.iter().find(|file| file.path == path).map(|file| file.bytes)
    }
}

/// The files that an earlier build put into a `dist/`, by its manifest's text: as much of it as
/// any version of the format says. Paths that would leave the directory are left out.
pub fn outputs_of(text: &[u8]) -> BTreeMap<Utf8PathBuf, (u64, Digest)> {
    #[derive(Deserialize)]
    struct Outputs {
        outputs: Vec<Output>,
    }
    #[derive(Deserialize)]
    struct Output {
        path: crate::model::ShardPath,
        bytes: u64,
        digest: Digest,
    }
    let Ok(Outputs { outputs }) = serde_json::from_slice(text) else { return BTreeMap::new() };
    let outputs = outputs.into_iter();
    outputs
        .map(|output| (output.path.as_path().to_owned(), (output.bytes, output.digest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{outputs_of, shown_perplexity};

    #[test]
    fn perplexities_of_any_size_are_short() {
        assert_eq!(shown_perplexity(1.234), "1.23");
        assert_eq!(shown_perplexity(1234.5), "1234");
        assert_eq!(shown_perplexity(f64::MAX), "1.8e308");
    }

    #[test]
    fn an_earlier_manifest_names_its_files_and_a_hostile_one_none_outside() {
        let digest = crate::model::Digest::of(b"a");
        let text = |path: &str| {
            format!(
                r#"{{"schema": 9, "outputs": [{{"path": "{path}", "bytes": 1, "digest": "{digest}"}}]}}"#
            )
        };
        let files: Vec<_> = outputs_of(text("lib/a.a").as_bytes()).into_iter().collect();
        assert_eq!(files, [("lib/a.a".into(), (1, digest))]);
        assert!(outputs_of(text("../../etc/passwd").as_bytes()).is_empty());
        assert!(outputs_of(b"garbage").is_empty());
    }
}
