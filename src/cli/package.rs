//! What `build` and `plan` are both told, and `lock` in part.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::artifact::ArtifactArgs;
use super::compiler::CompilerArgs;
use super::metal::MetalArgs;
use super::occupied;
use super::only;
use super::project::{ChoiceArgs, Chosen, Task, refuse_for_several};
use crate::error::Error;
use crate::fetch;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::{
    CompilerChoice, DownloadPolicy, JitPolicy, KitChoice, LinkerChoice, MacabiArch, MetalChoice,
    ModelChoice, ModelId, PackageName,
};
use crate::pipeline::{BindingOptions, PackageRequest};
use crate::ui::Ui;

/// Which models, for whoever needs no compiler.
#[derive(Clone, Debug, Args)]
pub(super) struct ModelsArgs {
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    /// Only this model; may be given more than once. Packages without any of them are left out
    #[arg(long, value_name = "[PACKAGE/]MODEL_ID")]
    only: Vec<ModelChoice>,
    /// Treat warnings of the config as errors
    #[arg(long)]
    strict: bool,
    /// Do not contact the Hugging Face Hub; use cached files only
    #[arg(long)]
    offline: bool,
    /// Fail unless mlc-package.lock pins every model from the Hub
    #[arg(long)]
    locked: bool,
}

/// Which models, what makes a package of them, and where.
#[derive(Clone, Debug, Args)]
pub(super) struct PackageArgs {
    #[command(flatten)]
    models: ModelsArgs,
    /// The sources of MLC LLM [default: the source-dir of mlc-package.yml]
    #[arg(
        long,
        alias = "mlc-llm-home",
        value_name = "DIR",
        env = "MLC_LLM_SOURCE_DIR",
        hide_env_values = true
    )]
    mlc_llm_source_dir: Option<Utf8PathBuf>,
    /// Where the package is made [default: the output of mlc-package.yml, else dist]
    #[arg(short, long, value_name = "DIR")]
    output: Option<Utf8PathBuf>,
    #[command(flatten)]
    compiler: CompilerArgs,
    #[command(flatten)]
    metal: MetalArgs,
    #[command(flatten)]
    binding: BindingArgs,
    #[command(flatten)]
    artifact: ArtifactArgs,
}

/// How the platform binding is made.
#[derive(Clone, Debug, Args)]
struct BindingArgs {
    /// Leave out the platform binding (mlc4j, or the Apple libraries)
    #[arg(long)]
    no_binding: bool,
    /// Where the platform binding is built [default: below the cache]
    #[arg(long, value_name = "DIR", conflicts_with = "no_binding")]
    build_dir: Option<Utf8PathBuf>,
    /// Build the platform binding again, from scratch
    #[arg(long, conflicts_with = "no_binding")]
    rebuild_binding: bool,
    /// Where the kit of the platform binding comes from: `source` builds it from the sources of
    /// MLC LLM; a file, or URL#sha256=DIGEST, is used as it is; `auto` builds it if sources are
    /// named, and otherwise uses the kit of the release that MLC_PACKAGE_RELEASE_KITS lists, or an
    /// imported kit [default: the kit of mlc-package.yml, else auto]
    #[arg(long, value_name = "KIT", env = "MLC_PACKAGE_KIT", hide_env_values = true)]
    kit: Option<KitChoice>,
    /// The linker of Android's library: auto, lld, rust-lld or wild; `auto` means lld, or else
    /// rust-lld [default: auto]
    #[arg(long, value_name = "LINKER", env = "MLC_PACKAGE_LINKER", hide_env_values = true)]
    linker: Option<LinkerChoice>,
    /// Leave the debug information in Android's library, for crash reports
    #[arg(long, conflicts_with = "no_binding")]
    keep_symbols: bool,
}

impl BindingArgs {
    fn options(self, of_file: Option<&KitChoice>) -> Option<BindingOptions> {
        let Self { no_binding, build_dir, rebuild_binding, linker, keep_symbols, kit } = self;
        (!no_binding).then(|| BindingOptions {
            build_dir,
            rebuild: rebuild_binding,
            kit: kit.or_else(|| of_file.cloned()).unwrap_or_default(),
            linker: linker.unwrap_or_default(),
            keep_symbols,
        })
    }
}

/// Names the sources in the image, which `MLC_LLM_SOURCE_DIR` names there too.
const OF_IMAGE: &str = "MLC_PACKAGE_IMAGE_SOURCE_DIR";
/// Where upstream makes a package.
const OUTPUT: &str = "dist";

impl PackageArgs {
    /// The packages that are named, if any are.
    pub(super) fn names(&self) -> &[PackageName] {
        &self.models.choice.package
    }

    /// The requests that these arguments, the environment and `mlc-package.yml` make, one of each
    /// package.
    pub(super) fn tasks(self, ui: &Ui) -> Result<Vec<Task>, Error> {
        let environment = Environment::current()?;
        let chosen = only::share(self.models.choice.clone().choose(ui)?, &self.models.only)?;
        let given = [
            ("--output", self.output.is_some()),
            ("--build-dir", self.binding.build_dir.is_some()),
            ("--artifact-version", self.artifact.has_version()),
        ];
        refuse_for_several(chosen.iter().map(|(chosen, _)| chosen), &given)?;
        let source_dir = self.mlc_llm_source_dir.clone();
        // What the image has is nobody's wish: the file stands over it.
        let of_image = environment.text(OF_IMAGE).map(Utf8PathBuf::from);
        let source_dir = source_dir.filter(|dir| Some(dir) != of_image.as_ref());
        let source_dir =
            source_dir.or_else(|| source_dir_of_old(environment.text("MLC_LLM_HOME")?, ui));
        let task = |(chosen, only): (Chosen, Vec<ModelId>)| {
            let mut environment = environment.clone();
            if let Some(dir) = source_dir.as_ref().or(chosen.source_dir.as_ref()) {
                let dir = environment.directory.join(dir);
                environment.variables.insert("MLC_LLM_SOURCE_DIR".into(), dir.as_str().into());
            }
            let chosen_kit = chosen.kit.clone();
            let metal = self.metal.metal.or(chosen.metal).unwrap_or_default();
            let output = self.output.clone().or_else(|| chosen.output.clone());
            let output = output.unwrap_or_else(|| OUTPUT.into());
            let config = files::parent(&chosen.package_config);
            occupied::refuse_occupied(&output, &[occupied::HERE, ("the config", config.as_str())])?;
            let artifact = self.artifact.of(&chosen, &environment)?;
            let compiler = self.compiler.clone().choice(chosen.compiler_image.clone());
            let task = self.models.clone().task(chosen, only, environment, output, compiler)?;
            let binding = self.binding.clone().options(chosen_kit.as_ref());
            Ok(Task {
                request: PackageRequest { binding, metal, artifact, ..task.request },
                ..task
            })
        };
        chosen.into_iter().map(task).collect()
    }
}

impl ModelsArgs {
    /// The same for what needs no compiler.
    pub(super) fn tasks(self, ui: &Ui) -> Result<Vec<Task>, Error> {
        let environment = Environment::current()?;
        let chosen = only::share(self.choice.clone().choose(ui)?, &self.only)?;
        let task = |(chosen, only)| {
            let compiler = CompilerChoice::default();
            self.clone().task(chosen, only, environment.clone(), OUTPUT.into(), compiler)
        };
        chosen.into_iter().map(task).collect()
    }

    fn task(
        self,
        chosen: Chosen,
        only: Vec<ModelId>,
        environment: Environment,
        output: Utf8PathBuf,
        compiler: CompilerChoice,
    ) -> Result<Task, Error> {
        let request = PackageRequest {
            policy: choice(&environment, "MLC_JIT_POLICY", JitPolicy::default())?,
            macabi_arch: choice(&environment, "MLC_MACABI_ARCH", MacabiArch::default())?,
            download_policy: choice(&environment, "MLC_DOWNLOAD_CACHE_POLICY", DownloadPolicy::On)?,
            cache_dir: match &self.cache_dir {
                Some(dir) => environment.directory.join(dir),
                None => default_cache_dir(&environment)?,
            },
            package_config: chosen.package_config,
            output,
            compiler,
            only,
            strict: self.strict,
            offline: self.offline,
            locked: self.locked,
            metal: MetalChoice::default(),
            binding: None,
            artifact: None,
            environment,
        };
        let (check_kernels, trial) = (chosen.check_kernels, chosen.trial);
        Ok(Task { name: chosen.name, request, check_kernels, trial, others: chosen.others })
    }
}

/// Older releases of MLC LLM had `MLC_LLM_HOME` for the sources.
fn source_dir_of_old(home: &str, ui: &Ui) -> Option<Utf8PathBuf> {
    let home = Utf8Path::new(home);
    fetch::is_source_tree(home).then(|| {
        ui.warn(&format!(
            "MLC_LLM_HOME names the sources of MLC LLM (`{home}`), and MLC LLM takes it for its \
             cache today: set MLC_LLM_SOURCE_DIR instead"
        ));
        home.to_owned()
    })
}

/// `$XDG_CACHE_HOME/mlc-package`, else `~/.cache/mlc-package`, where MLC LLM has its cache too.
pub(super) fn default_cache_dir(environment: &Environment) -> Result<Utf8PathBuf, Error> {
    // Its specification has relative paths ignored: each working directory would have a cache.
    let cache = environment.text("XDG_CACHE_HOME").map(Utf8Path::new);
    if let Some(cache) = cache.filter(|cache| cache.is_absolute()) {
        return Ok(cache.join("mlc-package"));
    }
    let home = environment.text("HOME").ok_or_else(|| {
        Error::usage(
            "no cache directory: neither HOME nor XDG_CACHE_HOME is set",
            "name a directory with --cache-dir",
        )
    })?;
    Ok(environment.directory.join(home).join(".cache/mlc-package"))
}

/// The value of a variable that is one of a few words.
pub(super) fn choice<T>(environment: &Environment, name: &str, default: T) -> Result<T, Error>
where
    T: std::str::FromStr<Err = crate::model::UnknownChoice>,
{
    Ok(chosen(environment, name)?.unwrap_or(default))
}

/// The same; none where the variable is not set.
pub(super) fn chosen<T>(environment: &Environment, name: &str) -> Result<Option<T>, Error>
where
    T: std::str::FromStr<Err = crate::model::UnknownChoice>,
{
    match environment.text(name).map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error| Error::Usage {
            message: format!("the variable {name}: {error}"),
            help: None,
        }),
    }
}
