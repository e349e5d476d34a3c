use camino::Utf8PathBuf;

use crate::exit::Exit;
use crate::github::api::ApiError;
use crate::model::ByteSize;
use crate::stage_error::StageError;

/// Why something was not published. Exit 15, or 2 where nobody says of which repository.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// GitHub said no, or was not reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The same while a draft was filled, which stays.
    #[error("{source}; the draft of `{tag}` stays with what is up: {url}")]
    Unfinished {
        /// The release's tag.
        tag: String,
        /// The draft's page.
        url: String,
        /// Why.
        source: Box<Self>,
    },
    /// The release is final.
    #[error("the release `{tag}` is immutable, and {} not in it as they are here", several(.files))]
    Immutable {
        /// Its tag.
        tag: String,
        /// The files that it lacks.
        files: Vec<String>,
    },
    /// Another run fills the same release with other files.
    #[error("`{name}` in the release `{tag}` was replaced by another run while this one ran")]
    Contended {
        /// The asset.
        name: String,
        /// The release's tag.
        tag: String,
    },
    /// The release says where to send assets, and that is not where they go.
    #[error("the release `{tag}` wants its assets sent to `{url}`, which is not safe")]
    UploadUrl {
        /// Its tag.
        tag: String,
        /// The address.
        url: String,
    },
    /// GitHub got something else than was sent.
    #[error("`{name}` arrived as something else: {found} in the release, {expected} here")]
    Damaged {
        /// The asset.
        name: String,
        /// What GitHub has.
        found: String,
        /// What was sent.
        expected: String,
    },
    /// GitHub takes a file, and its list of assets does not show it.
    #[error(
        "`{name}` was sent {sent} times, and the list of assets of the release `{tag}` {shown}"
    )]
    Unconfirmed {
        /// The asset.
        name: String,
        /// The release's tag.
        tag: String,
        /// How often it was sent.
        sent: u32,
        /// What the list shows.
        shown: String,
    },
    /// An asset of the same name is another package's.
    #[error("`{name}` in the release `{tag}` is of another package, {package}")]
    Foreign {
        /// The asset.
        name: String,
        /// The release's tag.
        tag: String,
        /// What is known of the package.
        package: String,
    },
    /// There is nothing to publish.
    #[error("there are no files to publish")]
    NoFiles,
    /// More than a release takes.
    #[error("{files} files are too many for a release, which takes {most}")]
    TooMany {
        /// How many there are.
        files: usize,
        /// How many it takes.
        most: usize,
    },
    /// A file that a release does not take.
    #[error("`{path}` has {bytes}: a release takes files of more than 0 B and less than 2 GiB")]
    Size {
        /// The file.
        path: Utf8PathBuf,
        /// Its size.
        bytes: ByteSize,
    },
    /// Two files would be one asset.
    #[error("`{}` and `{}` would both be the asset `{name}`", .paths[0], .paths[1])]
    SameName {
        /// The asset.
        name: String,
        /// The files.
        paths: Box<[Utf8PathBuf; 2]>,
    },
    /// A download that is not what it should be.
    #[error("failed to get {url}: {why}")]
    Download {
        /// What was asked for.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A file.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl PublishError {
    /// Whether somebody asked to stop.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Api(error) => matches!(error, ApiError::Cancelled),
            Self::Unfinished { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }
}

impl StageError for PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::Api(ApiError::NoRepository(_)) => Exit::Usage,
            error if error.is_interrupted() => Exit::Interrupted,
            _ => Exit::Publish,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Api(error) => error.help(),
            Self::Unfinished { source, .. } => source
                .help()
                .or_else(|| Some("run it again: what is up already is not sent again".to_owned())),
            Self::Immutable { .. } => Some(
                "its assets cannot change any more: publish under another tag, or delete the \
                 release and its tag"
                    .to_owned(),
            ),
            Self::Contended { .. } => Some(
                "let one run publish a tag: `concurrency: publish-${{ github.ref }}` in the \
                 workflow"
                    .to_owned(),
            ),
            Self::Foreign { .. } => Some(
                "give this package's assets a name of their own with --name, or replace the other's \
                 with --replace"
                    .to_owned(),
            ),
            Self::Unconfirmed { .. } => Some(
                "GitHub contradicts itself: see https://www.githubstatus.com, and run it again \
                 later; what is up already is not sent again"
                    .to_owned(),
            ),
            Self::NoFiles => Some("name a dist/ with --output, or files with --file".to_owned()),
            Self::SameName { .. } => Some(
                "rename a file; packages for one device need names of their own: those of \
                 mlc-package.yml, without --name"
                    .to_owned(),
            ),
            Self::Damaged { .. } => Some("run it again: it is replaced".to_owned()),
            _ => None,
        }
    }
}

fn several(files: &[String]) -> String {
    match files {
        [one] => format!("`{one}` is"),
        [first, rest @ ..] => format!("`{first}` and {} more are", rest.len()),
        [] => "files are".to_owned(),
    }
}
