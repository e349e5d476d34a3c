//! Conversions by `python -m mlc_llm`, for builds and for the verb: out of the cache, or done now.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::cached::{InCache, have};
use crate::compile::package::show_log;
use crate::convert::ConvertError;
use crate::convert::chat::ChatRequest;
use crate::convert::engine::{
    MlcEngine, MlcInputs, WeightRequest, awq_source, is_config, make_view,
};
use crate::convert::store::{ConvertedStore, Made, NewModel, Part};
use crate::error::Error;
use crate::fetch::checkpoint_files;
use crate::io::cancel::Cancel;
use crate::io::environment::Environment;
use crate::io::process::Variables;
use crate::io::{dir, files, link};
use crate::model::ShardPath;
use crate::ui::Ui;

/// How long `gen_config` may take: it reads small files, but imports torch off a slow disk.
const CONFIG_LIMIT: Duration = Duration::from_secs(3600);
/// Without one of these, an app cannot read a word. `gen_config` goes on where it cannot convert one.
const TOKENIZERS: [&str; 3] = ["tokenizer.json", "tokenizer.model", "tokenizer_model"];
/// The quantization of weights that AWQ has quantized already.
const AWQ: &str = "q4f16_autoawq";

/// A conversion that MLC LLM does.
pub(crate) struct ByMlc<'a> {
    pub(crate) store: &'a ConvertedStore,
    /// The interpreter.
    pub(crate) python: &'a Utf8Path,
    pub(crate) variables: &'a Variables,
    /// Everything that it depends on.
    pub(crate) inputs: &'a MlcInputs,
    /// Why it is MLC LLM that does it.
    pub(crate) why: &'a str,
    /// What it is converted to, in words.
    pub(crate) to: &'a str,
    /// The checkpoint, as the user names it.
    pub(crate) model: &'a str,
    /// What is shown of it.
    pub(crate) name: &'a str,
    /// How long `convert_weight` may take.
    pub(crate) limit: Duration,
}

/// The files of a checkpoint: their paths in it, and where they are.
pub(crate) type Files = Vec<(ShardPath, Utf8PathBuf)>;

/// What a conversion reads, and whether it still is what it was.
pub(crate) trait Source {
    /// The configs and the tokenizer, and of a `whole` checkpoint the weights.
    fn files(&self, whole: bool) -> Result<Files, Error>;

    /// Whoever wrote to the checkpoint meanwhile may have left half of this and half of that.
    fn refuse_changed(&self) -> Result<(), Error>;
}

/// The environment that MLC LLM's conversion inherits.
pub(crate) fn variables(environment: &Environment, offline: bool) -> Variables {
    let mut variables = environment.for_python();
    if offline {
        // For `transformers`, which would look for what a tokenizer lacks.
        variables.insert("HF_HUB_OFFLINE".into(), "1".into());
    }
    variables
}

impl ByMlc<'_> {
    /// What `gen_config` writes: `mlc-chat-config.json` and the tokenizer. There is a template.
    pub(crate) fn config(
        &self,
        source: &dyn Source,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<InCache, Error> {
        let had = self.have(Part::Config, ui, cancel, |new| {
            let mut listed = source.files(false)?;
            listed.retain(|(path, _)| is_config(path));
            make_view(&listed, &new.checkpoint_view())?;
            ui.status("Configuring", &format!("{} by mlc_llm gen_config", self.name));
            let request = ChatRequest {
                checkpoint: &new.checkpoint_view(),
                quantization: &self.inputs.quantization,
                conv_template: self.inputs.conv_template.as_deref().unwrap_or_default(),
                overrides: &self.inputs.overrides,
                output: &new.model_dir(),
            };
            let model_type = self.inputs.arguments.model_type.as_deref();
            let began = Instant::now();
            self.run(new, CONFIG_LIMIT, cancel, |engine| engine.gen_config(&request, model_type))?;
            source.refuse_changed()?;
            Ok(began)
        })?;
        let there = |name| files::is_file(&had.dir.join(name));
        if had.seconds.is_some() && !TOKENIZERS.into_iter().any(there) {
            let log = self.store.log(self.inputs.config_fingerprint());
            ui.warn(&format!("{}: gen_config wrote no tokenizer, see `{log}`", self.name));
        }
        Ok(had)
    }

    /// The whole model.
    pub(crate) fn model(
        &self,
        source: &dyn Source,
        ui: &Ui,
        cancel: &Cancel,
    ) -> Result<InCache, Error> {
        let had = self.have(Part::Model, ui, cancel, |new| {
            if self.inputs.conv_template.is_some() {
                let config = self.config(source, ui, cancel)?;
                for name in dir::names(&config.dir)? {
                    link::copy_of(&config.dir.join(&name), &new.model_dir().join(&name))?;
                }
            }
            make_view(&source.files(true)?, &new.checkpoint_view())?;
            let began = Instant::now();
            let (name, to, why) = (self.name, self.to, self.why);
            ui.status("Converting", &format!("{name} to {to} (python -m mlc_llm: {why})"));
            self.convert_weight(new, cancel)?;
            source.refuse_changed()?;
            Ok(began)
        })?;
        if let Some(seconds) = had.seconds {
            ui.status("Converted", &format!("{} in {seconds:.1} s", self.name));
        }
        Ok(had)
    }

    fn convert_weight(&self, new: &NewModel, cancel: &Cancel) -> Result<(), Error> {
        let arguments = &self.inputs.arguments;
        let checkpoint = new.checkpoint_view();
        let mut source_format = arguments.source_format.as_deref();
        if self.inputs.quantization == AWQ && source_format.is_none() {
            source_format = Some("awq");
        }
        let mut source = match &arguments.source {
            Some(place) => Some(shown(place, &new.source_view())?),
            None => None,
        };
        if source_format == Some("awq") {
            let dir = source.clone().unwrap_or_else(|| checkpoint.clone());
            source = if files::is_dir(&dir) { awq_source(&dir).or(source) } else { source };
        }
        let request = WeightRequest {
            checkpoint: &checkpoint,
            quantization: &self.inputs.quantization,
            model_type: arguments.model_type.as_deref(),
            device: arguments.device.as_deref(),
            source: source.as_deref(),
            source_format,
            lora_adapter: arguments.lora_adapter.as_deref(),
            output: &new.model_dir(),
        };
        self.run(new, self.limit, cancel, |engine| engine.convert_weight(&request))
    }

    fn run(
        &self,
        new: &NewModel,
        limit: Duration,
        cancel: &Cancel,
        act: impl FnOnce(&MlcEngine<'_>) -> Result<(), ConvertError>,
    ) -> Result<(), Error> {
        let (python, variables) = (self.python, self.variables);
        let (scratch, log) = (&new.scratch(), &new.log());
        Ok(act(&MlcEngine { python, variables, scratch, log, limit, cancel })?)
    }

    /// An entry out of the cache, or made now.
    fn have(
        &self,
        part: Part,
        ui: &Ui,
        cancel: &Cancel,
        make: impl FnOnce(&NewModel) -> Result<Instant, Error>,
    ) -> Result<InCache, Error> {
        let (fingerprint, verb) = match part {
            Part::Model => (self.inputs.fingerprint(), "convert_weight"),
            Part::Config => (self.inputs.config_fingerprint(), "gen_config"),
        };
        let made = Made {
            part,
            model: self.model,
            quantization: &self.inputs.quantization,
            conv_template: self.inputs.conv_template.as_deref(),
            engine: "mlc",
            why: self.why,
            seconds: 0.0,
        };
        have(self.store, fingerprint, (self.name, made), ui, cancel, |new| {
            let began = make(new).map_err(|error| self.with_log(error, new, ui))?;
            show_log(ui, &format!("log of {verb} for {}", self.name), &new.log());
            Ok(began)
        })
    }

    /// An error of Python's whose log is where it stays.
    fn with_log(&self, error: Error, new: &NewModel, ui: &Ui) -> Error {
        let Error::Convert(ConvertError::Python(mut failed)) = error else { return error };
        failed.model = Some(self.name.to_owned());
        // One that was kept already is another entry's.
        if failed.log.as_deref() == Some(&*new.log()) {
            let title = format!("log of {} for {} (failed)", failed.verb, self.name);
            show_log(ui, &title, &new.log());
            failed.log = new.keep_log(self.name);
        }
        Error::Convert(ConvertError::Python(failed))
    }
}

/// Shows weights that are elsewhere to Python; gives where they are then.
fn shown(place: &Utf8Path, view: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let is_dir = files::is_dir(place);
    make_view(&listed(if is_dir { place } else { files::parent(place) })?, view)?;
    Ok(match place.file_name().filter(|_| !is_dir) {
        Some(name) => view.join(name),
        None => view.to_owned(),
    })
}

/// The files of a directory that MLC LLM is told to read.
pub(crate) fn listed(dir: &Utf8Path) -> Result<Files, ConvertError> {
    checkpoint_files(dir)
        .map_err(|error| ConvertError::Unusable { dir: dir.to_owned(), why: error.to_string() })
}
