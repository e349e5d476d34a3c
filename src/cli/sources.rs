use camino::Utf8PathBuf;
use clap::Args;

use crate::io::environment::Environment;

/// Which sources a platform binding is built from.
#[derive(Clone, Debug, Args)]
pub(super) struct SourcesArgs {
    /// The sources of MLC LLM
    #[arg(
        long,
        alias = "mlc-llm-home",
        value_name = "DIR",
        env = "MLC_LLM_SOURCE_DIR",
        hide_env_values = true
    )]
    mlc_llm_source_dir: Option<Utf8PathBuf>,
}

impl SourcesArgs {
    /// The environment with these sources named in it, as stages look for them.
    pub(super) fn named_in(&self, environment: &Environment) -> Environment {
        let mut environment = environment.clone();
        if let Some(dir) = &self.mlc_llm_source_dir {
            let dir = environment.directory.join(dir);
            environment.variables.insert("MLC_LLM_SOURCE_DIR".into(), dir.as_str().into());
        }
        environment
    }
}
