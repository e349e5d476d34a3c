use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::feedback::{CommentPlace, IN_A_JOB};
use super::{Context, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::github::api::ApiOptions;
use crate::github::event;
use crate::io::environment::Environment;
use crate::io::files;
use crate::model::{ArchiveCompression, ByteSize, CommentPolicy, Project};
use crate::pipeline;
use crate::publish::feedback::{self, CommentWhen, Feedback};
use crate::publish::job::{self, Intended, Intention, PublishRequest};
use crate::publish::pack::{Compression, PackOptions, PackageName};
use crate::publish::{Conclusion, Existing, Latest, PublishError, Published, ReleaseFile};
use crate::report::{self, ReleaseSummary};

/// The longest report that is read, in bytes.
const REPORT_LIMIT: u64 = 8 << 20;

/// `mlc-package publish`.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The release's tag; made with the release if it is not there
    /// [default: the tag that the job runs for, else that of mlc-package.yml]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// A package to pack into assets; may be given more than once [default, unless there are
    /// files: those of mlc-package.yml, else dist]
    #[arg(short, long, value_name = "DIR")]
    output: Vec<Utf8PathBuf>,
    /// The prefix of the assets' names [default: the package's name in mlc-package.yml,
    /// else the repository's]
    #[arg(long, value_name = "NAME")]
    name: Option<PackageName>,
    /// How its archives are compressed [default: as mlc-package.yml says, else zstd]
    #[arg(long, value_name = "HOW")]
    compression: Option<CompressionChoice>,
    /// Whether the weights of bundled models are packed too [default: as mlc-package.yml says, else
    /// true]
    #[arg(long, value_name = "BOOL")]
    weights: Option<bool>,
    /// The directory for the archives, which are kept there [default: beside the package, until
    /// they are up]
    #[arg(long, value_name = "DIR")]
    staging: Option<Utf8PathBuf>,
    /// Another file to publish as an asset; may be given more than once
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<Utf8PathBuf>,
    /// The repository [default: that of the job]
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
    /// Leave the release a draft [default: as mlc-package.yml says, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    draft: Option<bool>,
    /// Mark the release as a prerelease [default: as mlc-package.yml says, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    prerelease: Option<bool>,
    /// The release's title [default: the tag, if the release is new]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// A file with the release's text, in Markdown
    #[arg(long, value_name = "FILE")]
    notes_file: Option<Utf8PathBuf>,
    /// Whether it becomes the release that GitHub calls the latest [default: as GitHub does it]
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    make_latest: Option<LatestChoice>,
    /// Replace assets of another package that have the same names
    #[arg(long)]
    replace: bool,
    /// Print what would be sent and replaced; nothing is packed or changed
    #[arg(long)]
    dry_run: bool,
    /// Comment on the job's pull request: the release and the reports [default: as mlc-package.yml
    /// says, else never]
    #[arg(long, value_name = "WHEN", help_heading = IN_A_JOB)]
    comment: Option<When>,
    #[command(flatten)]
    comment_place: CommentPlace,
    /// Create a check run [default: as mlc-package.yml says, else false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = IN_A_JOB)]
    check: Option<bool>,
    /// Markdown to go into the comment, the check run and the job's summary; may be given more
    /// than once
    #[arg(long, value_name = "FILE", help_heading = IN_A_JOB)]
    report_markdown: Vec<Utf8PathBuf>,
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompressionChoice {
    /// .tar.zst
    Zstd,
    /// .tar.gz, for those who have no zstd
    Gzip,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LatestChoice {
    /// It does
    True,
    /// It does not
    False,
    /// It does if its version is the highest
    Legacy,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// Never
    Never,
    /// If a file of the release is new; one that is there is kept up to date
    OnChange,
    /// Always
    Always,
}

pub(super) fn run(args: PublishArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let environment = Environment::current()?;
    let get = |name: &str| environment.text(name).map(str::to_owned);
    let job = event::Context::read(&get);
    let project = pipeline::project(None, &context.ui)?;
    let settings = &project.publish;
    let of_file = || settings.tag.as_ref().map(|tag| tag.as_str().to_owned());
    let tag = args
        .tag
        .clone()
        .or_else(|| tag_of(&job))
        .or_else(of_file)
        .ok_or_else(|| Error::usage("which release? there is no tag", "name one with --tag"))?;
    refuse_bad_tag(&tag)?;
    // Before anything is published: a report that is not there is a mistake.
    let reports = read_reports(&args.report_markdown)?;
    let options = ApiOptions::from_variables(&get, args.repo.as_deref());
    let options = options.map_err(PublishError::from)?;
    let repository = options.repository.as_ref().map_or("", |repository| repository.name());
    let packages = args.packages(&project, repository)?;
    let request = PublishRequest {
        options: options.clone(),
        target: job.sha.clone().filter(|_| job.tag.as_deref() != Some(tag.as_str())),
        tag,
        draft: args.draft.or(settings.draft).unwrap_or(false),
        prerelease: args.prerelease.or(settings.prerelease).unwrap_or(false),
        title: args.title,
        notes: args.notes_file.as_ref().map(|path| read_text("--notes-file", path)).transpose()?,
        latest: args.make_latest.map(Latest::from),
        replace: args.replace,
        packages,
        staging: args.staging,
        files: args.files,
    };
    if args.dry_run {
        let (existing, intended) = job::rehearse(&request, &context.ui, &context.cancel)?;
        print_intended(&request.tag, existing.as_ref(), &intended, args.format, context)?;
        return Ok(Exit::Ok);
    }
    let (published, files) = job::publish(&request, &context.ui, &context.cancel)?;
    print(&request.tag, &published, &files, args.format, context)?;

    let mut markdown = Vec::new();
    let listed = files
        .iter()
        .map(|file| (file.name.as_str(), file.bytes, published.sent.contains(&file.name)));
    let summary = ReleaseSummary {
        tag: &request.tag,
        url: &published.url,
        draft: published.draft,
        files: listed.collect(),
    };
    report::write_release(&mut markdown, &summary)?;
    let mut markdown = String::from_utf8_lossy(&markdown).into_owned();
    for report in reports {
        markdown = format!("{markdown}\n{report}");
    }
    let feedback = Feedback {
        place: args.comment_place.place("release"),
        title: &request.tag,
        conclusion: Conclusion::Success,
        markdown: &markdown,
        annotations: &[],
        comment: args
            .comment
            .map(CommentWhen::from)
            .unwrap_or_else(|| settings.comment.unwrap_or_default().into()),
        changed: !published.sent.is_empty(),
        check: args.check.or(settings.check).unwrap_or(false).then_some("mlc-package release"),
    };
    let file = environment.text("GITHUB_STEP_SUMMARY").map(Utf8PathBuf::from);
    let (ui, cancel) = (&context.ui, &context.cancel);
    feedback::feedback(Ok(options), &job, file.as_deref(), &feedback, ui, cancel)?;
    Ok(Exit::Ok)
}

impl PublishArgs {
    /// The packages, and how each is packed.
    fn packages(
        &self,
        project: &Project,
        repository: &str,
    ) -> Result<Vec<(Utf8PathBuf, PackOptions)>, Error> {
        let of_project = || project.packages.iter().map(|package| package.output.clone());
        let dists = match &self.output {
            named if !named.is_empty() => named.clone(),
            _ if !self.files.is_empty() => Vec::new(),
            _ if project.packages.is_empty() => vec!["dist".into()],
            _ => of_project().collect(),
        };
        let settings = &project.publish;
        let compression = self.compression.map(ArchiveCompression::from).or(settings.compression);
        let options = |dist: &Utf8PathBuf| {
            let name = match (&self.name, pipeline::package_at(project, dist)) {
                (Some(name), _) => name.clone(),
                (None, Some(package)) => PackageName::from(&package.name),
                (None, None) => package_name(repository)?,
            };
            let mut options = PackOptions::new(name);
            options.compression = match compression.unwrap_or_default() {
                ArchiveCompression::Zstd => Compression::Zstd,
                ArchiveCompression::Gzip => Compression::Gzip,
            };
            options.weights = self.weights.or(settings.weights).unwrap_or(true);
            Ok((dist.clone(), options))
        };
        dists.iter().map(options).collect()
    }
}

/// GitHub's names of repositories may begin as ours must not.
fn package_name(repository: &str) -> Result<PackageName, Error> {
    repository.trim_start_matches(['.', '-']).parse().map_err(|_| {
        Error::usage("there is no name for the package's assets", "give one with --name")
    })
}

fn tag_of(job: &event::Context) -> Option<String> {
    match &job.event {
        event::Event::Release(release) => Some(release.tag.clone()),
        _ => job.tag.clone(),
    }
}

/// What git would not take for a tag (git-check-ref-format), as far as it could mislead us.
fn refuse_bad_tag(tag: &str) -> Result<(), Error> {
    let wrong = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let parts = tag.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if tag.contains(wrong) || tag.contains("..") || tag.starts_with('-') || parts {
        return Err(Error::usage(
            format!("--tag {}: this is not a valid tag name", tag.escape_debug()),
            "name one as `v1.2.0`",
        ));
    }
    Ok(())
}

fn read_reports(paths: &[Utf8PathBuf]) -> Result<Vec<String>, Error> {
    paths.iter().map(|path| read_text("--report-markdown", path)).collect()
}

fn read_text(option: &str, path: &Utf8PathBuf) -> Result<String, Error> {
    let wrong =
        |what: &str| Error::usage(format!("{option} {path}: {what}"), "name a file of Markdown");
    let bytes = files::read_at_most(path, REPORT_LIMIT)?.ok_or_else(|| wrong("too long"))?;
    String::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))
}

fn print_intended(
    tag: &str,
    existing: Option<&Existing>,
    intended: &[Intended],
    format: Format,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    let release = existing.map(|existing| &existing.release);
    if let Format::Json = format {
        let assets = intended
            .iter()
            .map(|asset| json!({"name": asset.name, "bytes": asset.bytes, "action": asset.action}));
        let result = json!({
            "tag": tag,
            "url": release.map(|release| &release.html_url),
            "draft": release.map(|release| release.draft),
            "assets": assets.collect::<Vec<_>>(),
        });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&result)?)?;
        return Ok(());
    }
    match release {
        None => writeln!(context.out, "{tag}: a new release")?,
        Some(release) if release.draft => {
            writeln!(context.out, "{tag}: {} (draft)", release.html_url)?
        }
        Some(release) => writeln!(context.out, "{tag}: {}", release.html_url)?,
    }
    for asset in intended {
        let action = match asset.action {
            Intention::Keep => "keep",
            Intention::Send => "send",
            Intention::Replace => "replace",
            Intention::Pack => "pack",
        };
        writeln!(context.out, "  {action:<8}{} ({})", asset.name, ByteSize(asset.bytes))?;
    }
    Ok(())
}

impl From<LatestChoice> for Latest {
    fn from(choice: LatestChoice) -> Self {
        match choice {
            LatestChoice::True => Self::Yes,
            LatestChoice::False => Self::No,
            LatestChoice::Legacy => Self::Legacy,
        }
    }
}

fn print(
    tag: &str,
    published: &Published,
    files: &[ReleaseFile],
    format: Format,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    match format {
        Format::Human => writeln!(context.out, "{}", published.url)?,
        Format::Json => {
            let assets = files.iter().map(|file| {
                json!({
                    "name": file.name,
                    "bytes": file.bytes,
                    "sha256": file.sha256,
                    "sent": published.sent.contains(&file.name),
                })
            });
            let result = json!({
                "tag": tag,
                "url": published.url,
                "draft": published.draft,
                "assets": assets.collect::<Vec<_>>(),
            });
            writeln!(context.out, "{}", serde_json::to_string_pretty(&result)?)?;
        }
    }
    Ok(())
}

impl From<CompressionChoice> for ArchiveCompression {
    fn from(choice: CompressionChoice) -> Self {
        match choice {
            CompressionChoice::Zstd => Self::Zstd,
            CompressionChoice::Gzip => Self::Gzip,
        }
    }
}

impl From<CommentPolicy> for CommentWhen {
    fn from(policy: CommentPolicy) -> Self {
        match policy {
            CommentPolicy::Never => Self::Never,
            CommentPolicy::OnChange => Self::OnChange,
            CommentPolicy::Always => Self::Always,
        }
    }
}

impl From<When> for CommentWhen {
    fn from(when: When) -> Self {
        match when {
            When::Never => Self::Never,
            When::OnChange => Self::OnChange,
            When::Always => Self::Always,
        }
    }
}
