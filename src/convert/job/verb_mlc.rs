//! `mlc-package convert` where MLC LLM converts: into the cache, and from there to the output.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::cached::InCache;
use super::converter::{PRESHARD, no_mlc};
use super::mlc::{ByMlc, Files, Source, listed, variables};
use super::verb::ConvertRequest;
use super::verb_place::Place;
use crate::convert::ConvertError;
use crate::convert::chat::ChatSummary;
use crate::convert::engine::{MlcInputs, Why, is_config};
use crate::convert::source;
use crate::convert::store::ConvertedStore;
use crate::convert::weights::WeightsError;
use crate::error::Error;
use crate::io::cancel::Cancel;
use crate::io::{dir, files, link};
use crate::model::{Device, Digest, Overrides};
use crate::toolchain::{Toolchain, ToolchainRequest, identify};
use crate::ui::Ui;

/// How long MLC LLM's own conversion may take.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Has the model in the cache.
pub(crate) fn by_mlc(
    request: &ConvertRequest,
    template: Option<&str>,
    place: &Place<'_>,
    why: &Why,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<InCache, Error> {
    let store = ConvertedStore::new(&request.cache_dir);
    let toolchain = identify(&ToolchainRequest {
        python: request.python.as_deref(),
        environment: &request.environment,
        cache_dir: &request.cache_dir,
        // What the tools of a target are does not matter here.
        target: &Device::Android.into(),
        host: None,
        limit: Toolchain::DEFAULT_LIMIT,
        cancel,
    })
    .map_err(|error| no_mlc(error.into(), &request.model, why))?;
    let asked = Asked { request, place, store: &store, cancel };
    let read = asked.read()?;
    let inputs = MlcInputs {
        checkpoint: read.checkpoint.clone(),
        configs: asked.configs()?,
        quantization: request.quantization.clone(),
        conv_template: template.map(str::to_owned),
        overrides: Overrides { opt: None, ..request.overrides.clone() },
        arguments: request.arguments.clone(),
        source: read.source.clone(),
        lora_adapter: read.lora_adapter,
        presharded: request.environment.text(PRESHARD).map(str::to_owned),
        compiler: toolchain.identity,
        libraries: toolchain.libraries,
    };
    let to = match template {
        Some(template) => format!("{}, template {template}", request.quantization),
        None => request.quantization.clone(),
    };
    ByMlc {
        store: &store,
        python: &toolchain.python,
        variables: &variables(&request.environment, request.offline),
        inputs: &inputs,
        why: &why.to_string(),
        to: &to,
        model: &request.model,
        name: request.output.file_name().unwrap_or(request.output.as_str()),
        limit: LIMIT,
    }
    .model(&Checked { asked, read }, ui, cancel)
}

/// Puts a model of the cache where it is asked for, as files of its own.
pub(crate) fn placed(
    template: Option<&str>,
    had: &InCache,
    output: &Utf8Path,
) -> Result<Option<ChatSummary>, Error> {
    for name in dir::names(&had.dir)? {
        link::copy_of(&had.dir.join(&name), &output.join(&name)).map_err(WeightsError::Output)?;
    }
    Ok(template.map(|template| ChatSummary::of(output, template)).transpose()?)
}

struct Asked<'a> {
    request: &'a ConvertRequest,
    place: &'a Place<'a>,
    store: &'a ConvertedStore,
    cancel: &'a Cancel,
}

/// What stands for the content of all that is read.
#[derive(PartialEq)]
struct Read {
    checkpoint: String,
    source: Option<(Digest, Option<String>)>,
    lora_adapter: Option<Digest>,
}

impl Asked<'_> {
    fn read(&self) -> Result<Read, Error> {
        let arguments = &self.request.arguments;
        let checkpoint = match self.place {
            Place::Directory(dir) => self.digest(dir)?.to_string(),
            Place::Hub { repo, found, .. } => format!("{repo}@{}", found.commit),
        };
        let source = arguments.source.as_deref().map(|source| {
            if files::is_dir(source) {
                return Ok::<_, Error>((self.digest(source)?, None));
            }
            let name = source.file_name().map(str::to_owned);
            Ok((self.digest(files::parent(source))?, name))
        });
        let lora_adapter = arguments.lora_adapter.as_deref().map(|dir| self.digest(dir));
        let (source, lora_adapter) = (source.transpose()?, lora_adapter.transpose()?);
        Ok(Read { checkpoint, source, lora_adapter })
    }

    fn digest(&self, dir: &Utf8Path) -> Result<Digest, Error> {
        let dir: Utf8PathBuf = files::canonical(dir).map_err(WeightsError::Read)?;
        Ok(source::digest(&listed(&dir)?, &self.store.source_note(&dir), self.cancel)?)
    }

    /// The same of the configs and the tokenizer.
    fn configs(&self) -> Result<String, Error> {
        let dir = match self.place {
            Place::Directory(dir) => files::canonical(dir).map_err(WeightsError::Read)?,
            Place::Hub { repo, found, .. } => return Ok(format!("{repo}@{}", found.commit)),
        };
        let mut found = listed(&dir)?;
        found.retain(|(path, _)| is_config(path));
        let note = self.store.source_note(&dir.join("configs"));
        Ok(source::digest(&found, &note, self.cancel)?.to_string())
    }
}

struct Checked<'a> {
    asked: Asked<'a>,
    read: Read,
}

impl Source for Checked<'_> {
    fn files(&self, whole: bool) -> Result<Files, Error> {
        self.asked.place.files(whole)
    }

    fn refuse_changed(&self) -> Result<(), Error> {
        match self.asked.read()? == self.read {
            true => Ok(()),
            false => {
                let checkpoint = self.asked.request.model.clone().into();
                Err(ConvertError::Changed { checkpoint }.into())
            }
        }
    }
}
