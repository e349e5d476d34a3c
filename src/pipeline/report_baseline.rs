//! What sizes are compared with: files, addresses, the latest release.

use camino::Utf8Path;

use super::report::{NamedPath, read_manifest};
use crate::error::Error;
use crate::github::api::ApiOptions;
use crate::io::process::Cancel;
use crate::manifest::Manifest;
use crate::publish::PublishError;
use crate::publish::baseline::{
    Baseline as Text, BaselineError, baseline_at, baselines, printable,
};
use crate::report::{self, Baseline, PackageInput};
use crate::ui::Ui;

/// Where a baseline is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineSource {
    /// A file or a directory.
    File(NamedPath),
    /// An address.
    Url {
        /// The package's name.
        name: Option<String>,
        /// The address of its manifest.
        url: String,
    },
    /// Every manifest of the repository's latest release.
    LatestRelease,
}

/// The variable of this process of some name.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Gives each package its baseline. One that was named and cannot be read is an error: limits on
/// growth would hold no more. Of the latest release that is said, since there may be none.
pub(super) fn pair(
    packages: &mut [PackageInput],
    sources: &[BaselineSource],
    variable: Variable<'_>,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<(), Error> {
    let mut read = Vec::new();
    let mut origins = Vec::new();
    for source in sources {
        let found = match source {
            BaselineSource::File(named) => {
                one(&named.name, named.path.as_str(), read_manifest(&named.file()))
            }
            BaselineSource::Url { name, url } => {
                let text = options(variable, false)
                    .and_then(|options| Ok(baseline_at(url, &options, ui, cancel)?));
                one(name, &printable(url), text.and_then(|text| manifest(&text)))
            }
            BaselineSource::LatestRelease => latest_release(variable, ui, cancel),
        };
        for (name, origin, manifest) in found {
            match manifest {
                Ok(manifest) => {
                    read.push(Baseline { name, manifest });
                    origins.push((origin, *source == BaselineSource::LatestRelease));
                }
                Err(why) if cancel.is_cancelled() => return Err(why),
                Err(why) if *source != BaselineSource::LatestRelease => {
                    return Err(Error::Baseline { origin, source: Box::new(why) });
                }
                Err(why) => {
                    let help = why.help().map(|help| format!(" ({help})")).unwrap_or_default();
                    ui.warn(&format!("reported without the baseline `{origin}`: {why}{help}"));
                }
            }
        }
    }
    for left in report::pair(packages, read) {
        match origins.get(left) {
            // A release may well have more packages than are reported on.
            Some((origin, true)) => ui.detail("Left", &format!("{origin}: of no package here")),
            Some((origin, false)) => {
                ui.warn(&format!("the baseline `{origin}` is of none of the packages: left out"));
            }
            None => {}
        }
    }
    Ok(())
}

type Found = (Option<String>, String, Result<Manifest, Error>);

fn one(name: &Option<String>, origin: &str, manifest: Result<Manifest, Error>) -> Vec<Found> {
    vec![(name.clone(), origin.to_owned(), manifest)]
}

fn manifest(text: &Text) -> Result<Manifest, Error> {
    Ok(Manifest::read(Utf8Path::new(&text.origin), &text.text)?)
}

fn latest_release(variable: Variable<'_>, ui: &Ui, cancel: &Cancel) -> Vec<Found> {
    let texts = options(variable, true).and_then(|options| Ok(baselines(&options, ui, cancel)?));
    match texts {
        Ok(texts) => texts.iter().map(|text| (None, text.origin.clone(), manifest(text))).collect(),
        Err(error) => one(&None, "latest-release", Err(error)),
    }
}

fn options(variable: Variable<'_>, of_repository: bool) -> Result<ApiOptions, Error> {
    let options = match of_repository {
        true => ApiOptions::from_variables(variable, None),
        false => ApiOptions::without_repository(variable),
    };
    Ok(options.map_err(PublishError::from).map_err(BaselineError::from)?)
}
