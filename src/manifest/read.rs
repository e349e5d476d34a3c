use std::collections::HashSet;

use camino::Utf8PathBuf;
use serde::Deserialize;

use super::Manifest;
use crate::exit::Exit;
use crate::model::{ModelId, visible};
use crate::stage_error::StageError;

/// A size above this (1 PiB) is none: of the three sizes of all models together the sum is below
/// 2^62, and differences can be signed.
const MOST_BYTES: u64 = 1 << 50;

/// Nobody ships more; comparing takes time by the square of their number.
const MOST_MODELS: usize = 1000;

/// Nor does a compiler run more programs, of which that is true too.
const MOST_TOOLS: usize = 100;

/// What is quoted of a file that is no manifest, in characters.
const MOST_QUOTED: usize = 300;

/// Why a file is no manifest that this version can read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is of a newer version of the format.
    #[error(
        "`{path}` has schema {schema}, written by mlc-package {tool}; this version reads up to {}",
        Manifest::SCHEMA
    )]
    Newer {
        /// The file.
        path: Utf8PathBuf,
        /// The version of its format.
        schema: u64,
        /// The version of the tool that wrote it.
        tool: String,
    },
    /// It is something else, or damaged.
    #[error("`{path}` is not a manifest of a package: {why}")]
    Garbage {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What a manifest says that cannot be.
#[derive(Debug, thiserror::Error)]
enum ManifestFault {
    /// More than anybody ships.
    #[error("it has more than {most} models or libraries", most = MOST_MODELS)]
    TooMany,
    /// More than a compiler runs.
    #[error("its compiler has more than {most} tools", most = MOST_TOOLS)]
    Tools,
    /// A model that appears twice.
    #[error("the model `{0}` appears twice")]
    Twice(ModelId),
    /// More than anything has.
    #[error("a size of {0} bytes cannot be")]
    Size(u64),
}

impl StageError for ManifestError {
    fn exit(&self) -> Exit {
        Exit::Validation
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Newer { .. } => "update mlc-package".to_owned(),
            Self::Garbage { .. } => {
                format!("name a {} or a dist/ that `mlc-package build` wrote", super::FILE_NAME)
            }
        })
    }
}

impl Manifest {
    /// Reads the bytes of a manifest, whoever wrote it. `path` is for the messages.
    pub fn read(path: &camino::Utf8Path, bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            schema: u64,
            #[serde(default)]
            tool: String,
        }
        let garbage = |why: String| {
            let why = visible(&why, MOST_QUOTED).into_owned();
            ManifestError::Garbage { path: path.to_owned(), why }
        };
        // What a newer version says is not looked at, so that it may say it as it likes.
        let head: Head = serde_json::from_slice(bytes).map_err(|why| garbage(why.to_string()))?;
        if head.schema > u64::from(Self::SCHEMA) {
            let (schema, tool) = (head.schema, version(&head.tool));
            return Err(ManifestError::Newer { path: path.to_owned(), schema, tool });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|why| garbage(why.to_string()))?;
        manifest.check().map_err(|why| garbage(why.to_string()))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestFault> {
        if self.models.len() > MOST_MODELS || self.libraries.len() > MOST_MODELS {
            return Err(ManifestFault::TooMany);
        }
        let tools = self.compiler.as_ref().map_or(0, |compiler| compiler.tools.len());
        if tools > MOST_TOOLS {
            return Err(ManifestFault::Tools);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.models.iter().find(|model| !seen.insert(&model.model_id)) {
            return Err(ManifestFault::Twice(twice.model_id.clone()));
        }
        match self.every_size().find(|bytes| *bytes > MOST_BYTES) {
            Some(bytes) => Err(ManifestFault::Size(bytes)),
            None => Ok(()),
        }
    }

    fn every_size(&self) -> impl Iterator<Item = u64> {
        let models = self.models.iter().flat_map(|model| {
            let memory = model.memory.map_or(0, |memory| memory.needed().max(memory.total));
            let sizes = model.sizes;
            let own = [sizes.weights, sizes.tokenizer, sizes.other, memory];
            let tensors = model.largest_tensors.iter().map(|tensor| tensor.bytes);
            own.into_iter().chain([model.estimated_vram_bytes]).chain(tensors)
        });
        let libraries = self.libraries.iter().flat_map(|library| {
            let sizes = library.sizes;
            let own = [sizes.file, sizes.host_code, sizes.kernels, sizes.blob, sizes.archive];
            own.into_iter().chain(library.largest_kernels.iter().map(|kernel| kernel.bytes))
        });
        // What the copies cost is a product.
        let duplicates = self
            .duplicates
            .iter()
            .map(|duplicate| duplicate.bytes.saturating_mul(duplicate.owners.len() as u64));
        let outputs = self.outputs.iter().map(|output| output.bytes);
        models.chain(libraries).chain(duplicates).chain(outputs)
    }
}

/// The version as it may be shown: a stranger wrote it.
fn version(text: &str) -> String {
    let good = |c: &char| c.is_ascii_alphanumeric() || ".-+".contains(*c);
    let shown: String = text.chars().filter(good).take(32).collect();
    if shown.is_empty() { "of unknown version".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use crate::stage_error::StageError as _;
    use camino::Utf8Path;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::manifest::{Manifest, ManifestError};

    fn manifest() -> Value {
        json!({
            "schema": 1, "tool": "0.1.0", "device": "android",
            "config": {"name": "c.json", "digest": format!("blake3:{}", "0".repeat(64))},
            "compiler": null, "models": [model("a")], "libraries": [], "stages": [], "outputs": []
        })
    }

    fn model(id: &str) -> Value {
        json!({
            "model_id": id, "model_lib": "lib", "model": "HF://a/b", "model_type": "llama",
            "quantization": "q4f16_1", "overrides": {},
            "chat_config": format!("blake3:{}", "0".repeat(64)), "bundled": false,
            "sizes": {"weights": 1, "tokenizer": 2, "other": 3}, "estimated_vram_bytes": 4,
            "memory": null
        })
    }

    fn read(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::read(Utf8Path::new("m.json"), text.as_bytes())
    }

    #[test]
    fn a_manifest_is_read_and_what_is_none_is_named() {
        assert_eq!(read(&manifest().to_string()).unwrap().models.len(), 1);
        let newer = read(r#"{"schema": 2, "tool": "9.0.0\u001b[2J", "models": 7}"#).unwrap_err();
        assert_eq!(
            newer.to_string(),
            "`m.json` has schema 2, written by mlc-package 9.0.02J; this version reads up to 1"
        );
        assert_eq!(newer.help().as_deref(), Some("update mlc-package"));
        for text in ["", "{", "[]", "null", r#"{"schema": 1}"#, r#"{"schema": "1"}"#, "\u{0}"] {
            let found = read(text).unwrap_err();
            assert!(
                found.to_string().starts_with("`m.json` is not a manifest"),
                "{text:?}: {found}"
            );
        }
    }

    #[test]
    fn numbers_that_no_sum_can_hold_and_a_model_twice_are_refused() {
        let mut huge = manifest();
        huge["models"][0]["sizes"]["weights"] = u64::MAX.into();
        assert!(read(&huge.to_string()).is_err());
        huge["models"][0]["sizes"]["weights"] = ((1_u64 << 50) + 1).into();
        let found = read(&huge.to_string()).unwrap_err().to_string();
        assert!(found.ends_with("a size of 1125899906842625 bytes cannot be"), "{found}");
        let mut twice = manifest();
        twice["models"] = json!([model("a"), model("a")]);
        let found = read(&twice.to_string()).unwrap_err().to_string();
        assert!(found.ends_with("the model `a` appears twice"), "{found}");
        let mut outside = manifest();
        outside["models"][0]["model_id"] = "../a".into();
        read(&outside.to_string()).unwrap_err();
    }

    #[test]
    fn the_largest_manifest_that_is_read_can_be_summed() {
        let mut largest = manifest();
        let sizes = json!({"weights": 1_u64 << 50, "tokenizer": 1_u64 << 50, "other": 1_u64 << 50});
        let models = (0..1000).map(|n| {
            let mut model = model(&format!("m{n}"));
            model["sizes"] = sizes.clone();
            model
        });
        largest["models"] = models.collect();
        let largest = read(&largest.to_string()).unwrap();
        let all = largest.models.iter().map(|model| i64::try_from(model.sizes.total()).unwrap());
        assert_eq!(all.reduce(|a, b| a.checked_add(b).unwrap()), Some(3000 << 50));
    }

    #[test]
    fn more_tools_than_a_compiler_has_are_refused() {
        let mut many = manifest();
        let tools = |count: usize| (0..count).map(|n| (n.to_string(), json!("1"))).collect();
        let version = json!({"version": "1"});
        many["compiler"] = json!({"mlc_llm": version, "tvm": version, "tvm_ffi": version});
        many["compiler"]["tools"] = Value::Object(tools(100));
        assert_eq!(read(&many.to_string()).unwrap().compiler.unwrap().tools.len(), 100);
        many["compiler"]["tools"] = Value::Object(tools(101));
        let found = read(&many.to_string()).unwrap_err().to_string();
        assert!(found.ends_with("its compiler has more than 100 tools"), "{found}");
    }

    #[test]
    fn what_is_quoted_of_a_manifest_is_short_and_no_command() {
        let mut wrong = manifest();
        wrong["device"] = format!("x\n::error::mine ##[error]{}", "y".repeat(1 << 20)).into();
        let found = read(&wrong.to_string()).unwrap_err().to_string();
        assert!(found.contains(r"x\n::error::mine ##\u{5b}error]yyy"), "{found}");
        assert!(found.len() < 500, "{}", found.len());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Manifest::read(Utf8Path::new("m"), &bytes);
        }
    }
}
