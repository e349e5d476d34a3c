use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::model::{
    CompilerIdentity, Digest, Fingerprint, OverrideValue, Overrides, PackageIdentity,
};
use crate::store::Bucket;

/// What `gen_config` converts tokenizers and counts their tokens with. Weights are converted by TVM.
const TOKENIZING: [&str; 4] = ["sentencepiece", "tiktoken", "tokenizers", "transformers"];
/// What a LoRA adapter is merged with, besides.
const MERGING: [&str; 2] = ["peft", "torch"];

/// What only `python -m mlc_llm convert_weight` can be told, by upstream's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MlcArguments {
    /// The architecture, if not that of `config.json`. `gen_config` is told too.
    pub model_type: Option<String>,
    /// What quantizes, `cpu` or `cuda:0` for instance; upstream's choice if none.
    pub device: Option<String>,
    /// Where the weights are, if not in the checkpoint's directory: a directory, an index or a
    /// file of weights.
    pub source: Option<Utf8PathBuf>,
    /// `huggingface-torch`, `huggingface-safetensor` or `awq`; detected if none.
    pub source_format: Option<String>,
    /// A LoRA adapter that is merged, in PEFT's format: its directory.
    pub lora_adapter: Option<Utf8PathBuf>,
}

/// Everything that can change what `python -m mlc_llm` converts.
#[derive(Clone, Debug)]
pub struct MlcInputs {
    /// The checkpoint: the digest of its files, or repository and commit.
    pub checkpoint: String,
    /// Of that, the configs and the tokenizer; what `gen_config` reads.
    pub configs: String,
    /// The quantization's name.
    pub quantization: String,
    /// The conversation template's name; without it, only weights are converted.
    pub conv_template: Option<String>,
    /// What of `mlc-chat-config.json` is not to be as the checkpoint has it.
    pub overrides: Overrides,
    /// Further arguments, but for places.
    pub arguments: MlcArguments,
    /// The digest of what `--source` names, and its name there if it is a file.
    pub source: Option<(Digest, Option<String>)>,
    /// The digest of the LoRA adapter's files.
    pub lora_adapter: Option<Digest>,
    /// `MLC_INTERNAL_PRESHARD_NUM`: how many GPUs the weights are cut for.
    pub presharded: Option<String>,
    /// MLC LLM and TVM. The tools that compile take no part.
    pub compiler: CompilerIdentity,
    /// The versions of Python's packages that they use, by name.
    pub libraries: BTreeMap<String, String>,
}

/// What both parts depend on.
#[derive(Serialize)]
struct Common<'a> {
    format: u32,
    quantization: &'a str,
    model_type: Option<&'a str>,
    conv_template: Option<&'a str>,
    overrides: Vec<(&'static str, String)>,
    compiler: [&'a PackageIdentity; 3],
    libraries: Vec<(&'a str, &'a str)>,
}

#[derive(Serialize)]
struct Config<'a> {
    configs: &'a str,
    #[serde(flatten)]
    common: Common<'a>,
}

#[derive(Serialize)]
struct Model<'a> {
    checkpoint: &'a str,
    #[serde(flatten)]
    common: Common<'a>,
    device: Option<&'a str>,
    source: Option<&'a (Digest, Option<String>)>,
    source_format: Option<&'a str>,
    lora_adapter: Option<(Digest, Vec<(&'a str, &'a str)>)>,
    presharded: Option<&'a str>,
}

impl MlcInputs {
    /// The address of the whole model.
    pub fn fingerprint(&self) -> Fingerprint {
        let arguments = &self.arguments;
        address(
            "model",
            &Model {
                checkpoint: &self.checkpoint,
                common: self.common(),
                device: arguments.device.as_deref(),
                source: self.source.as_ref(),
                source_format: arguments.source_format.as_deref(),
                lora_adapter: self.lora_adapter.map(|digest| (digest, self.versions(&MERGING))),
                presharded: self.presharded.as_deref(),
            },
        )
    }

    /// The address of its config and tokenizer alone.
    pub fn config_fingerprint(&self) -> Fingerprint {
        address("config", &Config { configs: &self.configs, common: self.common() })
    }

    fn versions(&self, names: &[&str]) -> Vec<(&str, &str)> {
        let found = self.libraries.iter().filter(|(name, _)| names.contains(&name.as_str()));
        found.map(|(name, version)| (name.as_str(), version.as_str())).collect()
    }

    fn common(&self) -> Common<'_> {
        let printed = |(name, value): (&'static str, OverrideValue)| (name, value.to_string());
        let compiler = &self.compiler;
        // Without a template there is no config that they could change.
        let overrides = self.conv_template.iter().flat_map(|_| self.overrides.set_fields());
        Common {
            format: Bucket::CONVERTED.format,
            quantization: &self.quantization,
            model_type: self.arguments.model_type.as_deref(),
            conv_template: self.conv_template.as_deref(),
            overrides: overrides.map(printed).collect(),
            compiler: [&compiler.mlc_llm, &compiler.tvm, &compiler.tvm_ffi],
            libraries: self.versions(&TOKENIZING),
        }
    }
}

fn address(part: &str, inputs: &impl Serialize) -> Fingerprint {
    // Plain strings and digests: there is always a JSON of them.
    let json = serde_json::to_string(inputs).unwrap_or_default();
    Fingerprint(Digest::of(format!("mlc-package converted {part} by mlc_llm\n{json}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{MlcArguments, MlcInputs};
    use crate::model::{CompilerIdentity, Digest, Overrides, PackageIdentity};

    fn inputs() -> MlcInputs {
        let version = |version: &str| PackageIdentity {
            distribution: None,
            version: Some(version.to_owned()),
            files: None,
        };
        let (mlc_llm, tvm, tvm_ffi) = (version("1"), version("2"), version("3"));
        MlcInputs {
            checkpoint: "whole".to_owned(),
            configs: "small".to_owned(),
            quantization: "q4f16_autoawq".to_owned(),
            conv_template: Some("llama-3".to_owned()),
            overrides: Overrides::default(),
            arguments: MlcArguments::default(),
            source: None,
            lora_adapter: None,
            presharded: None,
            compiler: CompilerIdentity { mlc_llm, tvm, tvm_ffi, tools: [].into() },
            libraries: BTreeMap::new(),
        }
    }

    type Change = fn(&mut MlcInputs);

    #[test]
    fn whatever_can_change_a_model_changes_its_address() {
        let weights: [Change; 8] = [
            |inputs| inputs.checkpoint.push('x'),
            |inputs| inputs.arguments.device = Some("cpu".to_owned()),
            |inputs| inputs.arguments.source_format = Some("awq".to_owned()),
            |inputs| inputs.source = Some((Digest::of(b"s"), None)),
            |inputs| inputs.source = Some((Digest::of(b"s"), Some("index.json".to_owned()))),
            |inputs| inputs.lora_adapter = Some(Digest::of(b"l")),
            |inputs| inputs.presharded = Some("2".to_owned()),
            |inputs| {
                inputs.lora_adapter = Some(Digest::of(b"l"));
                inputs.libraries.insert("peft".to_owned(), "1".to_owned());
            },
        ];
        let both: [Change; 8] = [
            |inputs| inputs.quantization = "q4f16_ft".to_owned(),
            |inputs| inputs.conv_template = None,
            |inputs| inputs.overrides.context_window_size = Some(-1),
            |inputs| inputs.overrides.disaggregation = Some(false),
            |inputs| inputs.arguments.model_type = Some("llama".to_owned()),
            |inputs| inputs.compiler.mlc_llm.version = Some("2".to_owned()),
            |inputs| inputs.compiler.tvm.files = Some(Digest::of(b"t")),
            |inputs| drop(inputs.libraries.insert("transformers".to_owned(), "5".to_owned())),
        ];
        let (mut models, mut configs) = (BTreeSet::new(), BTreeSet::new());
        models.insert(inputs().fingerprint().dir_name());
        configs.insert(inputs().config_fingerprint().dir_name());
        let before = inputs().config_fingerprint();
        for change in weights {
            let mut changed = inputs();
            change(&mut changed);
            assert!(models.insert(changed.fingerprint().dir_name()), "{changed:?}");
            assert_eq!(changed.config_fingerprint(), before);
        }
        for change in both {
            let mut changed = inputs();
            change(&mut changed);
            assert!(models.insert(changed.fingerprint().dir_name()), "{changed:?}");
            assert!(configs.insert(changed.config_fingerprint().dir_name()), "{changed:?}");
        }
        let mut changed = inputs();
        changed.configs.push('x');
        assert!(configs.insert(changed.config_fingerprint().dir_name()));
        // What takes no part in it changes nothing.
        let mut same = inputs();
        same.libraries.insert("torch".to_owned(), "3".to_owned());
        same.compiler.tools.insert("xcode".to_owned(), "26".to_owned());
        assert!(models.contains(&same.fingerprint().dir_name()));
        // The two are never one.
        assert!(models.is_disjoint(&configs));
    }
}
