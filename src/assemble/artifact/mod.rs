//! What an app depends on by a line, beside the directories of `dist/`: a Maven repository for
//! Android, a Swift package for Apple's systems.

mod aar;
mod checksums;
mod maven;
mod plist;
mod privacy;
mod swift;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use self::aar::AarContents;
use self::swift::{Slice, SwiftContents};
use super::{AssembleError, Assembly};
use crate::binding::classes::{self, Classes, ClassesRequest};
use crate::binding::planned::{MLC4J, PackageBinding, Prepared};
use crate::binding::{BindingError, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::{digest, files, zip};
use crate::manifest::{self, ArtifactRecord, Manifest};
use crate::model::{
    Artifact, ArtifactKind, ByteSize, Device, MavenArtifact, ModelFiles, ModelId, ShardPath,
    SwiftArtifact,
};
use crate::plan::Plan;
use crate::ui::Ui;

/// An artifact is one file, and neither a release nor Android's tools take a larger one.
const MOST_BYTES: u64 = 2 << 30;
/// The most that the classes of TVM may have in bytes.
const MOST_CLASSES: u64 = 256 << 20;

/// What an artifact is made of.
pub(crate) struct ArtifactRequest<'a> {
    pub(crate) artifact: &'a Artifact,
    pub(crate) plan: &'a Plan,
    pub(crate) models: &'a BTreeMap<ModelId, ModelFiles>,
    pub(crate) binding: PackageBinding<'a>,
    pub(crate) prepared: Option<&'a Prepared>,
    pub(crate) ui: &'a Ui,
    pub(crate) cancel: &'a Cancel,
}

impl ArtifactRequest<'_> {
    /// Refuses what cannot be made: to be asked before what takes long.
    pub(crate) fn check(&self) -> Result<(), AssembleError> {
        let (artifact, device) = (self.artifact, self.plan.device);
        if artifact.is_apple() != device.is_apple() {
            let kind = if device.is_apple() { "a Swift package" } else { "an AAR" };
            return Err(AssembleError::refused(
                format!("an artifact of this kind cannot be made for {device}"),
                format!(
                    "what apps for {device} depend on is {kind}: `--artifact {}`",
                    kind_for(device)
                ),
            ));
        }
        let Some(prepared) = self.prepared else {
            return Err(AssembleError::refused(
                "an artifact has the platform binding in it, and the package is built without",
                "leave out --no-binding, or the artifact",
            ));
        };
        match artifact {
            Artifact::Maven(maven) => {
                check_path(&maven::aar_path(maven))?;
                let weights = self.assets(maven).map(|(_, file)| file.bytes).sum();
                refuse_large(
                    weights,
                    "leave them out with `maven: { weights: false }`: apps download them",
                )?;
                if maven.classes {
                    classes::check(&self.classes(prepared))?;
                }
            }
            Artifact::Swift(swift) => {
                check_path(&swift::zip_path(swift))?;
                self.slices(swift, Vec::new()).map(drop)?;
            }
        }
        Ok(())
    }

    /// Makes the artifact out of what is in the package already.
    pub(crate) fn make(
        &self,
        app_config: &str,
        assembly: &mut Assembly,
    ) -> Result<ArtifactRecord, AssembleError> {
        let Some(prepared) = self.prepared else { return Err(AssembleError::NoBinding) };
        match self.artifact {
            Artifact::Maven(maven) => self.maven(maven, prepared, app_config, assembly),
            Artifact::Swift(swift) => self.swift(swift, prepared, app_config, assembly),
        }
    }

    fn classes<'a>(&'a self, prepared: &'a Prepared) -> ClassesRequest<'a> {
        let directory = &self.binding.environment.directory;
        ClassesRequest {
            binding: &prepared.binding,
            store: &prepared.store,
            given: Surroundings { variables: &prepared.variables, directory },
            cancel: self.cancel,
        }
    }

    fn maven(
        &self,
        maven: &MavenArtifact,
        prepared: &Prepared,
        app_config: &str,
        assembly: &mut Assembly,
    ) -> Result<ArtifactRecord, AssembleError> {
        let output = Utf8Path::new(MLC4J).join("output");
        let (mut native, mut jars) = (BTreeMap::new(), Vec::new());
        for path in assembly.paths_below(&output) {
            let name = path.strip_prefix(&output).unwrap_or(&path);
            match name.extension() {
                Some("so") => drop(native.insert(name.to_string(), assembly.absolute(&path)?)),
                Some("jar") => jars.push(assembly.absolute(&path)?),
                _ => {}
            }
        }
        let mut contents = BTreeMap::new();
        for jar in &jars {
            contents.extend(classes_of(jar)?);
        }
        let mut dependencies = Vec::new();
        if maven.classes {
            let tvm4j = jars.first().ok_or_else(|| {
                BindingError::NoClasses(format!("`{output}` has no archive of TVM's classes"))
            })?;
            self.ui.detail("Classes", "of mlc4j");
            let Classes { files, dependencies: needed } =
                classes::obtain(&self.classes(prepared), tvm4j)?;
            contents.extend(files);
            dependencies = needed;
        }
        let aar = AarContents {
            namespace: maven.namespace(),
            classes: contents,
            own_classes: maven.classes,
            native,
            app_config,
            assets: self.asset_places(maven, assembly)?,
        };
        let bytes = maven::write(maven, &aar, &dependencies, assembly)?;
        refuse_large(
            bytes,
            "leave weights out with `maven: { weights: false }`: apps download them",
        )?;
        let coordinates = maven.coordinates();
        self.ui.status("Artifact", &format!("{coordinates} ({})", ByteSize(bytes)));
        Ok(ArtifactRecord {
            kind: if maven.classes { ArtifactKind::Aar } else { ArtifactKind::AarNative },
            name: coordinates,
            file: maven::aar_path(maven),
            bytes,
        })
    }

    fn swift(
        &self,
        artifact: &SwiftArtifact,
        prepared: &Prepared,
        app_config: &str,
        assembly: &mut Assembly,
    ) -> Result<ArtifactRecord, AssembleError> {
        let mut libraries = Vec::new();
        for path in assembly.paths_below(Utf8Path::new("lib")) {
            if let (Some("a"), Some(name)) = (path.extension(), path.file_name()) {
                libraries.push((name.to_owned(), assembly.absolute(&path)?));
            }
        }
        let slices = self.slices(artifact, libraries)?;
        let source = &prepared.binding.source;
        let contents = SwiftContents { artifact, slices, source, app_config };
        let bytes = contents.write(assembly, self.ui)?;
        refuse_large(bytes, "package fewer models, or fewer systems, in one")?;
        let name = format!("{} {}", artifact.name, artifact.version);
        self.ui.status("Artifact", &format!("{name} ({})", ByteSize(bytes)));
        let file = swift::zip_path(artifact);
        Ok(ArtifactRecord { kind: ArtifactKind::SwiftPackage, name, file, bytes })
    }

    /// What this package has, and what others have that were built before with the same models.
    fn slices(
        &self,
        artifact: &SwiftArtifact,
        libraries: Vec<(String, Utf8PathBuf)>,
    ) -> Result<Vec<Slice>, AssembleError> {
        let (device, arch) = (self.plan.device, self.plan.macabi_arch.unwrap_or_default());
        let mut slices = vec![Slice { device, arch, libraries }];
        let own = self.plan.models.iter().map(|model| (&model.model_id, &model.model_lib));
        let own: BTreeMap<_, _> = own.collect();
        for (name, dist) in &artifact.slices {
            let dist = self.binding.environment.directory.join(dist);
            let refused = |why: String, help: &str| {
                AssembleError::refused(
                    format!("the slice `{name}` of {}: {why}", artifact.name),
                    help,
                )
            };
            let path = dist.join(manifest::FILE_NAME);
            let text = files::read_if_there(&path).ok().flatten().ok_or_else(|| {
                refused(format!("there is no `{path}`"), "build that package first")
            })?;
            let built = Manifest::read(&path, &text)?;
            let models = built.models.iter().map(|model| (&model.model_id, &model.model_lib));
            if models.collect::<BTreeMap<_, _>>() != own {
                return Err(refused(
                    "it has other models".to_owned(),
                    "an XCFramework has the same models for every system: give both configs the \
                     same model_list, and build them again",
                ));
            }
            let (device, arch) = (built.device, built.macabi_arch.unwrap_or_default());
            if !device.is_apple() || built.binding.is_none() {
                return Err(refused(
                    "it has no libraries for Apple's systems".to_owned(),
                    "name packages for iphone or macabi that are built with their binding",
                ));
            }
            if slices.iter().any(|slice| (slice.device, slice.arch) == (device, arch)) {
                return Err(refused(
                    format!("there is one for {device} on {arch} already"),
                    "name packages for other systems or processors",
                ));
            }
            let mut libraries = Vec::new();
            for output in built.outputs.iter().filter(|output| output.path.starts_with("lib")) {
                let place = dist.join(&output.path);
                let (Some("a"), Some(file)) = (output.path.extension(), output.path.file_name())
                else {
                    continue;
                };
                let found = digest::file(&place).ok();
                if found != Some((output.digest, output.bytes)) {
                    let why = format!("`{place}` is not what was built");
                    return Err(refused(why, "build that package again"));
                }
                libraries.push((file.to_owned(), place));
            }
            slices.push(Slice { device, arch, libraries });
        }
        Ok(slices)
    }

    /// The files of bundled models that go into the archive.
    fn assets<'a>(
        &'a self,
        maven: &'a MavenArtifact,
    ) -> impl Iterator<Item = (&'a ModelId, &'a crate::model::ModelFile)> {
        let bundled =
            self.plan.models.iter().filter(|model| maven.weights && model.bundle.is_some());
        bundled.flat_map(|model| {
            let files = self.models.get(&model.model_id).map(|found| found.files.as_slice());
            files.unwrap_or_default().iter().map(|file| (&model.model_id, file))
        })
    }

    /// What is below `bundle/` of these models: the config there has the overrides in it.
    fn asset_places(
        &self,
        maven: &MavenArtifact,
        assembly: &Assembly,
    ) -> Result<BTreeMap<String, Utf8PathBuf>, AssembleError> {
        let mut places = BTreeMap::new();
        for model in self.plan.models.iter().filter(|model| maven.weights && model.bundle.is_some())
        {
            let dir = Utf8Path::new("bundle").join(model.model_id.as_str());
            for path in assembly.paths_below(&dir) {
                let name = path.strip_prefix("bundle").unwrap_or(&path);
                places.insert(name.to_string(), assembly.absolute(&path)?);
            }
        }
        Ok(places)
    }
}

fn kind_for(device: Device) -> ArtifactKind {
    if device.is_apple() { ArtifactKind::SwiftPackage } else { ArtifactKind::Aar }
}

/// Names of groups become those of directories, which not every system has all of.
fn check_path(path: &Utf8Path) -> Result<(), AssembleError> {
    path.as_str().parse::<ShardPath>().map(drop).map_err(|why| {
        AssembleError::refused(
            format!("the artifact would be `{path}`, and that has {why}"),
            "give it another name in mlc-package.yml",
        )
    })
}

fn refuse_large(bytes: u64, help: &str) -> Result<(), AssembleError> {
    if bytes < MOST_BYTES {
        return Ok(());
    }
    let (bytes, most) = (ByteSize(bytes), ByteSize(MOST_BYTES));
    Err(AssembleError::refused(
        format!("the artifact is one file of less than {most}, and would have {bytes} and more"),
        help,
    ))
}

/// The classes of an archive.
fn classes_of(jar: &Utf8Path) -> Result<Vec<(String, Vec<u8>)>, AssembleError> {
    let failed = |source| AssembleError::Write { path: jar.to_owned(), source };
    let bytes = files::read(jar).map_err(failed)?;
    let mut files = zip::read(&bytes, MOST_CLASSES).map_err(failed)?;
    files.retain(|(name, _)| !name.starts_with("META-INF/"));
    Ok(files)
}
