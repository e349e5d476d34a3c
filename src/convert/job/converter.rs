//! Who converts a raw checkpoint, and the model's address in the cache.

use std::time::Duration;

use super::checkpoint::Checkpoint;
use super::mlc::{ByMlc, variables};
use super::package::{Raw, generated};
use crate::convert::ConvertError;
use crate::convert::engine::{Choice, Engine, MlcArguments, MlcInputs, Why, Wish, choose};
use crate::convert::store::{ConvertedStore, Lookup};
use crate::error::Error;
use crate::fetch::package::Fetched;
use crate::io::cancel::Cancel;
use crate::io::process::Variables;
use crate::model::{
    Device, Digest, Fingerprint, ModelEntry, Overrides, Quantization, ResolvedConversion,
};
use crate::pipeline::{PackageRequest, toolchain};
use crate::toolchain::Toolchain;
use crate::ui::Ui;

/// Upstream's variable that has weights cut for several GPUs beforehand.
pub(crate) const PRESHARD: &str = "MLC_INTERNAL_PRESHARD_NUM";

/// Who converts.
pub(crate) enum By {
    Native { quantization: Quantization },
    Mlc(Box<Python>),
}

/// A conversion that MLC LLM does.
pub(crate) struct Python {
    toolchain: Toolchain,
    variables: Variables,
    inputs: MlcInputs,
    /// What it is converted to, in words.
    to: String,
    /// Why this program does not.
    pub(crate) why: String,
}

/// What is asked about a model.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a PackageRequest,
    pub(crate) device: Device,
    pub(crate) entry: &'a ModelEntry,
    pub(crate) conversion: ResolvedConversion,
    pub(crate) store: &'a ConvertedStore,
    pub(crate) ui: &'a Ui,
    pub(crate) cancel: &'a Cancel,
}

impl Fetched {
    pub(crate) fn by(
        &mut self,
        asked: &Asked<'_>,
        checkpoint: &Checkpoint,
    ) -> Result<(By, Fingerprint), Error> {
        let presharded = asked.request.environment.text(PRESHARD);
        let native = asked.conversion.quantization.native().map(|quantization| {
            let fingerprint = native(checkpoint, asked.conversion, &asked.entry.overrides);
            (By::Native { quantization }, fingerprint)
        });
        // What was converted needs no checkpoint any more.
        let is_here = |(_, fingerprint): &(By, Fingerprint)| {
            presharded.is_none() && matches!(asked.store.lookup(*fingerprint), Lookup::Hit)
        };
        let native = match native {
            Some(native) if is_here(&native) => return Ok(native),
            native => native,
        };
        let model_id = &asked.entry.model_id;
        let dir = match checkpoint.dir(model_id, self.hub.as_ref(), false, asked.ui) {
            Err(Error::Fetch { source, model_id }) if source.is_offline() => {
                let converted = self.converted_by_mlc(asked, checkpoint);
                return converted.ok_or(Error::Fetch { source, model_id });
            }
            dir => dir?,
        };
        let names = checkpoint.names(model_id)?;
        let choice = choose(
            Engine::Auto,
            &Wish {
                checkpoint: &dir,
                files: &names.iter().map(String::as_str).collect::<Vec<_>>(),
                quantization: asked.conversion.quantization.name(),
                arguments: &MlcArguments::default(),
                presharded,
            },
        )?;
        let why = match (choice, native) {
            (Choice::Native { .. }, Some(native)) => return Ok(native),
            (Choice::Native { why } | Choice::Mlc { why }, _) => why,
        };
        let toolchain = self.compiler(asked.request, asked.device, asked.cancel);
        let written = asked.entry.source.as_written();
        let toolchain = toolchain.map_err(|error| no_mlc(error, written, &why))?.clone();
        let inputs = mlc_inputs(asked, checkpoint, &toolchain)?;
        Ok(by_mlc(asked, toolchain, inputs, why.to_string()))
    }

    /// A model that MLC LLM converted when the checkpoint's config could still be had.
    fn converted_by_mlc(
        &mut self,
        asked: &Asked<'_>,
        checkpoint: &Checkpoint,
    ) -> Option<(By, Fingerprint)> {
        let toolchain = self.compiler(asked.request, asked.device, asked.cancel).ok()?.clone();
        let inputs = mlc_inputs(asked, checkpoint, &toolchain).ok()?;
        let record = asked.store.record(inputs.fingerprint())?;
        Some(by_mlc(asked, toolchain, inputs, record.why))
    }

    /// The Python that has MLC LLM, asked for once.
    fn compiler(
        &mut self,
        request: &PackageRequest,
        device: Device,
        cancel: &Cancel,
    ) -> Result<&Toolchain, Error> {
        let found = match self.toolchain.take() {
            Some(found) => found,
            None => toolchain(request, device, cancel)?,
        };
        Ok(self.toolchain.insert(found))
    }
}

impl Raw {
    /// The conversion, to be done. `convert_weight` may take so long.
    pub(crate) fn by_mlc<'a>(&'a self, python: &'a Python, limit: Duration) -> ByMlc<'a> {
        ByMlc {
            store: &self.store,
            python: &python.toolchain.python,
            variables: &python.variables,
            inputs: &python.inputs,
            why: &python.why,
            to: &python.to,
            model: self.entry.source.as_written(),
            name: self.entry.model_id.as_str(),
            limit,
        }
    }
}

fn by_mlc(
    asked: &Asked<'_>,
    toolchain: Toolchain,
    inputs: MlcInputs,
    why: String,
) -> (By, Fingerprint) {
    let fingerprint = inputs.fingerprint();
    let to = asked.conversion.to_string();
    let variables = variables(&asked.request.environment, asked.request.offline);
    (By::Mlc(Box::new(Python { toolchain, variables, inputs, to, why })), fingerprint)
}

fn mlc_inputs(
    asked: &Asked<'_>,
    checkpoint: &Checkpoint,
    toolchain: &Toolchain,
) -> Result<MlcInputs, Error> {
    let Asked { entry, conversion, store, cancel, .. } = *asked;
    Ok(MlcInputs {
        checkpoint: checkpoint.identity(),
        configs: checkpoint.identity_of_configs(store, &entry.model_id, cancel)?,
        quantization: conversion.quantization.to_string(),
        conv_template: Some(conversion.conv_template.to_string()),
        overrides: generated(&entry.overrides),
        arguments: MlcArguments::default(),
        source: None,
        lora_adapter: None,
        presharded: asked.request.environment.text(PRESHARD).map(str::to_owned),
        compiler: toolchain.identity.clone(),
        libraries: toolchain.libraries.clone(),
    })
}

/// Why there is no MLC LLM, told by the model that needs it.
pub(crate) fn no_mlc(error: Error, checkpoint: &str, why: &Why) -> Error {
    match error {
        // What Python printed is shown by the error itself.
        Error::Toolchain(error) if !error.is_interrupted() && error.last_lines().is_empty() => {
            let (problem, help) = (error.to_string(), error.help());
            let (checkpoint, why) = (checkpoint.to_owned(), why.clone());
            ConvertError::NoMlc { checkpoint, why, problem, help }.into()
        }
        error => error,
    }
}

/// Everything that can change a model that is converted natively. Our version stands for how we
/// convert.
fn native(
    checkpoint: &Checkpoint,
    conversion: ResolvedConversion,
    overrides: &Overrides,
) -> Fingerprint {
    let text = format!(
        "mlc-package converted model 1\nnative {}\n{}\n{}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        checkpoint.identity(),
        conversion.quantization,
        conversion.conv_template,
        generated(overrides).to_argument()
    );
    Fingerprint(Digest::of(text.as_bytes()))
}
