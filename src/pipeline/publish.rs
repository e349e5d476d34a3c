//! `mlc-package publish`.

mod baseline;
mod feedback;

use camino::{Utf8Path, Utf8PathBuf};

pub use self::baseline::{baseline_at, baselines};
pub use self::feedback::{CommentWhen, Feedback, feedback};
use crate::error::Error;
use crate::github::api::{ApiError, ApiOptions};
use crate::io::dir::TemporaryDir;
use crate::io::process::Cancel;
use crate::io::{atomic, files};
use crate::manifest;
use crate::model::ByteSize;
use crate::publish::pack::{self, PackEvent, PackOptions};
use crate::publish::{self, Happening, PublishError, Published, ReleaseFile, ReleaseRequest};
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
    /// The packages, and how each is packed.
    pub packages: Vec<(Utf8PathBuf, PackOptions)>,
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
    // Packing takes minutes, after which it would be a pity.
    if request.options.token.is_none() {
        return Err(PublishError::from(ApiError::NoToken).into());
    }
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
) -> Result<Utf8PathBuf, Error> {
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

fn temporary_home() -> Result<Utf8PathBuf, Error> {
    Ok(crate::io::environment::Environment::current()?.temporary_home())
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
        Happening::Failed { file, why } => {
            transfer.forget(&file.name);
            ui.detail("Failed", &format!("{}: {why}", file.name));
        }
    }
}
