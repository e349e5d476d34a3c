use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::default_name::completed;
use super::fingerprint::compile_relevant;
use super::{
    Cached, Change, Estimate, MissReason, Origin, Plan, PlanError, PlannedBundle,
    PlannedConversion, PlannedFetch, PlannedLibrary, PlannedModel, Unfetched, default_model_lib,
    fingerprint,
};
use crate::model::{
    ChatConfig, CompileInputs, CompileRecord, CompilerIdentity, Device, Fingerprint, JitPolicy,
    LibraryFormat, LibraryName, MacabiArch, Metal, ModelEntry, ModelId, PackageConfig,
};

/// What a plan is made from.
pub struct DraftRequest<'a> {
    /// The package.
    pub config: &'a PackageConfig,
    /// What was found of each model, in the config's order.
    pub models: &'a [FoundModel],
    /// What has to be downloaded.
    pub fetch: Option<PlannedFetch>,
    /// The compiler; not needed where every model has a prepared library.
    pub compiler: Option<&'a CompilerIdentity>,
    /// The processor of a Mac Catalyst package.
    pub macabi_arch: MacabiArch,
    /// How kernels for Apple's GPUs are stored.
    pub metal: Metal,
}

/// What was found of a model.
pub enum FoundModel {
    /// As much as a plan needs.
    Known(Box<ModelFacts>),
    /// Nothing: its files are not here and must not be asked for.
    NotHere {
        /// What forbids it.
        why: String,
    },
}

impl FoundModel {
    /// Whether enough is known to compile it.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}

/// What is known of a model's files.
pub struct ModelFacts {
    /// Its `mlc-chat-config.json`.
    pub chat_config: ChatConfig,
    /// Where that file is.
    pub chat_config_path: Utf8PathBuf,
    /// The commit of its repository, where it is known.
    pub commit: Option<String>,
    /// What would be bundled.
    pub bundle: Option<PlannedBundle>,
    /// How it is had from a raw checkpoint, where it is.
    pub conversion: Option<PlannedConversion>,
}

/// A plan that does not know yet what the store holds.
pub struct Draft {
    plan: Plan,
}

/// Names every library. Nothing is read or run.
pub fn draft(request: &DraftRequest<'_>) -> Result<Draft, PlanError> {
    let config = request.config;
    let mut libraries: Vec<PlannedLibrary> = config
        .prepared
        .iter()
        .map(|prepared| PlannedLibrary {
            model_lib: prepared.name.clone(),
            models: Vec::new(),
            origin: Origin::Prepared { path: prepared.path.clone() },
        })
        .collect();
    let mut models = Vec::new();
    let mut unfetched = Vec::new();
    for (entry, found) in config.models.iter().zip(request.models) {
        let facts = match found {
            FoundModel::Known(facts) => facts,
            FoundModel::NotHere { why } => {
                unfetched.push(Unfetched {
                    model_id: entry.model_id.clone(),
                    source: entry.source.clone(),
                    why: why.clone(),
                });
                continue;
            }
        };
        let model_lib = name(entry, facts, config.device)?;
        add_library(&mut libraries, entry, facts, &model_lib, request)?;
        models.push(PlannedModel {
            model_id: entry.model_id.clone(),
            model_lib,
            source: entry.source.clone(),
            commit: facts.commit.clone(),
            model_type: facts.chat_config.model_type().to_owned(),
            quantization: facts.chat_config.quantization().to_owned(),
            estimated_vram_bytes: entry.estimated_vram_bytes,
            overrides: entry.overrides.clone(),
            bundle: facts.bundle.clone(),
            conversion: facts.conversion.clone(),
        });
    }
    let plan = Plan {
        schema: Plan::SCHEMA,
        device: config.device,
        macabi_arch: (config.device == Device::Macabi).then_some(request.macabi_arch),
        compiler: request.compiler.cloned(),
        jit_policy: JitPolicy::default(),
        estimated_seconds: None,
        refused: Vec::new(),
        libraries,
        models,
        fetch: request.fetch,
        unfetched,
        binding: None,
    };
    Ok(Draft { plan })
}

impl Draft {
    /// The fingerprints to look up in the store.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.plan.libraries.iter().filter_map(|library| match &library.origin {
            Origin::Compiled { fingerprint, .. } => Some(*fingerprint),
            Origin::Prepared { .. } => None,
        })
    }

    /// The plan, once the store has been asked. `found` has an entry for each fingerprint that
    /// is in the store: `Ok`, or why the entry cannot be used. `records` are the store's.
    pub fn resolve(
        mut self,
        found: &BTreeMap<Fingerprint, Result<(), String>>,
        records: &[CompileRecord],
        policy: JitPolicy,
    ) -> Plan {
        for library in &mut self.plan.libraries {
            let Origin::Compiled { fingerprint, inputs, cached, .. } = &mut library.origin else {
                continue;
            };
            *cached = match found.get(fingerprint) {
                _ if policy == JitPolicy::Redo => Cached::Miss { reason: MissReason::Redo },
                Some(Ok(())) => Cached::Hit,
                Some(Err(why)) => Cached::Miss { reason: MissReason::Damaged { why: why.clone() } },
                None => Cached::Miss { reason: MissReason::find(inputs, records) },
            };
        }
        let misses = self.plan.libraries.iter().filter_map(|library| match &library.origin {
            Origin::Compiled { inputs, cached: Cached::Miss { .. }, .. } => Some(&**inputs),
            _ => None,
        });
        self.plan.estimated_seconds = Estimate::of(misses, records);
        self.plan.jit_policy = policy;
        let refused = self.plan.libraries.iter().filter(|library| library.is_refused(policy));
        self.plan.refused = refused.map(|library| library.model_lib.clone()).collect();
        self.plan
    }
}

fn name(entry: &ModelEntry, facts: &ModelFacts, device: Device) -> Result<LibraryName, PlanError> {
    if let Some(name) = &entry.model_lib {
        return Ok(name.clone());
    }
    default_model_lib(&facts.chat_config, &entry.overrides, device).map_err(|why| {
        PlanError::Unnamed {
            model_id: entry.model_id.clone(),
            model_type: facts.chat_config.model_type().to_owned(),
            quantization: facts.chat_config.quantization().to_owned(),
            why,
        }
    })
}

/// Adds the model to the library of its name, or begins that library.
fn add_library(
    libraries: &mut Vec<PlannedLibrary>,
    entry: &ModelEntry,
    facts: &ModelFacts,
    model_lib: &LibraryName,
    request: &DraftRequest<'_>,
) -> Result<(), PlanError> {
    let device = request.config.device;
    let inputs = request.compiler.map(|compiler| CompileInputs {
        model_type: facts.chat_config.model_type().to_owned(),
        quantization: facts.chat_config.quantization().to_owned(),
        chat_config: compile_relevant(&facts.chat_config),
        overrides: entry.overrides.to_argument(),
        opt: entry.overrides.opt().to_string(),
        device: device.into(),
        host: None,
        enable_subgroups: false,
        format: LibraryFormat::Tar,
        macabi_arch: (device == Device::Macabi).then_some(request.macabi_arch),
        metal: request.metal,
        model_lib: model_lib.clone(),
        compiler: compiler.clone(),
    });
    let there = libraries.iter_mut().find(|library| library.model_lib == *model_lib);
    match (there, inputs) {
        (Some(library), inputs) => {
            if let Origin::Compiled { inputs: first, .. } = &library.origin
                && let Some(second) = &inputs
                && !is_same(first, second)
            {
                return Err(conflict(library, &entry.model_id, first, second));
            }
            library.models.push(entry.model_id.clone());
        }
        (None, Some(inputs)) => libraries.push(PlannedLibrary {
            model_lib: model_lib.clone(),
            models: vec![entry.model_id.clone()],
            origin: Origin::Compiled {
                fingerprint: fingerprint(&inputs),
                chat_config: facts.chat_config_path.clone(),
                inputs: Box::new(inputs),
                cached: Cached::Miss { reason: MissReason::New },
            },
        }),
        (None, None) => {
            return Err(PlanError::NoCompiler { model_id: entry.model_id.clone() });
        }
    }
    Ok(())
}

/// Whether two compilations are one: upstream completes what a config does not say.
fn is_same(first: &CompileInputs, second: &CompileInputs) -> bool {
    let whole = |inputs: &CompileInputs| CompileInputs {
        chat_config: completed(&inputs.model_type, &inputs.chat_config),
        ..inputs.clone()
    };
    first == second || whole(first) == whole(second)
}

fn conflict(
    library: &PlannedLibrary,
    second_id: &ModelId,
    first: &CompileInputs,
    second: &CompileInputs,
) -> PlanError {
    PlanError::LibraryConflict {
        model_lib: library.model_lib.clone(),
        first: library.models.first().unwrap_or(second_id).clone(),
        second: second_id.clone(),
        why: MissReason::Changed { changes: Change::between(first, second) },
    }
}
