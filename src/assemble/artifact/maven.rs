//! A directory that Gradle and Maven take for a repository, with one version of one artifact.
//!
//! ```text
//! maven/<group>/<artifact>/maven-metadata.xml
//!                         /<version>/<artifact>-<version>.aar, .pom, .module
//! ```
//!
//! and of each file `.md5`, `.sha1`, `.sha256` and `.sha512`. What would differ from run to run (the
//! time in `maven-metadata.xml`) is left out, as the formats allow. Formats: Maven's POM 4.0.0 and
//! repository metadata 1.1.0, Gradle's module metadata 1.1.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use super::aar::AarContents;
use super::checksums::{Checksums, Summed, Sums};
use crate::assemble::{AssembleError, Assembly};
use crate::binding::classes::Dependency;
use crate::model::MavenArtifact;

/// Where it lies in `dist/`.
pub(super) const DIR: &str = "maven";

/// Where the archive lies in `dist/`.
pub(super) fn aar_path(artifact: &MavenArtifact) -> Utf8PathBuf {
    file(artifact, "aar")
}

fn file(artifact: &MavenArtifact, extension: &str) -> Utf8PathBuf {
    let (name, version) = (&artifact.artifact, &artifact.version);
    let dir = Utf8Path::new(DIR).join(artifact.dir());
    dir.join(version.as_str()).join(format!("{name}-{version}.{extension}"))
}

/// Writes the repository; gives the size of the archive in bytes.
pub(super) fn write(
    artifact: &MavenArtifact,
    contents: &AarContents<'_>,
    dependencies: &[Dependency],
    assembly: &mut Assembly,
) -> Result<u64, AssembleError> {
    let aar = aar_path(artifact);
    let mut sums = None;
    assembly.write_with(&aar, |out| {
        let mut summed = Summed::new(out);
        contents.write(&mut summed)?;
        sums = Some(summed.sums.finish());
        Ok(())
    })?;
    let aar_sums = sums.unwrap_or_else(|| Checksums::of(&[]));
    write_sums(&aar, &aar_sums, assembly)?;
    let module = module(artifact, &aar_sums, dependencies);
    let module = serde_json::to_string_pretty(&module)? + "\n";
    write_text(&file(artifact, "module"), &module, assembly)?;
    write_text(&file(artifact, "pom"), &pom(artifact, dependencies), assembly)?;
    let metadata = Utf8Path::new(DIR).join(artifact.dir()).join("maven-metadata.xml");
    write_text(&metadata, &metadata_text(artifact), assembly)?;
    Ok(aar_sums.bytes)
}

fn write_text(path: &Utf8Path, text: &str, assembly: &mut Assembly) -> Result<(), AssembleError> {
    assembly.write_with(path, |out| out.write_all(text.as_bytes()))?;
    write_sums(path, &Checksums::of(text.as_bytes()), assembly)
}

fn write_sums(path: &Utf8Path, sums: &Sums, assembly: &mut Assembly) -> Result<(), AssembleError> {
    for (end, sum) in sums.named() {
        assembly.write(&Utf8PathBuf::from(format!("{path}.{end}")), sum.as_bytes())?;
    }
    Ok(())
}

/// Gradle finds `.module` by the comment, and Maven reads the rest. Names and versions have no
/// character that XML would have otherwise.
fn pom(artifact: &MavenArtifact, dependencies: &[Dependency]) -> String {
    let MavenArtifact { group, artifact: id, version, .. } = artifact;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <project xmlns=\"http://maven.apache.org/POM/4.0.0\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:schemaLocation=\"http://maven.apache.org/POM/4.0.0 \
         https://maven.apache.org/xsd/maven-4.0.0.xsd\">\n  \
         <!-- do_not_remove: published-with-gradle-metadata -->\n  \
         <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>{group}</groupId>\n  <artifactId>{id}</artifactId>\n  \
         <version>{version}</version>\n  <packaging>aar</packaging>\n  \
         <name>{id}</name>\n"
    );
    if !dependencies.is_empty() {
        text += "  <dependencies>\n";
        for Dependency { group, artifact, version } in dependencies {
            text += &format!(
                "    <dependency>\n      <groupId>{group}</groupId>\n      \
                 <artifactId>{artifact}</artifactId>\n      <version>{version}</version>\n      \
                 <scope>compile</scope>\n    </dependency>\n"
            );
        }
        text += "  </dependencies>\n";
    }
    text + "</project>\n"
}

fn metadata_text(artifact: &MavenArtifact) -> String {
    let MavenArtifact { group, artifact, version, .. } = artifact;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata>\n  <groupId>{group}</groupId>\n  \
         <artifactId>{artifact}</artifactId>\n  <versioning>\n    <latest>{version}</latest>\n    \
         <release>{version}</release>\n    <versions>\n      <version>{version}</version>\n    \
         </versions>\n  </versioning>\n</metadata>\n"
    )
}

fn module(artifact: &MavenArtifact, aar: &Sums, dependencies: &[Dependency]) -> Value {
    let MavenArtifact { group, artifact: id, version, .. } = artifact;
    let name = format!("{id}-{version}.aar");
    let dependencies: Vec<_> = dependencies
        .iter()
        .map(|Dependency { group, artifact, version }| {
            json!({"group": group, "module": artifact, "version": {"requires": version}})
        })
        .collect();
    let variant = |variant: &str, usage: &str| {
        let mut value = json!({
            "name": variant,
            "attributes": {
                "org.gradle.category": "library",
                "org.gradle.dependency.bundling": "external",
                "org.gradle.libraryelements": "aar",
                "org.gradle.usage": usage,
            },
        });
        if !dependencies.is_empty() {
            value["dependencies"] = Value::from(dependencies.clone());
        }
        value["files"] = json!([{
            "name": name, "url": name, "size": aar.bytes, "sha512": aar.sha512,
            "sha256": aar.sha256, "sha1": aar.sha1, "md5": aar.md5,
        }]);
        value
    };
    json!({
        "formatVersion": "1.1",
        "component": {
            "group": group,
            "module": id,
            "version": version,
            "attributes": {"org.gradle.status": "release"},
        },
        "createdBy": {"mlc-package": {"version": env!("CARGO_PKG_VERSION")}},
        "variants": [
            variant("releaseApiElements", "java-api"),
            variant("releaseRuntimeElements", "java-runtime"),
        ],
    })
}
