//! The memory that the app is told a model needs, held against what its library says.

use std::collections::BTreeMap;

use super::record::memory_of;
use crate::config::render::{self, Repository};
use crate::config::{Checked, ConfigError, VramNeed};
use crate::io::environment::Environment;
use crate::io::{atomic, files};
use crate::library::Linked;
use crate::manifest::{Manifest, MemoryRecord};
use crate::model::{ByteSize, Digest, ModelFiles, ModelId};
use crate::plan::{Plan, PlannedModel};
use crate::ui::Ui;

/// What the app is told, where that is not what the config said.
#[derive(Debug, Default)]
pub(crate) struct Raised {
    /// The models and their bytes.
    pub(crate) bytes: BTreeMap<ModelId, u64>,
    /// The config with these numbers in it.
    text: Option<String>,
}

/// What a config declares, and what is done about too little.
pub(crate) struct DeclaredMemory<'a> {
    /// The config.
    pub(crate) checked: &'a Checked,
    /// Its models.
    pub(crate) plan: &'a Plan,
    /// Their files.
    pub(crate) models: &'a BTreeMap<ModelId, ModelFiles>,
    /// Whether the config is put right.
    pub(crate) fix: bool,
    /// Whether warnings are errors.
    pub(crate) strict: bool,
    /// The variables and the working directory of this process.
    pub(crate) environment: &'a Environment,
}

/// Finds the models that need more than the config declares: warnings, errors with `--strict`, or
/// to be put right with `--fix-vram`.
///
/// # Errors
/// Some need more, and warnings are errors.
pub(crate) fn settle(
    declared: &DeclaredMemory<'_>,
    linked: &[Linked<'_>],
    ui: &Ui,
) -> Result<Raised, ConfigError> {
    let needs = needs(declared, linked);
    if needs.is_empty() {
        return Ok(Raised::default());
    }
    if declared.fix {
        let text = Some(declared.checked.vram_raised(&needs));
        let bytes = needs.into_iter().map(|(model_id, need)| (model_id, need.bytes)).collect();
        return Ok(Raised { bytes, text });
    }
    let mut found = declared.checked.clone().vram_shortfalls(&needs);
    if declared.strict {
        found = found.deny_warnings();
    }
    let strict = found.errors() > 0;
    ui.block(strict, |width, out| render::human(&found, width, out));
    if ui.in_github() {
        let environment = declared.environment;
        let working_dir = environment.directory.clone();
        let root = environment.text("GITHUB_WORKSPACE").filter(|dir| !dir.is_empty());
        let root = root.map_or_else(|| working_dir.clone(), Into::into);
        let repository = Repository { root, working_dir };
        ui.block(strict, |_, out| render::github(&found, &repository, out));
    }
    if strict { Err(ConfigError::Invalid(Box::new(found))) } else { Ok(Raised::default()) }
}

fn needs(declared: &DeclaredMemory<'_>, linked: &[Linked<'_>]) -> BTreeMap<ModelId, VramNeed> {
    let models = declared.plan.models.iter();
    let memory =
        models.filter_map(|model| Some((model, memory_of(declared.models, model, linked)?)));
    memory
        .filter(|(model, memory)| memory.needed() > model.estimated_vram_bytes)
        .map(|(model, memory)| {
            let need = VramNeed { bytes: memory.needed(), breakdown: breakdown(&memory) };
            (model.model_id.clone(), need)
        })
        .collect()
}

fn breakdown(memory: &MemoryRecord) -> String {
    let parameters = ByteSize(memory.parameters);
    let temporary = ByteSize(memory.temporary);
    let cache = ByteSize(memory.total.saturating_sub(memory.parameters + memory.temporary));
    let workspace = ByteSize(memory.needed().saturating_sub(memory.total));
    let context = memory.context;
    format!(
        "{parameters} parameters, {temporary} buffers, {cache} KV cache for {context} tokens, \
         {workspace} workspace of the runtime"
    )
}

impl Raised {
    /// What the app is told of a model.
    pub(crate) fn of(&self, model: &PlannedModel) -> u64 {
        self.bytes.get(&model.model_id).copied().unwrap_or(model.estimated_vram_bytes)
    }

    /// Writes the numbers into the config, and into the package's record.
    ///
    /// # Errors
    /// The config cannot be written.
    pub(crate) fn write(
        &self,
        checked: &Checked,
        manifest: &mut Manifest,
        ui: &Ui,
    ) -> std::io::Result<()> {
        let Some(text) = &self.text else { return Ok(()) };
        let path = checked.path();
        // A link stays one.
        atomic::write(&files::canonical(path)?, text.as_bytes())?;
        manifest.config.digest = Digest::of(text.trim_start_matches('\u{feff}').as_bytes());
        for model in &mut manifest.models {
            if let Some(bytes) = self.bytes.get(&model.model_id) {
                let (model_id, declared) = (&model.model_id, model.estimated_vram_bytes);
                let raised = format!("{model_id} from {declared} to {bytes}");
                ui.status("Raised", &format!("estimated_vram_bytes of {raised} in {path}"));
                model.estimated_vram_bytes = *bytes;
            }
        }
        Ok(())
    }
}
