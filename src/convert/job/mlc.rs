//! Conversions by `python -m mlc_llm`, for builds and for the verb: out of the cache, or done now.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use super::JobError;
use super::cached::{CachedEntry, entry};
use super::checkpoint::Files;
use super::conversion::{Job, MlcSetup};
use crate::convert::arch::AWQ;
use crate::convert::chat::ChatRequest;
use crate::convert::engine::{MlcEngine, WeightRequest, awq_source, is_config, make_linked_copy};
use crate::convert::record::{LOG, NewModel};
use crate::convert::{ConvertError, Extent};
use crate::fetch::checkpoint_files;
use crate::io::process::Variables;
use crate::io::{dir, files, link};
use crate::toolchain::{Interpreter, Mounts};

/// How long `gen_config` may take: it reads small files, but imports torch off a slow disk.
const CONFIG_LIMIT: Duration = Duration::from_secs(3600);
/// Without one of these, an app cannot read a word. `gen_config` goes on where it cannot convert one.
const TOKENIZERS: [&str; 3] = ["tokenizer.json", "tokenizer.model", "tokenizer_model"];

/// A conversion that MLC LLM does.
pub(super) struct MlcConversion<'a> {
    pub(super) job: Job<'a>,
    /// Everything that it depends on.
    pub(super) setup: &'a MlcSetup,
    /// The interpreter.
    pub(super) python: &'a Interpreter,
    pub(super) variables: &'a Variables,
    /// How long `convert_weight` may take.
    pub(super) limit: Duration,
}

impl MlcConversion<'_> {
    /// What `gen_config` writes: `mlc-chat-config.json` and the tokenizer. There is a template.
    pub(super) fn config(&self) -> Result<CachedEntry, JobError> {
        let Job { checkpoint, ui, name, .. } = self.job;
        let inputs = &self.setup.inputs;
        let found = self.entry(Extent::Config, |new| {
            let mut listed = checkpoint.files(false, ui)?;
            listed.retain(|(path, _)| is_config(path));
            make_linked_copy(&listed, &new.checkpoint_copy())?;
            ui.status("Configuring", &format!("{name} by mlc_llm gen_config"));
            let request = ChatRequest {
                checkpoint: &new.checkpoint_copy(),
                quantization: &self.setup.inputs.quantization,
                model_type: None,
                conv_template: self.setup.inputs.conv_template.as_deref().unwrap_or_default(),
                overrides: &self.setup.inputs.overrides,
                output: &new.model_dir(),
            };
            let model_type = self.setup.inputs.arguments.model_type.as_deref();
            let began = Instant::now();
            self.run(new, CONFIG_LIMIT, |engine| engine.gen_config(&request, model_type))?;
            self.setup.refuse_changed(self.job)?;
            Ok(began)
        })?;
        let there = |name| files::is_file(&found.dir.join(name));
        if found.seconds.is_some() && !TOKENIZERS.into_iter().any(there) {
            let log = self.job.store.log(inputs.config_fingerprint());
            ui.warn(&format!("{name}: gen_config wrote no tokenizer, see `{log}`"));
        }
        Ok(found)
    }

    /// The whole model.
    pub(super) fn model(&self) -> Result<CachedEntry, JobError> {
        let Job { checkpoint, ui, name, to, .. } = self.job;
        let found = self.entry(Extent::Model, |new| {
            if self.job.conv_template.is_some() {
                let config = self.config()?;
                for name in dir::names(&config.dir)? {
                    link::copy_of(&config.dir.join(&name), &new.model_dir().join(&name))?;
                }
            }
            make_linked_copy(&checkpoint.files(true, ui)?, &new.checkpoint_copy())?;
            let began = Instant::now();
            let why = &self.setup.why;
            ui.status("Converting", &format!("{name} to {to} (python -m mlc_llm: {why})"));
            self.convert_weight(new)?;
            self.setup.refuse_changed(self.job)?;
            Ok(began)
        })?;
        if let Some(seconds) = found.seconds {
            ui.status("Converted", &format!("{name} in {seconds:.1} s"));
        }
        Ok(found)
    }

    fn convert_weight(&self, new: &NewModel) -> Result<(), JobError> {
        let arguments = &self.setup.inputs.arguments;
        let checkpoint = new.checkpoint_copy();
        let mut source_format = arguments.source_format.as_deref();
        if self.setup.inputs.quantization == AWQ && source_format.is_none() {
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
            quantization: &self.setup.inputs.quantization,
            model_type: arguments.model_type.as_deref(),
            device: arguments.device.as_deref(),
            source: source.as_deref(),
            source_format,
            lora_adapter: arguments.lora_adapter.as_deref(),
            output: &new.model_dir(),
        };
        self.run(new, self.limit, |engine| engine.convert_weight(&request))
    }

    fn run(
        &self,
        new: &NewModel,
        limit: Duration,
        act: impl FnOnce(&MlcEngine<'_>) -> Result<(), ConvertError>,
    ) -> Result<(), JobError> {
        let (python, variables, cancel) = (self.python, self.variables, self.job.cancel);
        let (scratch, log) = (&new.work(), &new.log());
        let (mounts, online) = (&self.mounts(new)?, !self.job.offline);
        let engine = MlcEngine { python, variables, mounts, online, scratch, log, limit, cancel };
        Ok(act(&engine)?)
    }

    /// What MLC LLM sees where it is in an image: the entry, and what its views lead to.
    fn mounts(&self, new: &NewModel) -> Result<Mounts, JobError> {
        let mut mounts = Mounts::default().writable(&new.work()).writable(&new.model_dir());
        for view in [new.checkpoint_copy(), new.source_view()] {
            if files::is_dir(&view) {
                mounts = mounts.writable(&view).linked_from(&view)?;
            }
        }
        if let Some(adapter) = &self.setup.inputs.arguments.lora_adapter {
            mounts = mounts.readable(adapter).linked_from(adapter)?;
        }
        Ok(mounts)
    }

    /// An entry out of the cache, or made now.
    fn entry(
        &self,
        extent: Extent,
        make: impl FnOnce(&NewModel) -> Result<Instant, JobError>,
    ) -> Result<CachedEntry, JobError> {
        let Job { name, ui, .. } = self.job;
        let (fingerprint, verb) = match extent {
            Extent::Model => (self.setup.inputs.fingerprint(), "convert_weight"),
            Extent::Config => (self.setup.inputs.config_fingerprint(), "gen_config"),
        };
        let record = self.job.record(fingerprint, extent, "mlc", &self.setup.why);
        entry(&self.job, record, |new| {
            let began = make(new).map_err(|error| self.with_log(error, new))?;
            ui.log_file(&format!("log of {verb} for {name}"), &new.log());
            Ok(began)
        })
    }

    /// An error of Python's whose log is where it stays.
    fn with_log(&self, error: JobError, new: &NewModel) -> JobError {
        let (name, ui) = (self.job.name, self.job.ui);
        let JobError::Convert(ConvertError::Python(mut failed)) = error else { return error };
        failed.model = Some(name.to_owned());
        failed.cache_dir = Some(new.cache_dir().to_owned());
        // One that was kept already is another entry's.
        if failed.log.as_deref() == Some(&*new.log()) {
            let title = format!("log of {} for {} (failed)", failed.verb, name);
            ui.log_file(&title, &new.log());
            failed.log = new.keep_log(LOG, name);
        }
        JobError::Convert(ConvertError::Python(failed))
    }
}

/// Shows weights that are elsewhere to Python; gives where they are then.
fn shown(place: &Utf8Path, view: &Utf8Path) -> Result<Utf8PathBuf, JobError> {
    let is_dir = files::is_dir(place);
    make_linked_copy(&listed(if is_dir { place } else { files::parent(place) })?, view)?;
    Ok(match place.file_name().filter(|_| !is_dir) {
        Some(name) => view.join(name),
        None => view.to_owned(),
    })
}

/// The files of a directory that MLC LLM is told to read.
pub(super) fn listed(dir: &Utf8Path) -> Result<Files, ConvertError> {
    checkpoint_files(dir)
        .map_err(|error| ConvertError::Unusable { dir: dir.to_owned(), why: error.to_string() })
}
