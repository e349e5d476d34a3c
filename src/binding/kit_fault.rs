//! What is wrong with a kit that somebody named, and what to do about it.

use std::io;

use crate::exit::Exit;
use crate::model::{ByteSize, Sha256};

/// Why a kit cannot be used. Exit 11 if it cannot be had, and 13 if it is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum KitFault {
    /// A name of nothing. Exit 11.
    #[error("there is no such file")]
    Absent,
    /// A directory, or a device, which has no end. Exit 11.
    #[error("it is not a regular file")]
    NotAFile,
    /// A file that cannot be read. Exit 11.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// A file that a config of somebody else must not name. Exit 10.
    #[error("it is not in the directory that MLC_PACKAGE_CONFINE_TO names")]
    Outside,
    /// An address that cannot be downloaded. Exit 11.
    #[error("{0}")]
    Address(String),
    /// A server must not be asked. Exit 11.
    #[error("it is not in the cache, and `--offline` does not let it be downloaded")]
    Offline,
    /// A server does not send it. Exit 11.
    #[error("{why}")]
    Download {
        /// Why not.
        why: String,
        /// What to do, where that is the same of every server.
        help: Option<&'static str>,
    },
    /// A server refuses it, with this status. Exit 11.
    #[error("the server answers {0}")]
    Refused(u16),
    /// Another file than the one that was meant.
    #[error("its SHA-256 is {found} instead of {wanted}")]
    OtherDigest {
        /// The digest that it has.
        found: Sha256,
        /// The digest that is wanted.
        wanted: Sha256,
    },
    /// More than any kit has.
    #[error("it has {0}, which is too large for a kit")]
    TooLarge(ByteSize),
    /// A file that was cut or changed.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A file that `kit export` does not write.
    #[error("{0}")]
    Foreign(String),
    /// A kit of another `mlc-package`.
    #[error("its format is {found}, and this mlc-package reads {known}")]
    OtherFormat {
        /// The format that it has.
        found: u32,
        /// The format that is read here.
        known: u32,
    },
    /// A kit for another device.
    #[error("it is for {found}, not for {wanted}")]
    OtherTarget {
        /// The device that it is for, and the processor.
        found: String,
        /// Those that are wanted.
        wanted: String,
    },
    /// A kit in the cache that is not what was stored.
    #[error("{0}")]
    Spoilt(String),
}

impl KitFault {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Outside => Exit::Config,
            Self::Absent
            | Self::NotAFile
            | Self::Unreadable(_)
            | Self::Address(_)
            | Self::Offline
            | Self::Download { .. }
            | Self::Refused(_) => Exit::Fetch,
            Self::OtherDigest { .. }
            | Self::TooLarge(_)
            | Self::Damaged(_)
            | Self::Foreign(_)
            | Self::OtherFormat { .. }
            | Self::OtherTarget { .. }
            | Self::Spoilt(_) => Exit::Validation,
        }
    }

    pub(super) fn help(&self) -> String {
        let text = match self {
            Self::Absent => {
                "check the path: it starts in the working directory, or beside mlc-package.yml if it \
                 is written there"
            }
            Self::NotAFile => "name a file that `mlc-package kit export` wrote",
            Self::Unreadable(_) => "check who may read it",
            Self::Outside => "put it there, or name a kit by its address and digest",
            Self::Address(_) => "name a kit as https://…#sha256=…",
            Self::Offline => "run it once without --offline",
            Self::Download { help, .. } => help.unwrap_or(
                "check the address and the connection; `--kit FILE` takes a kit that was \
                 downloaded by other means",
            ),
            Self::Refused(404) => "check the address: there is no such file, or it is not public",
            Self::Refused(_) => "check the address: kits are downloaded without a token",
            Self::OtherDigest { .. } => {
                "get it again; if its digest stays the same, it is not the file that was meant: do \
                 not use it"
            }
            Self::TooLarge(_) | Self::Foreign(_) => {
                "`mlc-package kit export` did not write this: take a kit from a release, or build \
                 one from sources with `--kit source`"
            }
            Self::Damaged(_) => "if it is a kit, get it again: it was cut or changed on its way",
            Self::OtherFormat { .. } => {
                "export it again with this mlc-package, or use the mlc-package that wrote it"
            }
            Self::OtherTarget { wanted, .. } => {
                return format!(
                    "name a kit for {wanted}, or build one from sources with `--kit source`"
                );
            }
            Self::Spoilt(_) => {
                "import it again with `mlc-package kit import FILE`, or build it from sources with \
                 `--kit source`"
            }
        };
        text.to_owned()
    }
}
