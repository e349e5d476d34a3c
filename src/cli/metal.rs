use clap::Args;

use crate::model::MetalChoice;

/// How kernels for Apple's GPUs are stored.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct MetalArgs {
    /// How to store the kernels of iphone and macabi libraries: `metallib` compiles them with
    /// `xcrun metal`, `source` leaves that to the phone, `auto` means `metallib` where `xcrun
    /// metal` runs [default: the metal of mlc-package.yml, else auto]
    #[arg(long, value_name = "FORM", env = "MLC_PACKAGE_METAL", hide_env_values = true)]
    pub(super) metal: Option<MetalChoice>,
}
