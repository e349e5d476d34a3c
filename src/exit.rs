//! The exit codes: public, stable, documented in docs/reference/exit-codes.md.

/// How a run of `mlc-package` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// A fault of ours or of the machine: a bug, an unreadable directory, a cache directory that
    /// cannot be used or whose disk is full.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The package config, or a model's own config, is wrong.
    Config = 10,
    /// A model's files could not be had.
    Fetch = 11,
    /// A model library could not be compiled.
    Compile = 12,
    /// A model library is not what the package needs, or `cache verify` found a file that is not
    /// what was put there.
    Validation = 13,
    /// The platform binding or `dist/` could not be made.
    Assembly = 14,
    /// A release, or what goes with it, was not published whole.
    Publish = 15,
    /// A size is over a budget of `mlc-package.yml`.
    OverBudget = 20,
    /// A model that was tried does not answer as it must.
    NoAnswer = 21,
    /// The run was ended by Ctrl-C or SIGTERM (128 + SIGINT, as shells report it).
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
