//! `mlc-package convert`: a checkpoint -> a model directory, swapped in whole.

use std::num::NonZeroUsize;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};

use crate::convert::weights::{self, Request, Summary, WeightsError};
use crate::error::Error;
use crate::io::cancel::Cancel;
use crate::io::files;
use crate::io::swap::Staging;
use crate::model::Quantization;
use crate::ui::{Progress, Ui};

/// What is to be converted, and where to.
#[derive(Debug)]
pub struct ConvertRequest {
    /// The checkpoint's directory.
    pub checkpoint: Utf8PathBuf,
    /// How the weights are stored.
    pub quantization: Quantization,
    /// The model directory to be made.
    pub output: Utf8PathBuf,
    /// Whether weights that are not finite are converted.
    pub allow_nonfinite: bool,
    /// How many threads convert.
    pub threads: NonZeroUsize,
}

/// A conversion that is done.
#[derive(Debug, serde::Serialize)]
pub struct Converted {
    /// The model directory.
    pub output: Utf8PathBuf,
    /// What is in it.
    #[serde(flatten)]
    pub summary: Summary,
    /// How long it took.
    pub seconds: f64,
}

/// Converts a checkpoint. A model directory that was there before is replaced as a whole, but for
/// files that are not of weights.
pub fn convert(request: &ConvertRequest, ui: &Ui, cancel: &Cancel) -> Result<Converted, Error> {
    let began = Instant::now();
    refuse_in_place(&request.checkpoint, &request.output)?;
    let previous = weights::earlier(&request.output)?.into_iter().collect();
    let staging = Staging::beside(&request.output).map_err(WeightsError::Output)?;
    let of_weights = Request {
        checkpoint: &request.checkpoint,
        quantization: request.quantization,
        output: staging.path(),
        allow_nonfinite: request.allow_nonfinite,
        threads: request.threads,
        cancel,
    };
    let conversion = weights::prepare(&of_weights)?;
    let name = request.output.file_name().unwrap_or(request.output.as_str());
    let progress = Progress::new(ui, "Converting", name, conversion.source_bytes());
    let summary = conversion.run(&|bytes| progress.add(bytes))?;
    drop(progress);
    tell(&summary, ui);
    staging.publish(&previous).map_err(WeightsError::Output)?;
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    Ok(Converted { output: request.output.clone(), summary, seconds })
}

/// What is not as it should be, and does no harm.
fn tell(summary: &Summary, ui: &Ui) {
    const SHOWN: usize = 5;
    if let [first, ..] = summary.unused.as_slice() {
        let names = match summary.unused.len() {
            1 => format!("tensor `{first}`"),
            count if count <= SHOWN => {
                format!("{count} tensors: {}", summary.unused.join(", "))
            }
            count => {
                let some: Vec<_> = summary.unused.iter().take(SHOWN).map(String::as_str).collect();
                format!("{count} tensors: {} and {} more", some.join(", "), count - SHOWN)
            }
        };
        ui.warn(&format!("{} has no use for {names}", summary.model_type));
    }
    for line in &summary.nonfinite {
        ui.warn(&format!("not finite: {line}"));
    }
}

/// The output replaces a directory: not the checkpoint, nothing in it, and nothing that holds it.
fn refuse_in_place(checkpoint: &Utf8Path, output: &Utf8Path) -> Result<(), WeightsError> {
    let source = files::canonical(checkpoint).map_err(WeightsError::Read)?;
    let mut target = output.to_owned();
    let mut missing = Vec::new();
    // What is not there yet lies where the last directory above it is.
    while !target.exists() {
        missing.extend(target.file_name().map(str::to_owned));
        target = files::parent(&target).to_owned();
    }
    let mut target = files::canonical(&target).map_err(WeightsError::Output)?;
    target.extend(missing.iter().rev());
    if target.starts_with(&source) || source.starts_with(&target) {
        let (output, source_dir) = (output.to_owned(), checkpoint.to_owned());
        return Err(WeightsError::InPlace { output, source_dir });
    }
    Ok(())
}
