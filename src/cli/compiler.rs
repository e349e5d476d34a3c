use clap::Args;

use crate::model::{CompilerChoice, EngineChoice, ImageChoice, ImageName};

/// Which compiler is meant.
#[derive(Clone, Debug, Args)]
pub(super) struct CompilerArgs {
    /// The Python that has MLC LLM [default: that of the virtual environment, else python3]
    #[arg(long, value_name = "PYTHON", env = "MLC_PACKAGE_PYTHON", hide_env_values = true)]
    python: Option<String>,
    /// The container image with MLC LLM, used instead of a Python on this machine, and only for what
    /// is not cached; `none` uses no image, even if mlc-package.yml names one
    #[arg(long, value_name = "IMAGE", env = "MLC_PACKAGE_COMPILER_IMAGE", hide_env_values = true)]
    compiler_image: Option<ImageChoice>,
    /// What runs the image: docker, podman, nerdctl, or auto for the first that answers
    #[arg(
        long,
        value_name = "ENGINE",
        env = "MLC_PACKAGE_CONTAINER_ENGINE",
        hide_env_values = true,
        default_value = "auto"
    )]
    container_engine: EngineChoice,
}

impl CompilerArgs {
    /// The compiler; `project` is the image that mlc-package.yml names.
    pub(super) fn choice(self, project: Option<ImageName>) -> CompilerChoice {
        let image = match self.compiler_image {
            Some(choice) => choice.image().cloned(),
            None => project,
        };
        CompilerChoice { python: self.python, image, engine: self.container_engine }
    }
}
