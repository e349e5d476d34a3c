//! A package on its way to others and back: assets that hold a `dist/`, the release they belong to,
//! a comment, a check run; and a `dist/` laid out again from assets.

pub mod baseline;
mod check;
mod comment;
mod error;
pub mod feedback;
mod file;
pub mod job;
mod others;
pub mod pack;
mod pull;
mod release;
mod text;
pub mod unpack;
mod upload;

use std::time::Duration;

pub use self::check::{Annotation, Check, Conclusion, Level, check};
pub use self::comment::{Commented, Place, StickyComment, comment};
pub use self::error::PublishError;
pub use self::file::{ReleaseFile, SUMS, asset_name, refuse_bad_files, sums};
pub use self::pull::pull_request;
pub use self::release::{Existing, Latest, Published, ReleaseRequest, look_up, release};
pub use self::text::{CHECK_LIMIT, COMMENT_LIMIT, cut};

/// What happens while something is published, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening<'a> {
    /// GitHub asked to wait, or has to be asked again.
    Waiting {
        /// Why.
        why: &'a str,
        /// How long.
        time: Duration,
    },
    /// A draft was made.
    Drafted {
        /// Its tag.
        tag: &'a str,
    },
    /// Somebody asked to stop, and this release stays with what is up.
    Stays {
        /// The release.
        release: &'a crate::github::api::Release,
    },
    /// The files that are there already, and do not have to be sent.
    Kept {
        /// How many.
        files: usize,
    },
    /// What is left of an upload that broke, or another version of the file, is removed.
    Removing {
        /// Its name.
        name: &'a str,
    },
    /// A file begins.
    Begun {
        /// The file.
        file: &'a ReleaseFile,
    },
    /// So many of its bytes were sent.
    At {
        /// The file.
        file: &'a ReleaseFile,
        /// The bytes.
        so_far: u64,
    },
    /// It is there.
    Sent {
        /// The file.
        file: &'a ReleaseFile,
    },
    /// It has to be sent again.
    Failed {
        /// The file.
        file: &'a ReleaseFile,
        /// Why.
        why: &'a str,
    },
}

/// Whoever hears of it; several threads call.
pub type OnHappening<'a> = &'a (dyn Fn(Happening<'_>) + Sync);
