//! The memory that the app is told a model needs, held against what its library says.

use std::collections::BTreeMap;

use super::{BuildRequest, Planned};
use crate::assemble::record::memory_of;
use crate::config::render::{self, Repository};
use crate::config::{ConfigError, VramNeed};
use crate::error::Error;
use crate::io::{atomic, files};
use crate::library::Linked;
use crate::manifest::{Manifest, MemoryRecord};
use crate::model::{ByteSize, Digest, ModelId};
use crate::plan::PlannedModel;
use crate::ui::Ui;

/// What the app is told, where that is not what the config said.
#[derive(Debug, Default)]
pub(super) struct Raised {
    /// The models and their bytes.
    pub(super) bytes: BTreeMap<ModelId, u64>,
    /// The config with these numbers in it.
    text: Option<String>,
}

/// Finds the models that need more than the config declares: warnings, errors with `--strict`, or
/// to be put right with `--fix-vram`.
pub(super) fn settle(
    request: &BuildRequest,
    planned: &Planned,
    linked: &[Linked<'_>],
    ui: &Ui,
) -> Result<Raised, Error> {
    let needs = needs(planned, linked);
    if needs.is_empty() {
        return Ok(Raised::default());
    }
    if request.fix_vram {
        let text = Some(planned.checked.vram_raised(&needs));
        let bytes = needs.into_iter().map(|(model_id, need)| (model_id, need.bytes)).collect();
        return Ok(Raised { bytes, text });
    }
    let mut found = planned.checked.clone().vram_shortfalls(&needs);
    if request.package.strict {
        found = found.deny_warnings();
    }
    let strict = found.errors() > 0;
    ui.block(strict, |width, out| render::human(&found, width, out));
    if ui.in_github() {
        let environment = &request.package.environment;
        let working_dir = environment.directory.clone();
        let root = environment.text("GITHUB_WORKSPACE").filter(|dir| !dir.is_empty());
        let root = root.map_or_else(|| working_dir.clone(), Into::into);
        let repository = Repository { root, working_dir };
        ui.block(strict, |_, out| render::github(&found, &repository, out));
    }
    if strict { Err(ConfigError::Invalid(Box::new(found)).into()) } else { Ok(Raised::default()) }
}

fn needs(planned: &Planned, linked: &[Linked<'_>]) -> BTreeMap<ModelId, VramNeed> {
    let models = planned.plan.models.iter();
    let memory =
        models.filter_map(|model| Some((model, memory_of(&planned.models.files, model, linked)?)));
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
    pub(super) fn of(&self, model: &PlannedModel) -> u64 {
        self.bytes.get(&model.model_id).copied().unwrap_or(model.estimated_vram_bytes)
    }

    /// Writes the numbers into the config, and into the package's record.
    pub(super) fn write(
        &self,
        planned: &Planned,
        manifest: &mut Manifest,
        ui: &Ui,
    ) -> Result<(), Error> {
        let Some(text) = &self.text else { return Ok(()) };
        let path = planned.checked.path();
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
