//! The conversation template of a raw checkpoint: the config's, else the checkpoint's own.

use camino::Utf8Path;

use super::JobError;
use super::checkpoint::Checkpoint;
use crate::convert::derive::{derive, template_notes};
use crate::model::{Conversion, ModelEntry, ModelSource, ResolvedConversion, TemplateOrigin};
use crate::ui::Ui;

/// Completes what an entry says of its conversion. Only where the template has to be derived, a
/// checkpoint of the Hub has its configs and tokenizer downloaded.
pub(super) fn resolved(
    asked: Conversion,
    entry: &ModelEntry,
    checkpoint: &Checkpoint,
    cache_dir: &Utf8Path,
    ui: &Ui,
) -> Result<ResolvedConversion, JobError> {
    let quantization = asked.quantization;
    if let Some(conv_template) = asked.conv_template {
        let conv_template_from = TemplateOrigin::Config;
        return Ok(ResolvedConversion { quantization, conv_template, conv_template_from });
    }
    let conv_template = match &entry.source {
        // The name that the config gives it may say more than what it leads to.
        ModelSource::Local(model) => derive(&model.dir, None)?,
        ModelSource::Hub(repo) => {
            let commit = checkpoint.commit().unwrap_or_default();
            let source = format!("{}/{}@{commit}", repo.user(), repo.repo());
            match template_notes::recall(cache_dir, &source) {
                Some(template) => template,
                None => {
                    let template = derive(&checkpoint.dir(false, ui)?, Some(repo.repo()))?;
                    template_notes::remember(cache_dir, &source, template);
                    template
                }
            }
        }
    };
    let model_id = &entry.model_id;
    ui.detail("Template", &format!("{model_id}: {conv_template}, from the checkpoint"));
    let conv_template_from = TemplateOrigin::Checkpoint;
    Ok(ResolvedConversion { quantization, conv_template, conv_template_from })
}
