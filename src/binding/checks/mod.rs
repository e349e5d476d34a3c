//! What was linked, looked at before an app is: `libtvm4j_runtime_packed.so` for Android, the
//! static libraries for Apple. Pure functions over bytes; every problem at once.

mod android;
mod apple;
mod families;
mod macho;
mod names;
mod shared_object;

use std::fmt;

pub use android::{SharedLibrary, check_shared_library, entry_points};
pub use apple::{Archive, Archives, check_archives};
pub(super) use families::{Caller, is_shipped, remedy};

use crate::exit::Exit;
use crate::stage_error::{Message, StageError};

/// A model library that must be in what was linked.
#[derive(Clone, Copy, Debug)]
pub struct LinkedModel<'a> {
    /// The prefix of its symbols, with its final `_`.
    pub prefix: &'a str,
    /// Its blob, from the length field on, where it is at hand: a link that took an older one is
    /// told by it.
    pub blob: Option<&'a [u8]>,
}

/// The end of a blob symbol's name, after the library's prefix (tvm-ffi's `extra/module.h`:
/// `tvm_ffi_library_bin`).
pub(super) const BLOB_SUFFIX: &str = "__tvm_ffi__library_bin";

/// What was linked cannot work in an app. Exit 14.
#[derive(Debug, thiserror::Error)]
pub enum LinkedError {
    /// Everything that is wrong with it.
    #[error("{}", summary(.0))]
    Problems(Vec<LinkProblem>),
}

/// One thing that is wrong with what was linked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkProblem {
    /// The file.
    pub path: String,
    /// What kind of problem it is.
    pub code: LinkCode,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkCode {
    /// It is damaged, or no library at all.
    Unreadable,
    /// It is for another processor or another system.
    WrongTarget,
    /// It cannot be loaded on devices with pages of 16 KiB.
    PageSize,
    /// A model's blob is not in it.
    MissingModel,
    /// A model's blob is in it, with other bytes.
    StaleModel,
    /// Java cannot call it.
    MissingEntryPoint,
    /// It needs a symbol of TVM or MLC LLM that nothing defines.
    UndefinedSymbol,
}

impl StageError for LinkedError {
    fn exit(&self) -> Exit {
        Exit::Assembly
    }

    fn messages(&self) -> Vec<Message<'_>> {
        let Self::Problems(problems) = self;
        let told = |problem: &LinkProblem| {
            let LinkProblem { path, code, message, help } = problem;
            Message::new(format!("`{path}`: {message}"), Some(help.clone())).coded(code)
        };
        problems.iter().map(told).collect()
    }
}

impl LinkCode {
    /// The name, as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::WrongTarget => "wrong-target",
            Self::PageSize => "page-size",
            Self::MissingModel => "missing-model",
            Self::StaleModel => "stale-model",
            Self::MissingEntryPoint => "missing-entry-point",
            Self::UndefinedSymbol => "undefined-symbol",
        }
    }
}

impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An error if there is any problem.
pub fn require(problems: Vec<LinkProblem>) -> Result<(), LinkedError> {
    if problems.is_empty() { Ok(()) } else { Err(LinkedError::Problems(problems)) }
}

fn summary(problems: &[LinkProblem]) -> String {
    match problems {
        [one] => format!("`{}`: {}", one.path, one.message),
        many => format!("{} problems in what was linked", many.len()),
    }
}

/// The first few of a list, and how many more there are.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text =
        names.iter().take(SHOWN).map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>();
    if names.len() > SHOWN {
        text.push(format!("{} more", names.len() - SHOWN));
    }
    text.join(", ")
}

/// A name out of a file, as it may be shown: on one line, with an end.
fn shown(name: &str) -> String {
    const LONGEST: usize = 200;
    let mut text: String = name.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
