//! What the new files say.

use camino::Utf8Path;
use serde_json::{Map, Value, json};

use crate::config::FILE_NAME as CONFIG;
use crate::convert::ConvertError;
use crate::convert::derive::derive;
use crate::io::files;
use crate::model::{ChatConfig, Device, HubRepo, Revision, Scheme};

/// The memory of a model of a billion parameters, until a build has measured it.
const VRAM_BYTES: u64 = 3_000_000_000;

/// A model as it is entered into a config.
pub(super) struct Entry {
    model: String,
    model_id: String,
    revision: Option<Revision>,
    is_raw: bool,
    is_local: bool,
    /// The conversation template of a checkpoint that does not tell it, the likeliest.
    template: Option<&'static str>,
}

impl Entry {
    /// Of what somebody calls a model.
    pub(super) fn of(written: &str) -> Self {
        let mut model = named(written);
        let repo = HubRepo::of_argument(&model).ok();
        let path = Utf8Path::new(&model);
        let (name, is_raw) = match &repo {
            // On the Hub, converted models end in this by custom.
            Some(repo) => (repo.repo(), !repo.repo().ends_with("-MLC")),
            // One without weights is told as that when the config is checked.
            None => (path.file_name().unwrap_or_default(), is_raw(path)),
        };
        let model_id = match is_raw {
            true => format!("{name}-{}-MLC", Scheme::USUAL),
            false => name.to_owned(),
        };
        let template = match repo.is_none() && is_raw {
            true => likeliest(path),
            false => None,
        };
        let revision = repo.as_ref().and_then(HubRepo::revision).cloned();
        if let Some(repo) = &repo {
            model = format!("HF://{}/{}", repo.user(), repo.repo());
        }
        Self { model_id, is_raw, is_local: repo.is_none(), template, revision, model }
    }

    /// The template that was taken as the likeliest, by the model.
    pub(super) fn guess(&self) -> Option<(&str, &'static str)> {
        self.template.map(|template| (self.model_id.as_str(), template))
    }

    /// Whether a directory is a converted model, or a checkpoint.
    pub(super) fn is_model(path: &Utf8Path) -> bool {
        files::is_file(&path.join(ChatConfig::FILE_NAME)) || is_checkpoint(path)
    }

    /// Whether it is a repository's name, or a model's directory.
    pub(super) fn is_known(&self) -> bool {
        !self.is_local || Self::is_model(Utf8Path::new(&self.model))
    }

    fn json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("model".to_owned(), json!(self.model));
        if let Some(revision) = &self.revision {
            entry.insert("revision".to_owned(), json!(revision.as_str()));
        }
        entry.insert("model_id".to_owned(), json!(self.model_id));
        entry.insert("estimated_vram_bytes".to_owned(), json!(VRAM_BYTES));
        if self.is_raw {
            entry.insert("quantization".to_owned(), json!(Scheme::USUAL));
        }
        if let Some(template) = self.template {
            entry.insert("conv_template".to_owned(), json!(template));
        }
        if self.is_raw || self.is_local {
            entry.insert("bundle_weight".to_owned(), json!(true));
        }
        Value::Object(entry)
    }
}

/// `user/repo` is meant to be on the Hub, unless there is such a directory.
fn named(written: &str) -> String {
    let written = written.trim().trim_end_matches('/');
    let on_hub: Result<HubRepo, _> = format!("HF://{written}").parse();
    if on_hub.is_ok() && !files::is_dir(Utf8Path::new(written)) {
        return format!("HF://{written}");
    }
    let of_page = written.strip_prefix("https://huggingface.co/");
    of_page.map_or_else(|| written.to_owned(), |repo| format!("HF://{repo}"))
}

/// The likeliest template of a checkpoint whose files leave it open: that of a base model if none is
/// likely.
fn likeliest(checkpoint: &Utf8Path) -> Option<&'static str> {
    match derive(checkpoint, None) {
        Err(ConvertError::UncertainTemplate { likely, .. }) => {
            Some(likely.first().copied().unwrap_or("LM"))
        }
        _ => None,
    }
}

/// Whether it has the config of a checkpoint, and none of a converted model.
fn is_raw(path: &Utf8Path) -> bool {
    files::is_file(&path.join("config.json")) && !files::is_file(&path.join(ChatConfig::FILE_NAME))
}

fn is_checkpoint(path: &Utf8Path) -> bool {
    let has_weights = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
        .iter()
        .any(|name| files::is_file(&path.join(name)));
    has_weights && is_raw(path)
}

/// `mlc-package-config.json`.
pub(super) fn config(device: Device, entries: &[Entry]) -> String {
    let models: Vec<_> = entries.iter().map(Entry::json).collect();
    let config = json!({"device": device, "model_list": models});
    format!("{config:#}\n")
}

/// `mlc-package.yml`.
pub(super) fn project(device: Device) -> String {
    format!(
        "# The packages of this repository, their budgets and releases:\n\
         # https://github.com/mlc-package/mlc-package/blob/main/docs/report.md\n\
         packages:\n  - name: {device}\n    config: {CONFIG}\n"
    )
}

/// A workflow that builds the packages of the directory `at` of the repository.
pub(super) fn workflow(at: &Utf8Path, branch: &str) -> String {
    let mut with = String::new();
    if at != "" {
        with += &format!("          working-directory: {}\n", json!(at));
    }
    format!(
        r#"# Builds the packages of mlc-package.yml, and comments on pull requests when sizes change:
# https://github.com/mlc-package/mlc-package/blob/main/docs/action/overview.md
name: models
on:
  pull_request:
  push: {{ branches: [{branch}] }}
permissions:
  contents: read
  pull-requests: write # for `comment`
jobs:
  package:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v7
      - id: package
        uses: mlc-package/mlc-package@v1
        with:
{with}          comment: on-change
      - uses: actions/upload-artifact@v7
        with: {{ name: dist, path: "${{{{ steps.package.outputs.dist }}}}" }}
"#
    )
}
