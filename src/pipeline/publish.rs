//! `mlc-package publish`, and what a job says of a package to the people of a pull request.

use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Error;
use crate::github::api::{Api, ApiError, ApiOptions};
use crate::github::event::Context;
use crate::github::output;
use crate::io::dir::TemporaryDir;
use crate::io::process::Cancel;
use crate::io::{atomic, files};
use crate::manifest;
use crate::model::ByteSize;
use crate::publish::pack::{self, PackEvent, PackOptions};
use crate::publish::{
    self, Annotation, Check, Commented, Conclusion, Happening, Published, ReleaseFile,
    ReleaseRequest, StickyComment,
};
use crate::ui::{Transfer, Ui};

/// A release to be.
#[derive(Debug)]
pub struct PublishRequest {
    /// Which repository, and who asks.
    pub options: ApiOptions,
    /// Its tag.
    pub tag: String,
    /// The commit that a tag is made at, if it is not there.
    pub target: Option<String>,
    /// Whether it stays a draft.
    pub draft: bool,
    /// Whether it is no final version.
    pub prerelease: bool,
    /// The packages.
    pub dists: Vec<Utf8PathBuf>,
    /// How they are packed.
    pub pack: PackOptions,
    /// Where their archives are made, and stay; else beside each package, until they are up.
    pub staging: Option<Utf8PathBuf>,
    /// Other files.
    pub files: Vec<Utf8PathBuf>,
}

/// Publishes a release; gives its files too.
pub fn publish(
    request: &PublishRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(Published, Vec<ReleaseFile>), Error> {
    let mut files = Vec::new();
    let mut stagings = Vec::new();
    for dist in &request.dists {
        let staging = pack(request, dist, &mut files, ui, cancel)?;
        stagings.push(staging);
    }
    for path in &request.files {
        files.push(ReleaseFile::read(path)?);
    }
    let sums = publish::sums(&files);
    // It is gone with this; nobody but us looks for it.
    let home = TemporaryDir::new_in(&temporary_home()?, "mlc-package-")?;
    if !sums.is_empty() {
        let path = home.path().join(publish::SUMS);
        atomic::write(&path, sums.as_bytes())?;
        files.push(ReleaseFile::read(&path)?);
    }
    let release = ReleaseRequest {
        tag: request.tag.clone(),
        target: request.target.clone(),
        draft: request.draft,
        prerelease: request.prerelease,
        files,
    };
    let all: u64 = release.files.iter().map(|file| file.bytes).sum();
    let count = release.files.len();
    ui.status("Publishing", &format!("{count} files ({}) as {}", ByteSize(all), release.tag));
    let transfer = Transfer::sending(ui, 0);
    let on_happening = |happening: Happening<'_>| show(ui, &transfer, &happening);
    let published = publish::release(&request.options, &release, cancel, &on_happening)?;
    drop(transfer);
    let what = if published.draft { "Drafted" } else { "Published" };
    ui.status(what, &published.url);
    if request.staging.is_none() {
        for staging in stagings {
            files::remove_dir_all(&staging)?;
        }
    }
    Ok((published, release.files))
}

/// Packs a package, and adds its files; gives the directory that has them.
fn pack(
    request: &PublishRequest,
    dist: &Utf8Path,
    release: &mut Vec<ReleaseFile>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Utf8PathBuf, Error> {
    let plan = pack::plan(dist, &request.pack)?;
    for path in &plan.left_out {
        ui.warn(&format!("{dist}: `{path}` is not of the build, and is left out"));
    }
    let device = plan.manifest.device;
    let staging = match &request.staging {
        Some(staging) => staging.join(device.to_string()),
        None => {
            // A file system that can rename between them, and a name that says whose it is.
            let dist = files::canonical(dist)?;
            let name = dist.file_name().unwrap_or("dist");
            files::parent(&dist).join(format!(".{name}-assets"))
        }
    };
    let transfer = Transfer::packing(ui);
    let packed = pack::write(&plan, &staging, cancel, &|event| show_packing(ui, &transfer, &event));
    drop(transfer);
    for asset in packed?.assets {
        // There is one for all packages of the release.
        if asset.name.as_str() != publish::SUMS {
            release.push(ReleaseFile {
                name: asset.name.to_string(),
                label: None,
                path: asset.path,
                bytes: asset.bytes,
                sha256: asset.sha256.to_string(),
            });
        }
    }
    // Beside the archives, since the next run compares sizes with it alone.
    let manifest = ReleaseFile::read(&dist.join(manifest::FILE_NAME))?;
    let name = format!("{}-{device}{}", request.pack.name, publish::baseline::SUFFIX);
    release.push(ReleaseFile { name, ..manifest });
    Ok(staging)
}

fn show_packing(ui: &Ui, transfer: &Transfer<'_>, event: &PackEvent<'_>) {
    match event {
        PackEvent::Waiting => ui.status("Waiting", "for another run that packs the same package"),
        PackEvent::Kept { name } => ui.detail("Packed", &format!("{name} before")),
        PackEvent::Started { name, bytes } => transfer.begin(name.as_str(), *bytes),
        PackEvent::Progress { name, bytes_so_far } => transfer.at(name.as_str(), *bytes_so_far),
        PackEvent::Finished { name, .. } => transfer.end(name.as_str()),
    }
}

fn temporary_home() -> Result<Utf8PathBuf, Error> {
    Ok(crate::compile::Environment::current()?.temporary_home())
}

fn show(ui: &Ui, transfer: &Transfer<'_>, happening: &Happening<'_>) {
    match happening {
        Happening::Waiting { why, time } => {
            ui.warn(&format!("{why}; going on in {:.1} s", time.as_secs_f64()));
        }
        Happening::Drafted { tag } => ui.detail("Drafted", tag),
        Happening::Kept { files } => {
            ui.status("Kept", &format!("{files} files that are up already"));
        }
        Happening::Removing { name } => ui.detail("Removing", &format!("{name}: not the same")),
        Happening::Begun { file } => transfer.begin(&file.name, file.bytes),
        Happening::At { file, so_far } => transfer.at(&file.name, *so_far),
        Happening::Sent { file } => transfer.end(&file.name),
        Happening::Failed { file, why } => ui.detail("Failed", &format!("{}: {why}", file.name)),
    }
}

/// When a comment is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommentWhen {
    /// Never.
    #[default]
    Never,
    /// When there is something new to say; one that is there is kept up to date.
    OnChange,
    /// Always.
    Always,
}

/// What is to be said, and where.
#[derive(Debug)]
pub struct Feedback<'a> {
    /// What tells several comments on one pull request apart: `size`, `release`.
    pub key: &'a str,
    /// What it comes to, in a few words: the check run's title.
    pub title: &'a str,
    /// How the check run ends.
    pub conclusion: Conclusion,
    /// The text: of the comment, the check run, and the job's summary.
    pub markdown: &'a str,
    /// Notes at lines of files.
    pub annotations: &'a [Annotation],
    /// Whether a comment is made.
    pub comment: CommentWhen,
    /// Whether there is something new to say, for [`CommentWhen::OnChange`].
    pub changed: bool,
    /// The check run's name; none is made without.
    pub check: Option<&'a str>,
}

/// Says it on the pull request, beside the commit, and in the job's summary. Where the token may
/// not do one of them, or GitHub does not answer, the others are left; that is said once, and
/// no failure: the work was done.
pub fn feedback(
    options: Result<ApiOptions, ApiError>,
    context: &Context,
    summary: Option<&Utf8Path>,
    feedback: &Feedback<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(), Error> {
    let commented = feedback.comment != CommentWhen::Never;
    if commented || feedback.check.is_some() {
        let told = AtomicBool::new(false);
        let on_wait = |why: &str, time: std::time::Duration| {
            // One line says it; each further one would be the same.
            if !told.swap(true, Ordering::Relaxed) {
                ui.warn(&format!("{why}; going on in {:.1} s", time.as_secs_f64()));
            }
        };
        let options = options.and_then(|options| match &options.token {
            Some(_) => Ok(options),
            None => Err(ApiError::NoToken),
        });
        let said = match &options {
            Ok(options) => {
                Api::new(options, cancel, &on_wait).and_then(|api| say(&api, context, feedback, ui))
            }
            Err(error) => {
                let what = if commented { "comment" } else { "check run" };
                ui.warn(&format!("no {what}: {error}"));
                Ok(())
            }
        };
        match said {
            Err(ApiError::Cancelled) => return Err(Error::Interrupted),
            Err(error) => ui.warn(&format!("neither comment nor check run: {error}")),
            Ok(()) => {}
        }
    }
    if let Some(file) = summary {
        summarize(file, feedback.markdown, ui);
    }
    Ok(())
}

fn say(api: &Api<'_>, context: &Context, feedback: &Feedback<'_>, ui: &Ui) -> Result<(), ApiError> {
    if feedback.comment != CommentWhen::Never {
        pass_on(comment(api, context, feedback, ui), "comment", ui)?;
    }
    if let Some(name) = feedback.check {
        pass_on(check(api, context, feedback, name, ui), "check run", ui)?;
    }
    Ok(())
}

/// A failure is told and left behind; only the wish to stop is not.
fn pass_on(done: Result<(), ApiError>, what: &str, ui: &Ui) -> Result<(), ApiError> {
    match done {
        Err(ApiError::Cancelled) => Err(ApiError::Cancelled),
        Err(error) => {
            ui.warn(&format!("no {what}: {error}"));
            if let Some(help) = error.help() {
                ui.note("help", &help);
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn comment(
    api: &Api<'_>,
    context: &Context,
    feedback: &Feedback<'_>,
    ui: &Ui,
) -> Result<(), ApiError> {
    let Some(number) = publish::pull_request(api, context)? else {
        ui.warn("no comment: this job is about no pull request");
        return Ok(());
    };
    let commented = publish::comment(
        api,
        &StickyComment {
            pull_request: number,
            key: feedback.key,
            markdown: feedback.markdown,
            create: feedback.comment == CommentWhen::Always || feedback.changed,
        },
    )?;
    match commented {
        Commented::Created => ui.status("Commented", &format!("on #{number}")),
        Commented::Updated => ui.status("Commented", &format!("on #{number}, over the last one")),
        Commented::Unchanged => ui.detail("Commented", &format!("on #{number}: as before")),
        Commented::Left => ui.detail("Commented", "not: nothing has changed"),
    }
    Ok(())
}

fn check(
    api: &Api<'_>,
    context: &Context,
    feedback: &Feedback<'_>,
    name: &str,
    ui: &Ui,
) -> Result<(), ApiError> {
    let Some(head) = context.head() else {
        ui.warn("no check run: this job is about no commit");
        return Ok(());
    };
    publish::check(
        api,
        &Check {
            name,
            head,
            conclusion: feedback.conclusion,
            title: feedback.title,
            markdown: feedback.markdown,
            annotations: feedback.annotations,
            details_url: context.run_url.as_deref(),
            external_id: &crate::github::random_word(),
        },
    )?;
    ui.status("Checked", &format!("{name} at {}", head.get(..7).unwrap_or(head)));
    Ok(())
}

/// The summary is extra too: a runner without the file has shown the rest.
fn summarize(file: &Utf8Path, markdown: &str, ui: &Ui) {
    let added = output::add_summary(file, markdown).and_then(|whole| {
        if whole {
            return Ok(true);
        }
        ui.warn("the job's summary has no room for all: it is cut");
        // Characters have up to four bytes.
        let limit = usize::try_from(output::room(file)? / 4).unwrap_or_default();
        output::add_summary(file, &publish::cut(markdown, limit))
    });
    if let Err(error) = added {
        ui.warn(&format!("no summary: {error}"));
    }
}
