use clap::Args;

use super::project::Chosen;
use crate::config::project::FILE_NAME;
use crate::error::Error;
use crate::io::environment::Environment;
use crate::model::{
    Artifact, ArtifactKind, MavenArtifact, PackageName, SwiftArtifact, version_of_tag,
};

/// What is made for apps to depend on.
#[derive(Clone, Debug, Args)]
pub(super) struct ArtifactArgs {
    /// Also make what an app can depend on with one line: `aar` is a Maven artifact for Android, `aar-native`
    /// the same without mlc4j's own classes, `swift-package` a Swift package for iphone and macabi
    /// [default: the artifact of mlc-package.yml]
    #[arg(long, value_name = "KIND", env = "MLC_PACKAGE_ARTIFACT", hide_env_values = true)]
    artifact: Option<ArtifactKind>,
    /// The artifact's version [default: that of mlc-package.yml, else that of the tag that the job
    /// runs for]
    #[arg(
        long,
        value_name = "VERSION",
        env = "MLC_PACKAGE_ARTIFACT_VERSION",
        hide_env_values = true
    )]
    artifact_version: Option<String>,
}

/// The version of what was built for no release.
const UNRELEASED: &str = "0.0.0-dev";

impl ArtifactArgs {
    /// Whether the command line names a version.
    pub(super) fn has_version(&self) -> bool {
        self.artifact_version.is_some()
    }

    /// The artifact of a package.
    ///
    /// # Errors
    /// It lacks a name, or its version is none.
    pub(super) fn of(
        &self,
        chosen: &Chosen,
        environment: &Environment,
    ) -> Result<Option<Artifact>, Error> {
        let settings = &chosen.artifact;
        let Some(kind) = self.artifact.or(settings.kind) else { return Ok(None) };
        let name = chosen.name.as_ref().map(PackageName::as_str);
        let lacks = |what: &str, key: &str| {
            Error::usage(
                format!("the {kind} of {} has no {what}", chosen.package_config),
                format!("write `{key}` for the package in {FILE_NAME}"),
            )
        };
        let version = Version { args: self, chosen, environment };
        Ok(Some(match kind {
            ArtifactKind::Aar | ArtifactKind::AarNative => {
                let maven = settings.maven.clone();
                let own = || name.and_then(|name| name.parse().ok());
                Artifact::Maven(MavenArtifact {
                    group: maven
                        .group
                        .ok_or_else(|| lacks("group", "maven: { group: com.example }"))?,
                    artifact: maven
                        .artifact
                        .or_else(own)
                        .ok_or_else(|| lacks("name", "maven: { artifact: models }"))?,
                    version: version.find(maven.version)?,
                    classes: kind == ArtifactKind::Aar,
                    weights: maven.weights.unwrap_or(true),
                })
            }
            ArtifactKind::SwiftPackage => {
                let swift = settings.swift.clone();
                let own = || name.and_then(|name| name.parse().ok());
                Artifact::Swift(SwiftArtifact {
                    name: swift
                        .name
                        .or_else(own)
                        .ok_or_else(|| lacks("name", "swift: { name: Models }"))?,
                    version: version.find(swift.version)?,
                    url: release_url(chosen, environment),
                    slices: chosen.slices.clone(),
                })
            }
        }))
    }
}

/// The tag of the release that is built for.
fn tag<'a>(chosen: &'a Chosen, environment: &'a Environment) -> Option<&'a str> {
    let job = environment.text("GITHUB_REF").and_then(|name| name.strip_prefix("refs/tags/"));
    job.filter(|tag| !tag.is_empty()).or(chosen.tag.as_deref())
}

/// Where the assets of a release of this repository are.
fn release_url(chosen: &Chosen, environment: &Environment) -> Option<String> {
    let repository = environment.text("GITHUB_REPOSITORY").filter(|text| !text.is_empty())?;
    let server = environment.text("GITHUB_SERVER_URL").filter(|text| !text.is_empty());
    let server = server.unwrap_or("https://github.com").trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@+".contains(c);
    let url = format!("{server}/{repository}/releases/download/{}", tag(chosen, environment)?);
    url.chars().all(plain).then_some(url)
}

/// Where an artifact's version may be said.
struct Version<'a> {
    args: &'a ArtifactArgs,
    chosen: &'a Chosen,
    environment: &'a Environment,
}

impl Version<'_> {
    fn find<T>(&self, of_file: Option<T>) -> Result<T, Error>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        if let Some(version) = &self.args.artifact_version {
            return version.parse().map_err(|why: T::Err| Error::Usage {
                message: format!("--artifact-version {}: {why}", version.escape_debug()),
                help: None,
            });
        }
        if let Some(version) = of_file {
            return Ok(version);
        }
        let Some(tag) = tag(self.chosen, self.environment) else {
            return UNRELEASED
                .parse()
                .map_err(|why: T::Err| Error::Usage { message: why.to_string(), help: None });
        };
        version_of_tag(tag).parse().map_err(|why: T::Err| {
            Error::usage(
                format!("the tag `{}` names no version of an artifact: {why}", tag.escape_debug()),
                format!("write a `version` for the package in {FILE_NAME}, or --artifact-version"),
            )
        })
    }
}
