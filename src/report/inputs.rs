//! What went into a package differently.

use std::fmt;

use serde::Serialize;

use crate::manifest::{Manifest, ModelRecord};
use crate::model::{CompilerIdentity, Metal, ModelId, OverrideValue};

/// One difference of what went in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputChange {
    /// The model; none where it concerns the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// What it is.
    pub what: String,
    /// What it was; none if there was nothing.
    pub before: Option<String>,
    /// What it is; none if there is nothing.
    pub now: Option<String>,
}

impl InputChange {
    /// A difference, if it is one.
    fn new(
        model: Option<&ModelId>,
        what: impl Into<String>,
        before: Option<impl fmt::Display>,
        now: Option<impl fmt::Display>,
    ) -> Option<Self> {
        let (before, now) = (before.map(|it| it.to_string()), now.map(|it| it.to_string()));
        let what = what.into();
        (before != now).then(|| Self { model: model.cloned(), what, before, now })
    }
}

/// Every difference, those of the package first.
pub(super) fn changes(now: &Manifest, before: &Manifest) -> Vec<InputChange> {
    let mut found = of_package(now, before);
    for model in &now.models {
        let same = |other: &&ModelRecord| other.model_id == model.model_id;
        if let Some(was) = before.models.iter().find(same) {
            found.extend(of_model(model, was));
        }
    }
    found
}

fn of_package(now: &Manifest, before: &Manifest) -> Vec<InputChange> {
    let mut found = Vec::new();
    let versions =
        |manifest: &Manifest| manifest.compiler.as_ref().map(compiler_parts).unwrap_or_default();
    let (now_parts, before_parts) = (versions(now), versions(before));
    let mut names: Vec<_> = before_parts.iter().chain(&now_parts).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |parts: &[(String, String)]| {
            parts.iter().find(|(other, _)| other == name).map(|(_, version)| version.clone())
        };
        found.extend(InputChange::new(None, name.as_str(), of(&before_parts), of(&now_parts)));
    }
    let tool = |manifest: &Manifest| Some(manifest.tool.clone());
    found.extend(InputChange::new(None, "mlc-package", tool(before), tool(now)));
    let arch = |manifest: &Manifest| manifest.macabi_arch;
    found.extend(InputChange::new(None, "Mac Catalyst processor", arch(before), arch(now)));
    found.extend(InputChange::new(None, "Metal kernels", metal(before), metal(now)));
    let digest = |manifest: &Manifest| Some(short(&manifest.config.digest.to_hex()).to_owned());
    found.extend(InputChange::new(None, now.config.name.clone(), digest(before), digest(now)));
    found
}

/// How the kernels of a package for Apple are stored.
fn metal(manifest: &Manifest) -> Option<String> {
    let mut forms: Vec<_> = manifest.libraries.iter().filter_map(|library| library.metal).collect();
    forms.sort_unstable();
    forms.dedup();
    let words: Vec<_> = forms.iter().map(Metal::to_string).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// `tvm` and `0.26.0`, and so on.
fn compiler_parts(compiler: &CompilerIdentity) -> Vec<(String, String)> {
    let packages =
        [("mlc_llm", &compiler.mlc_llm), ("tvm", &compiler.tvm), ("tvm_ffi", &compiler.tvm_ffi)];
    let packages =
        packages.into_iter().map(|(name, package)| (name.to_owned(), package.to_string()));
    let tools = compiler.tools.iter().map(|(name, version)| (name.clone(), version.clone()));
    packages.chain(tools).collect()
}

fn of_model(now: &ModelRecord, was: &ModelRecord) -> Vec<InputChange> {
    let id = Some(&now.model_id);
    let text = |text: &String| Some(text.clone());
    let commit = |record: &ModelRecord| record.commit.as_deref().map(|it| short(it).to_owned());
    let digest = |record: &ModelRecord| Some(short(&record.chat_config.to_hex()).to_owned());
    let template = |record: &ModelRecord| record.conv_template.clone();
    let bundled = |record: &ModelRecord| Some(if record.bundled { "yes" } else { "no" });
    let declared = |record: &ModelRecord| Some(record.estimated_vram_bytes);
    let mut found: Vec<_> = [
        InputChange::new(id, "model", text(&was.model), text(&now.model)),
        InputChange::new(id, "commit", commit(was), commit(now)),
        InputChange::new(id, "quantization", text(&was.quantization), text(&now.quantization)),
        InputChange::new(id, "conversation template", template(was), template(now)),
        InputChange::new(id, "architecture", text(&was.model_type), text(&now.model_type)),
        InputChange::new(id, "mlc-chat-config.json", digest(was), digest(now)),
        InputChange::new(id, "bundled", bundled(was), bundled(now)),
        InputChange::new(id, "estimated_vram_bytes", declared(was), declared(now)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let opt = |record: &ModelRecord| record.overrides.opt;
    let set = |record: &ModelRecord| record.overrides.set_fields().collect::<Vec<_>>();
    let (before, after) = (set(was), set(now));
    let mut names: Vec<_> = before.iter().chain(&after).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of = |fields: &[(&str, OverrideValue)]| {
            fields.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
        };
        found.extend(InputChange::new(id, name, of(&before), of(&after)));
    }
    found.extend(InputChange::new(id, "opt", opt(was), opt(now)));
    found
}

/// The first digits of a digest or a commit.
fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}
