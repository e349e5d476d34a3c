//! The exit codes: public, stable, documented in docs/reference/exit-codes.md.

/// How a run of `mlc-package` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// An internal error, or a fault of the machine: a directory that cannot be read, or a cache
    /// directory that cannot be used or whose disk is full.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The package config, `mlc-package.yml` or a model's own config is wrong.
    Config = 10,
    /// A model's files, a release's assets or a kit are missing, damaged or cannot be downloaded; a
    /// checkpoint cannot be converted; or `mlc-package.lock` is wrong or incomplete.
    Fetch = 11,
    /// There is no compiler, a model library could not be compiled, or MLC LLM could not convert a
    /// checkpoint.
    Compile = 12,
    /// A model library or a kit is not the one that the package needs, weights do not fit their
    /// library, a release's asset, a kit or a cached file is damaged, or a manifest cannot be read.
    Validation = 13,
    /// The platform binding, `dist/` or a converted model could not be made; or this machine lacks
    /// what that needs (`doctor`).
    Assembly = 14,
    /// A release could not be published completely: what was uploaded stays in a draft.
    Publish = 15,
    /// A size exceeds a budget of `mlc-package.yml`.
    OverBudget = 20,
    /// A model that was tried does not answer as required.
    NoAnswer = 21,
    /// Ctrl-C or SIGTERM ended the run (128 + SIGINT, as shells report it). The third signal ends it
    /// at once.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
