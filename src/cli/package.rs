//! What `build` and `plan` are both told, and `lock` in part.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::compile::Environment;
use crate::error::Error;
use crate::fetch;
use crate::io::files;
use crate::model::{DownloadPolicy, JitPolicy, MacabiArch, ModelId};
use crate::pipeline::{BindingOptions, PackageRequest};
use crate::ui::Ui;

/// Which models, for whoever needs no compiler.
#[derive(Debug, Args)]
pub(super) struct ModelsArgs {
    /// The package config
    #[arg(long, value_name = "FILE", default_value = crate::config::FILE_NAME)]
    package_config: Utf8PathBuf,
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
    /// Only this model of the config; may be given more than once
    #[arg(long, value_name = "MODEL_ID")]
    only: Vec<ModelId>,
    /// Take the config's warnings for errors
    #[arg(long)]
    strict: bool,
    /// Ask the Hugging Face Hub nothing: use what its cache holds
    #[arg(long)]
    offline: bool,
    /// Fail unless mlc-package.lock has every model of the Hub
    #[arg(long)]
    locked: bool,
}

/// Which models, what makes a package of them, and where.
#[derive(Debug, Args)]
pub(super) struct PackageArgs {
    #[command(flatten)]
    models: ModelsArgs,
    /// The sources of MLC LLM
    #[arg(
        long,
        alias = "mlc-llm-home",
        value_name = "DIR",
        env = "MLC_LLM_SOURCE_DIR",
        hide_env_values = true
    )]
    mlc_llm_source_dir: Option<Utf8PathBuf>,
    /// Where the package is made
    #[arg(short, long, value_name = "DIR", default_value = OUTPUT)]
    output: Utf8PathBuf,
    /// The Python that has MLC LLM [default: that of the virtual environment, else python3]
    #[arg(long, value_name = "PYTHON", env = "MLC_PACKAGE_PYTHON", hide_env_values = true)]
    python: Option<String>,
    #[command(flatten)]
    binding: BindingArgs,
}

/// How the platform binding is made.
#[derive(Debug, Args)]
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
}

impl BindingArgs {
    fn options(self) -> Option<BindingOptions> {
        let Self { no_binding, build_dir, rebuild_binding: rebuild } = self;
        (!no_binding).then_some(BindingOptions { build_dir, rebuild })
    }
}

/// Where upstream makes a package.
const OUTPUT: &str = "dist";

impl PackageArgs {
    /// The request that these arguments and the environment make.
    pub(super) fn request(self, ui: &Ui) -> Result<PackageRequest, Error> {
        let mut environment = Environment::current()?;
        let source_dir = self
            .mlc_llm_source_dir
            .clone()
            .or_else(|| source_dir_of_old(environment.text("MLC_LLM_HOME")?, ui));
        if let Some(source_dir) = source_dir {
            let source_dir = environment.directory.join(source_dir);
            environment.variables.insert("MLC_LLM_SOURCE_DIR".into(), source_dir.as_str().into());
        }
        refuse_occupied(&self.output, &self.models.package_config)?;
        let request = self.models.with(environment, self.output, self.python)?;
        Ok(PackageRequest { binding: self.binding.options(), ..request })
    }
}

impl ModelsArgs {
    /// The request that these arguments and the environment make, for what needs no compiler.
    pub(super) fn request(self) -> Result<PackageRequest, Error> {
        self.with(Environment::current()?, OUTPUT.into(), None)
    }

    fn with(
        self,
        environment: Environment,
        output: Utf8PathBuf,
        python: Option<String>,
    ) -> Result<PackageRequest, Error> {
        Ok(PackageRequest {
            policy: choice(&environment, "MLC_JIT_POLICY", JitPolicy::default())?,
            macabi_arch: choice(&environment, "MLC_MACABI_ARCH", MacabiArch::default())?,
            download_policy: choice(&environment, "MLC_DOWNLOAD_CACHE_POLICY", DownloadPolicy::On)?,
            cache_dir: match &self.cache_dir {
                Some(dir) => environment.directory.join(dir),
                None => default_cache_dir(&environment)?,
            },
            package_config: self.package_config,
            output,
            python,
            only: self.only,
            strict: self.strict,
            offline: self.offline,
            locked: self.locked,
            binding: None,
            environment,
        })
    }
}

/// The output is swapped in whole. The directory that somebody stands in, or that has the config
/// in it, would be another one afterwards.
fn refuse_occupied(output: &Utf8Path, config: &Utf8Path) -> Result<(), Error> {
    let here = Utf8Path::new(".");
    // What is not there holds nothing.
    let Ok(canonical) = files::canonical(if output == "" { here } else { output }) else {
        return Ok(());
    };
    for (what, dir) in [("the working directory", here), ("the config", files::parent(config))] {
        if files::canonical(dir).is_ok_and(|dir| dir.starts_with(&canonical)) {
            return Err(Error::usage(
                format!("--output {output}: {what} is in this directory"),
                "name one that holds the package alone, `dist` for instance",
            ));
        }
    }
    Ok(())
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
    if let Some(cache) = environment.text("XDG_CACHE_HOME") {
        return Ok(environment.directory.join(cache).join("mlc-package"));
    }
    let home = environment.text("HOME").ok_or_else(|| {
        Error::usage(
            "there is no place for the cache: neither HOME nor XDG_CACHE_HOME is set",
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
    match environment.text(name).map(str::trim) {
        None | Some("") => Ok(default),
        Some(text) => text.parse().map_err(|error| Error::Usage {
            message: format!("the variable {name}: {error}"),
            help: None,
        }),
    }
}
