//! The sizes of packages against their baselines, as data: what every format renders.

use serde::Serialize;

use super::budget::{self, OverLimit};
use super::inputs::{self, InputChange};
use super::measured::Measured;
use super::parts::{self, ModelParts};
use crate::manifest::{
    AnswerRecord, DuplicateRecord, LibraryRecord, Manifest, ModelRecord, PartRecord,
    shown_perplexity,
};
use crate::model::{
    CompilerIdentity, Device, LibraryName, Measure, Metal, ModelId, PackageBudgets,
};

/// One package to report on.
#[derive(Clone, Debug)]
pub struct PackageInput {
    /// Its name in the report.
    pub name: String,
    /// The name that its manifest was given with.
    pub called: Option<String>,
    /// What it is now.
    pub manifest: Manifest,
    /// What it was.
    pub baseline: Option<Manifest>,
    /// The limits of its sizes.
    pub budgets: PackageBudgets,
    /// Its package config, for annotations.
    pub config: Option<camino::Utf8PathBuf>,
}

/// What is not in the manifests.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// The commit of the baseline.
    pub base: Option<String>,
    /// The commit that is reported on.
    pub head: Option<String>,
    /// The labels of the pull request.
    pub labels: Vec<String>,
    /// The label that accepts a growth.
    pub accept_label: Option<String>,
}

/// The sizes of packages, in the order they were given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeReport {
    /// The version of this format: [`SizeReport::SCHEMA`].
    pub schema: u32,
    /// The commit of the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit that is reported on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Every size that is over a limit, the worst first.
    pub over_budget: Vec<OverLimit>,
    /// The packages.
    pub packages: Vec<PackageReport>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PackageReport {
    /// Its name.
    pub name: String,
    /// The phone it is for.
    pub device: Device,
    /// Whether there is a baseline.
    pub has_baseline: bool,
    /// The compiler; none where every library was prepared beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<CompilerIdentity>,
    /// What the linked code is measured by.
    pub linked_by: LinkedBy,
    /// How kernels for Apple's GPUs are stored; none for other devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metal: Option<Metal>,
    /// How many kernels clang compiled before they ship; none if they were not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels_checked: Option<u64>,
    /// Its sizes. The memory is that of its largest model.
    pub sizes: Sizes,
    /// What apps depend on by a line; none where none is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactSize>,
    /// The limit it is nearest to, or farthest beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<budget::Use>,
    /// Its models: over budget first, then by the difference, then by name.
    pub models: Vec<ModelReport>,
    /// Its libraries, in the manifest's order.
    pub libraries: Vec<LibraryParts>,
    /// What went in differently, in order of the models.
    pub inputs: Vec<InputChange>,
    /// Parts that it holds more than once.
    pub duplicates: Vec<DuplicateRecord>,
    /// Its package config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<camino::Utf8PathBuf>,
}

/// A Maven artifact, or a Swift package: one file, in which the sizes above are once more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArtifactSize {
    /// What an app knows it by.
    pub name: String,
    /// The size of the file.
    pub size: Measured,
}

impl ArtifactSize {
    /// Only what is of one kind is compared.
    fn of(now: &Manifest, before: Option<&Manifest>) -> Option<Self> {
        let artifact = now.artifact.as_ref()?;
        let before = before.and_then(|before| before.artifact.as_ref());
        let before = before.filter(|before| before.kind == artifact.kind);
        let size = Measured::new(artifact.bytes, before.map(|before| before.bytes));
        Some(Self { name: artifact.name.clone(), size })
    }
}

/// What the linked code of a package is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkedBy {
    /// The shared library that the platform binding links: model libraries and runtime.
    Binding,
    /// The model libraries' shares of the static archive.
    Archive,
}

/// The three sizes of a package or a model, which are never added up: what ships in the app
/// (linked and bundled), what the phone downloads, and what is needed in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Code that is linked into the app.
    pub linked: Measured,
    /// Files that are shipped with the app.
    pub bundled: Measured,
    /// Files that the phone downloads.
    pub download: Measured,
    /// Memory by the libraries' own metadata, or as declared where they do not say.
    pub ram: Measured,
}

impl Sizes {
    /// One of the three.
    pub fn of(&self, measure: Measure) -> Measured {
        let both = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
        match measure {
            Measure::Shipped => Measured {
                now: both(self.linked.now, self.bundled.now),
                before: both(self.linked.before, self.bundled.before),
            },
            Measure::Download => self.download,
            Measure::Ram => self.ram,
        }
    }

    fn is_notable(&self) -> bool {
        [self.linked, self.bundled, self.download, self.ram].iter().any(|size| size.is_notable())
    }

    /// By how much the bytes differ that ship or are downloaded, whichever is more.
    fn distance(&self) -> u64 {
        self.of(Measure::Shipped).distance().max(self.download.distance())
    }
}

/// How a model relates to the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The baseline does not have it.
    New,
    /// Only the baseline has it.
    Removed,
    /// A size differs by 64 KiB or 0.5 %.
    Changed,
    /// All sizes are about what they were.
    Unchanged,
    /// There is no baseline.
    Unknown,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelReport {
    /// Its name in the app.
    pub model_id: ModelId,
    /// How it relates to the baseline.
    pub status: Status,
    /// Its sizes. A library that several models load is divided among them.
    pub sizes: Sizes,
    /// Whether the memory is by the library's own metadata.
    pub ram_computed: bool,
    /// The memory that the config declares; of a removed model what it declared.
    pub ram_declared: u64,
    /// Where its bytes are; none for a removed model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<ModelParts>,
    /// What it answered, where it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerReport>,
    /// Its largest tensors, largest first.
    pub largest_tensors: Vec<PartRecord>,
    /// The library that it loads.
    pub model_lib: LibraryName,
    /// The limit it is nearest to, or farthest beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<budget::Use>,
}

/// What a model was asked, what it answered, and the perplexity of the baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerReport {
    /// Now.
    #[serde(flatten)]
    pub now: AnswerRecord,
    /// The baseline's perplexity, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity_before: Option<f64>,
}

impl AnswerReport {
    fn new(now: &AnswerRecord, before: Option<&AnswerRecord>) -> Self {
        Self { now: now.clone(), perplexity_before: before.map(|before| before.perplexity) }
    }

    /// The perplexity, and how it changed where that shows in a percent.
    pub fn perplexity(&self) -> String {
        let now = shown_perplexity(self.now.perplexity);
        let before = self.perplexity_before.filter(|before| *before > 0.0);
        match before.map(|before| (self.now.perplexity / before - 1.0) * 100.0) {
            Some(change) if change.abs() >= 1.0 => format!("{now} ({change:+.0} %)"),
            _ => now,
        }
    }
}

/// One library.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LibraryParts {
    /// Its name.
    pub model_lib: LibraryName,
    /// The models that load it.
    pub models: Vec<ModelId>,
    /// What it adds to the archive, in bytes.
    pub archive: u64,
    /// Its largest kernels, largest first.
    pub largest_kernels: Vec<PartRecord>,
}

impl SizeReport {
    /// The version of the format that this tool writes.
    pub const SCHEMA: u32 = 1;

    /// Compares packages with their baselines and holds them against their limits.
    pub fn new(packages: &[PackageInput], context: &ReportContext) -> Self {
        let label = context.accept_label.clone();
        let given = label.as_ref().is_some_and(|label| context.labels.contains(label));
        let accept = budget::Acceptance { label, given };
        let mut over_budget = Vec::new();
        let mut reports = Vec::new();
        for input in packages {
            let (report, over) = PackageReport::new(input, &accept);
            over_budget.extend(over);
            reports.push(report);
        }
        over_budget.sort_by(OverLimit::worst_first);
        let [base, head] = [&context.base, &context.head].map(Clone::clone);
        Self { schema: Self::SCHEMA, base, head, over_budget, packages: reports }
    }

    /// Whether a size is over a limit that fails the run.
    pub fn fails(&self) -> bool {
        self.over_budget.iter().any(OverLimit::fails)
    }

    /// Whether anything is worth a comment: a change, or a size over its limit.
    pub fn has_news(&self) -> bool {
        !self.over_budget.is_empty() || self.packages.iter().any(PackageReport::is_changed)
    }

    /// What is over a limit: a model or a package. Several packages may have a model of one name.
    pub fn whose(&self, over: &OverLimit) -> String {
        match &over.model {
            None => over.package.clone(),
            Some(model) if self.packages.len() > 1 => format!("{}/{model}", over.package),
            Some(model) => model.to_string(),
        }
    }

    /// One line: the title of a comment or of a check run.
    pub fn title(&self) -> String {
        let failing = self.over_budget.iter().filter(|over| over.fails()).count();
        let accepted = self.over_budget.iter().filter(|over| over.used.accepted).count();
        let warnings = self.over_budget.len() - failing - accepted;
        let mut remarks = Vec::new();
        if failing > 0 {
            remarks.push(format!("{failing} over budget"));
        }
        if warnings > 0 {
            remarks.push(super::count(warnings, "warning", "warnings"));
        }
        if accepted > 0 {
            remarks.push(format!("{accepted} accepted"));
        }
        if remarks.is_empty() {
            remarks.push(self.in_short());
        }
        format!("Model package size: {}", remarks.join(", "))
    }

    fn has_budget(&self) -> bool {
        let of_models =
            |package: &PackageReport| package.models.iter().any(|model| model.budget.is_some());
        self.packages.iter().any(|package| package.budget.is_some() || of_models(package))
    }

    fn in_short(&self) -> String {
        match self.packages.iter().any(|package| package.has_baseline) {
            false => self.what_it_is_of(),
            true if self.has_news() && self.has_budget() => "changed, within budget".to_owned(),
            true if self.has_news() => "changed".to_owned(),
            true => "unchanged".to_owned(),
        }
    }

    /// `2 packages, 5 models`.
    fn what_it_is_of(&self) -> String {
        let models = self.packages.iter().map(|package| package.models.len()).sum();
        let models = super::count(models, "model", "models");
        match self.packages.len() {
            1 => models,
            n => format!("{}, {models}", super::count(n, "package", "packages")),
        }
    }
}

impl PackageReport {
    /// What a phone pays for kernels that are source; none where they are compiled.
    pub fn metal_note(&self) -> Option<&'static str> {
        (self.metal == Some(Metal::Source)).then_some(Metal::SOURCE_NOTE)
    }

    /// That kernels were checked, if they were.
    pub fn kernels_note(&self) -> Option<String> {
        let checked = self.kernels_checked?;
        let kernels = match checked {
            1 => "1 kernel".to_owned(),
            checked => format!("{checked} kernels"),
        };
        Some(format!("{kernels} checked by clang"))
    }

    fn new(input: &PackageInput, accept: &budget::Acceptance) -> (Self, Vec<OverLimit>) {
        let (now, before) = (&input.manifest, input.baseline.as_ref());
        let (linked_by, linked) = parts::linked(now, before);
        let mut models: Vec<_> =
            now.models.iter().map(|model| ModelReport::new(model, now, before)).collect();
        let removed = before.into_iter().flat_map(|before| {
            let gone = |model: &&ModelRecord| record_of(now, &model.model_id).is_none();
            before.models.iter().filter(gone).map(|model| ModelReport::removed(model, before))
        });
        models.extend(removed);
        let sum = |of: fn(&ModelRecord) -> u64| {
            let all = |manifest: &Manifest| manifest.models.iter().map(of).sum::<u64>();
            Measured::new(all(now), before.map(all))
        };
        let largest = |manifest: &Manifest| manifest.models.iter().map(parts::ram).max();
        let sizes = Sizes {
            linked,
            bundled: sum(parts::bundled),
            download: sum(parts::download),
            ram: Measured::new(
                largest(now).unwrap_or_default(),
                before.map(|before| largest(before).unwrap_or_default()),
            ),
        };
        let (budget, over) = budget::hold(&input.name, &sizes, &mut models, input, accept);
        models.sort_by_key(|model| {
            let used = model.budget.as_ref();
            let over = used.map_or(0, budget::Use::rank);
            let id = model.model_id.clone();
            (std::cmp::Reverse((over, model.sizes.distance())), id)
        });
        let report = Self {
            name: input.name.clone(),
            device: now.device,
            has_baseline: before.is_some(),
            compiler: now.compiler.clone(),
            linked_by,
            metal: now.libraries.iter().filter_map(|library| library.metal).max(),
            kernels_checked: (now.libraries.iter())
                .filter_map(|library| Some(library.kernels_checked.as_ref()?.count))
                .reduce(u64::saturating_add),
            artifact: ArtifactSize::of(now, before),
            sizes,
            budget,
            models,
            libraries: now.libraries.iter().map(LibraryParts::of).collect(),
            inputs: before.map(|before| inputs::changes(now, before)).unwrap_or_default(),
            duplicates: now.duplicates.clone(),
            config: input.config.clone(),
        };
        (report, over)
    }

    /// Whether a model came, went or changed, or the package did.
    pub fn is_changed(&self) -> bool {
        let changed = |model: &ModelReport| {
            matches!(model.status, Status::New | Status::Removed | Status::Changed)
        };
        self.sizes.is_notable() || self.models.iter().any(changed)
    }
}

impl ModelReport {
    fn new(model: &ModelRecord, manifest: &Manifest, before: Option<&Manifest>) -> Self {
        let was = before.and_then(|before| Some((before, record_of(before, &model.model_id)?)));
        let pair = |of: &dyn Fn(&Manifest, &ModelRecord) -> u64| {
            Measured::new(of(manifest, model), was.map(|(before, was)| of(before, was)))
        };
        let sizes = Sizes {
            linked: pair(&parts::linked_share),
            bundled: pair(&|_, model| parts::bundled(model)),
            download: pair(&|_, model| parts::download(model)),
            ram: pair(&|_, model| parts::ram(model)),
        };
        let status = match (before, was) {
            (None, _) => Status::Unknown,
            (Some(_), None) => Status::New,
            (Some(_), Some(_)) if sizes.is_notable() => Status::Changed,
            _ => Status::Unchanged,
        };
        Self {
            model_id: model.model_id.clone(),
            status,
            sizes,
            ram_computed: model.memory.is_some(),
            ram_declared: model.estimated_vram_bytes,
            parts: Some(ModelParts::of(manifest, model)),
            answer: model.answer.as_ref().map(|answer| {
                AnswerReport::new(answer, was.and_then(|(_, was)| was.answer.as_ref()))
            }),
            largest_tensors: model.largest_tensors.clone(),
            model_lib: model.model_lib.clone(),
            budget: None,
        }
    }

    fn removed(model: &ModelRecord, before: &Manifest) -> Self {
        let was = |bytes: u64| Measured::new(None, bytes);
        Self {
            model_id: model.model_id.clone(),
            status: Status::Removed,
            sizes: Sizes {
                linked: was(parts::linked_share(before, model)),
                bundled: was(parts::bundled(model)),
                download: was(parts::download(model)),
                ram: was(parts::ram(model)),
            },
            ram_computed: model.memory.is_some(),
            ram_declared: model.estimated_vram_bytes,
            parts: None,
            answer: None,
            largest_tensors: Vec::new(),
            model_lib: model.model_lib.clone(),
            budget: None,
        }
    }
}

impl LibraryParts {
    fn of(library: &LibraryRecord) -> Self {
        Self {
            model_lib: library.model_lib.clone(),
            models: library.models.clone(),
            archive: library.sizes.archive,
            largest_kernels: library.largest_kernels.clone(),
        }
    }
}

fn record_of<'m>(manifest: &'m Manifest, model: &ModelId) -> Option<&'m ModelRecord> {
    manifest.models.iter().find(|record| record.model_id == *model)
}
