//! `mlc-package publish`: packages are packed, and a release gets them and other files.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::exit::Exit;
use crate::github::api::ApiOptions;
use crate::io::environment::Environment;
use crate::io::marked::MarkedDir;
use crate::io::process::Cancel;
use crate::io::{atomic, files};
use crate::manifest;
use crate::model::ByteSize;
use crate::publish::pack::{self, PackError, PackEvent, PackOptions};
use crate::publish::{
    self, Existing, Happening, Latest, PublishError, Published, ReleaseFile, ReleaseRequest,
};
use crate::stage_error::StageError;
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
    /// Its title; the tag of a new release, where none is given.
    pub title: Option<String>,
    /// Its text, in Markdown.
    pub notes: Option<String>,
    /// Whether it becomes the latest release.
    pub latest: Option<Latest>,
    /// Whether assets of another package may be replaced.
    pub replace: bool,
    /// The packages, and how each is packed.
    pub packages: Vec<(Utf8PathBuf, PackOptions)>,
    /// Where their archives are made, and stay; else beside each package, until they are up.
    pub staging: Option<Utf8PathBuf>,
    /// Other files.
    pub files: Vec<Utf8PathBuf>,
}

/// Why packages were not packed and published. Exits as what it is made of.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The release.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An archive.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The machine said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StageError for JobError {
    fn exit(&self) -> Exit {
        match self {
            Self::Publish(error) => error.exit(),
            Self::Pack(error) => error.exit(),
            Self::Io(error) => error.exit(),
        }
    }

    fn carried(&self) -> Option<&dyn StageError> {
        Some(match self {
            Self::Publish(error) => error,
            Self::Pack(error) => error,
            Self::Io(error) => error,
        })
    }
}

/// What publishing would do with one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intended {
    /// Its name; that of an archive that is too large for one asset is what its parts' begin with.
    pub name: String,
    /// Its size in bytes: of an archive, what is packed into it.
    pub bytes: u64,
    /// What would be done.
    pub action: Intention,
}

/// See [`Intended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intention {
    /// It is up already.
    Keep,
    /// It would be sent.
    Send,
    /// It would be sent in the place of another of its name.
    Replace,
    /// It would be packed, and sent unless it is up already.
    Pack,
}

/// What publishing would do. GitHub is asked, and nothing is changed, packed or sent.
pub fn rehearse(
    request: &PublishRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(Option<Existing>, Vec<Intended>), JobError> {
    let existing = look_up(request, ui, cancel)?;
    let there = |name: &str| existing.as_ref()?.assets.get(name);
    let mut intended = Vec::new();
    for (dist, options) in &request.packages {
        let plan = pack::plan(dist, options)?;
        for path in &plan.left_out {
            ui.warn(&format!("{dist}: `{path}` is not of the build, and is left out"));
        }
        let assets = plan.assets.iter().map(|asset| Intended {
            name: asset.name.to_string(),
            bytes: asset.bytes,
            action: Intention::Pack,
        });
        intended.extend(assets);
        let plain = plan.plain.iter().map(|(name, file)| Intended {
            name: name.to_string(),
            bytes: file.bytes,
            action: Intention::Pack,
        });
        intended.extend(plain);
    }
    for path in &request.files {
        let file = ReleaseFile::read(path)?;
        let action = match there(&file.name) {
            None => Intention::Send,
            Some(asset) if asset.digest == Some(format!("sha256:{}", file.sha256)) => {
                Intention::Keep
            }
            Some(_) => Intention::Replace,
        };
        intended.push(Intended { name: file.name, bytes: file.bytes, action });
    }
    if intended.is_empty() {
        return Err(PublishError::NoFiles.into());
    }
    Ok((existing, intended))
}

/// Looks whether the release is there, before minutes of packing: a token that GitHub does not know,
/// a repository that is not there and files that no release takes are found now.
fn look_up(
    request: &PublishRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Option<Existing>, JobError> {
    publish::refuse_bad_files(&request.files)?;
    for (dist, options) in &request.packages {
        pack::plan(dist, options)?;
    }
    if request.packages.is_empty() && request.files.is_empty() {
        return Err(PublishError::NoFiles.into());
    }
    let on_happening = |happening: Happening<'_>| {
        if let Happening::Waiting { why, time } = happening {
            ui.retrying(why, time);
        }
    };
    Ok(publish::look_up(&request.options, &request.tag, cancel, &on_happening)?)
}

/// Publishes a release; gives its files too.
pub fn publish(
    request: &PublishRequest,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(Published, Vec<ReleaseFile>), JobError> {
    look_up(request, ui, cancel)?;
    let mut files = Vec::new();
    let mut stagings = Vec::new();
    for (dist, options) in &request.packages {
        let staging = pack(request, dist, options, &mut files, ui, cancel)?;
        if let Some((_, other)) = stagings.iter().find(|(known, _)| *known == staging) {
            let name = format!("{}-…", staging.file_name().unwrap_or_default());
            let paths = Box::new([Utf8PathBuf::clone(other), dist.clone()]);
            return Err(PublishError::SameName { name, paths }.into());
        }
        stagings.push((staging, dist.clone()));
    }
    for path in &request.files {
        files.push(ReleaseFile::read(path)?);
    }
    let sums = publish::sums(&files);
    // It is gone with this; nobody but us looks for it.
    let home = MarkedDir::new_in(&temporary_home()?, "mlc-package-")?;
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
        title: request.title.clone(),
        notes: request.notes.clone(),
        latest: request.latest,
        replace: request.replace,
        files,
    };
    let all: u64 = release.files.iter().map(|file| file.bytes).sum();
    let count = release.files.len();
    ui.status("Publishing", &format!("{count} files ({}) as {}", ByteSize(all), release.tag));
    let transfer = Transfer::sending(ui, all);
    let on_happening = |happening: Happening<'_>| show(ui, &transfer, &happening);
    let published = publish::release(&request.options, &release, cancel, &on_happening)?;
    drop(transfer);
    let what = if published.draft { "Drafted" } else { "Published" };
    ui.status(what, &published.url);
    if request.staging.is_none() {
        for (staging, _) in stagings {
            files::remove_dir_all(&staging)?;
        }
    }
    Ok((published, release.files))
}

/// Packs a package, and adds its files; gives the directory that has them.
fn pack(
    request: &PublishRequest,
    dist: &Utf8Path,
    options: &PackOptions,
    release: &mut Vec<ReleaseFile>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<Utf8PathBuf, JobError> {
    let plan = pack::plan(dist, options)?;
    for path in &plan.left_out {
        ui.warn(&format!("{dist}: `{path}` is not of the build, and is left out"));
    }
    let device = plan.manifest.device;
    let staging = match &request.staging {
        // Two packages may be for the same phone.
        Some(staging) if request.packages.len() > 1 => {
            staging.join(format!("{}-{device}", options.name))
        }
        Some(staging) => staging.join(device.to_string()),
        None => {
            // A file system that can rename between them, and a name that says whose it is.
            let dist = files::canonical(dist)?;
            let name = dist.file_name().unwrap_or("dist");
            files::parent(&dist).join(format!(".{name}-assets"))
        }
    };
    if !options.weights && plan.manifest.models.iter().any(|model| model.bundled) {
        ui.status("Leaving out", &format!("{dist}: the weights of the bundled models"));
    }
    let transfer = Transfer::packing(ui);
    let packed = pack::write(&plan, &staging, cancel, &|event| show_packing(ui, &transfer, &event));
    drop(transfer);
    if matches!(packed, Err(PackError::Interrupted)) && files::is_dir(&staging) {
        ui.status("Leaving", &format!("{staging}: the next run goes on with what is packed there"));
    }
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
    let name = format!("{}-{device}{}", options.name, publish::baseline::SUFFIX);
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

fn temporary_home() -> Result<Utf8PathBuf, JobError> {
    Ok(Environment::current()?.temporary_home())
}

fn show(ui: &Ui, transfer: &Transfer<'_>, happening: &Happening<'_>) {
    match happening {
        Happening::Waiting { why, time } => {
            ui.retrying(why, *time);
        }
        Happening::Stays { release } => {
            let what = if release.draft { "the draft of" } else { "the release" };
            let (tag, url) = (&release.tag_name, &release.html_url);
            ui.status(
                "Leaving",
                &format!("{what} `{tag}` with what is up, which the next run completes: {url}"),
            );
        }
        Happening::Drafted { tag } => ui.detail("Drafted", tag),
        Happening::Kept { files } => {
            ui.status("Kept", &format!("{files} files that are up already"));
        }
        Happening::Removing { name } => ui.detail("Removing", &format!("{name}: not the same")),
        Happening::Begun { file } => transfer.begin(&file.name, file.bytes),
        Happening::At { file, so_far } => transfer.at(&file.name, *so_far),
        Happening::Sent { file } => transfer.end(&file.name),
        Happening::Failed { file, why } => {
            transfer.forget(&file.name);
            ui.detail("Failed", &format!("{}: {why}", file.name));
        }
    }
}
