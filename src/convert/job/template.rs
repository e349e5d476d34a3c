//! The conversation template of a raw checkpoint: the config's, else the checkpoint's own.

use camino::Utf8Path;

use super::checkpoint::Checkpoint;
use crate::convert::derive::{derive, remembered};
use crate::error::Error;
use crate::fetch::package::{of_model, show};
use crate::fetch::{FetchError, HubModels};
use crate::model::{Conversion, ModelEntry, ModelSource, ResolvedConversion, TemplateOrigin};
use crate::ui::{Transfer, Ui};

/// Completes what an entry says of its conversion. Only where the template has to be derived, a
/// checkpoint of the Hub has its configs and tokenizer downloaded.
pub(crate) fn resolved(
    asked: Conversion,
    entry: &ModelEntry,
    checkpoint: &Checkpoint,
    hub: Option<&HubModels>,
    cache_dir: &Utf8Path,
    ui: &Ui,
) -> Result<ResolvedConversion, Error> {
    let quantization = asked.quantization;
    if let Some(conv_template) = asked.conv_template {
        let conv_template_from = TemplateOrigin::Config;
        return Ok(ResolvedConversion { quantization, conv_template, conv_template_from });
    }
    let conv_template = match (checkpoint, hub) {
        (Checkpoint::Hub { repo, raw }, Some(hub)) => {
            let source = format!("{}/{}@{}", repo.user(), repo.repo(), raw.commit);
            match remembered::recall(cache_dir, &source) {
                Some(template) => template,
                None => {
                    let transfer = Transfer::new(ui, 0);
                    let dir = hub.raw_configs(repo, raw, &|event| show(&transfer, event));
                    let dir = dir.map_err(of_model(&entry.model_id))?;
                    let template = derive(&dir, Some(repo.repo()))?;
                    remembered::remember(cache_dir, &source, template);
                    template
                }
            }
        }
        (Checkpoint::Directory { dir, .. }, _) => match &entry.source {
            // The name that the config gives it may say more than what it leads to.
            ModelSource::Local(model) => derive(&model.dir, None)?,
            ModelSource::Hub(_) => derive(dir, None)?,
        },
        // There is a hub where there is a model of it.
        (Checkpoint::Hub { repo, .. }, None) => {
            let repo = Box::new(repo.clone());
            return Err(of_model(&entry.model_id)(FetchError::PolicyOff { repo }));
        }
    };
    let model_id = &entry.model_id;
    ui.detail("Template", &format!("{model_id}: {conv_template}, from the checkpoint"));
    let conv_template_from = TemplateOrigin::Checkpoint;
    Ok(ResolvedConversion { quantization, conv_template, conv_template_from })
}
