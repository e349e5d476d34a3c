use clap::Args;

use crate::model::CheckKernels;

/// Which libraries' kernels are compiled by clang before they ship.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct KernelArgs {
    /// Have clang compile the kernels that the phone will: `auto` those of new libraries, where there
    /// is a clang that can, `always` those of every library that was not checked before, `never`
    /// none [default: the check-kernels of mlc-package.yml, else auto]
    #[arg(long, value_name = "WHEN", env = "MLC_PACKAGE_CHECK_KERNELS", hide_env_values = true)]
    pub(super) check_kernels: Option<CheckKernels>,
}
