//! A raw checkpoint of a package, converted by this program.

use std::num::NonZeroUsize;
use std::time::Instant;

use camino::Utf8Path;

use super::cached::{InCache, have};
use super::package::{Raw, generated};
use super::verb::natively;
use crate::convert::chat::ChatRequest;
use crate::convert::engine::Why;
use crate::convert::store::{Made, Part};
use crate::convert::weights::Request;
use crate::error::Error;
use crate::fetch::HubModels;
use crate::io::cancel::Cancel;
use crate::model::{Overrides, Quantization};
use crate::ui::Ui;

impl Raw {
    /// The model, out of the cache or converted now.
    pub(crate) fn natively(
        &self,
        quantization: Quantization,
        hub: Option<&HubModels>,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<InCache, Error> {
        let name = self.entry.model_id.as_str();
        let made = Made {
            part: Part::Model,
            model: self.entry.source.as_written(),
            quantization: quantization.name(),
            conv_template: Some(self.conversion.conv_template.as_str()),
            engine: "native",
            why: &Why::AllNative.to_string(),
            seconds: 0.0,
        };
        let mut sizes = None;
        let had = have(&self.store, self.fingerprint, (name, made), ui, cancel, |new| {
            let model_id = &self.entry.model_id;
            let checkpoint = self.checkpoint.dir(model_id, hub, true, ui)?;
            let began = Instant::now();
            let (to, why) = (self.conversion, Why::AllNative);
            ui.status("Converting", &format!("{name} to {to} (native: {why})"));
            let output = new.model_dir();
            let weights = Request {
                checkpoint: &checkpoint,
                quantization,
                output: &output,
                allow_nonfinite: false,
                threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
                cancel,
            };
            let overrides = generated(&self.entry.overrides);
            let chat = self.chat_request(&checkpoint, &overrides, &output);
            let (summary, chat) = natively(&weights, Some(chat), name, ui)?;
            for warning in chat.iter().flat_map(|chat| &chat.warnings) {
                ui.warn(warning);
            }
            sizes = Some((summary.source_bytes, summary.weight_bytes));
            self.checkpoint.refuse_changed(&self.store, model_id, cancel)?;
            Ok(began)
        })?;
        if let (Some(seconds), Some((from, to))) = (had.seconds, sizes) {
            ui.status("Converted", &format!("{name}: {to} from {from} in {seconds:.1} s"));
        }
        Ok(had)
    }

    pub(crate) fn chat_request<'a>(
        &self,
        checkpoint: &'a Utf8Path,
        overrides: &'a Overrides,
        output: &'a Utf8Path,
    ) -> ChatRequest<'a> {
        let (quantization, conv_template) =
            (self.conversion.quantization.name(), self.conversion.conv_template.as_str());
        ChatRequest { checkpoint, quantization, conv_template, overrides, output }
    }
}
