//! A Swift package around an XCFramework.
//!
//! ```text
//! swift/Package.swift                      takes the XCFramework beside it
//!      /Sources/<Name>/                    a C target: what links, what is declared to Apple
//!      /<Name>.xcframework/                one static library and headers for each system
//!      /<Name>.xcframework.zip, .checksum  the same as one file, and its digest
//!      /release/                           Package.swift and Sources for a release with that file
//! include/                                 TVM's headers, tvm-ffi's and dlpack's
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::checksums::Summed;
use super::{plist, privacy};
use crate::assemble::binding::files_of;
use crate::assemble::{AssembleError, Assembly};
use crate::binding::SourceTree;
use crate::io::contents::Contents;
use crate::io::zip::{Method, ZipWriter};
use crate::library::static_library::{Merging, merge, write_universal};
use crate::model::{Device, LinkMode, MacabiArch, SwiftArtifact};
use crate::ui::Ui;

/// Where it lies in `dist/`.
pub(super) const DIR: &str = "swift";
/// Where apps and others find the headers of the runtime.
const INCLUDE: &str = "include";
/// What the runtime is linked with of the system.
const FRAMEWORKS: [&str; 2] = ["Foundation", "Metal"];
const LIBRARIES: [&str; 1] = ["c++"];
/// Where TVM has headers that its runtime's users include, from its root.
const HEADERS: [&str; 3] =
    ["include", "3rdparty/tvm-ffi/include", "3rdparty/tvm-ffi/3rdparty/dlpack/include"];

/// What apps of one system on one processor link.
pub(super) struct Slice {
    pub(super) device: Device,
    pub(super) arch: MacabiArch,
    /// Its static libraries: names, and where they lie.
    pub(super) libraries: Vec<(String, Utf8PathBuf)>,
}

/// What a package is made of.
pub(super) struct SwiftContents<'a> {
    pub(super) artifact: &'a SwiftArtifact,
    pub(super) slices: Vec<Slice>,
    pub(super) source: &'a SourceTree,
    pub(super) app_config: &'a str,
}

/// A library of an XCFramework: what is in its directory.
struct Built {
    device: Device,
    arches: Vec<MacabiArch>,
}

impl Built {
    fn identifier(&self) -> String {
        let arches: Vec<_> = self.arches.iter().map(|arch| arch.as_str()).collect();
        let variant = if self.device == Device::Macabi { "-maccatalyst" } else { "" };
        format!("ios-{}{variant}", arches.join("_"))
    }
}

/// Where the one file of an XCFramework lies in `dist/`.
pub(super) fn zip_path(artifact: &SwiftArtifact) -> Utf8PathBuf {
    Utf8Path::new(DIR).join(format!("{}.xcframework.zip", artifact.name))
}

impl SwiftContents<'_> {
    /// Writes the package; gives the size of the XCFramework's file in bytes.
    pub(super) fn write(&self, assembly: &mut Assembly, ui: &Ui) -> Result<u64, AssembleError> {
        let name = self.artifact.name.as_str();
        let framework = Utf8Path::new(DIR).join(format!("{name}.xcframework"));
        let headers = self.headers()?;
        for (path, from) in &headers {
            assembly.link(&Utf8Path::new(INCLUDE).join(path), from, LinkMode::Copy, None)?;
        }
        let mut by_device: BTreeMap<Device, BTreeMap<&str, &Slice>> = BTreeMap::new();
        for slice in &self.slices {
            by_device.entry(slice.device).or_default().insert(slice.arch.as_str(), slice);
        }
        let (mut built, mut undefined) = (Vec::new(), BTreeSet::new());
        for (device, slices) in by_device {
            let mut libraries = Vec::new();
            for slice in slices.into_values() {
                let merged = self.merge(slice, ui)?;
                undefined.extend(merged.undefined);
                libraries.push((slice.arch, merged.bytes));
            }
            let arches = libraries.iter().map(|(arch, _)| *arch).collect();
            let library = Built { device, arches };
            let dir = framework.join(library.identifier());
            let parts: Vec<_> =
                libraries.iter().map(|(arch, bytes)| (*arch, bytes.as_slice())).collect();
            assembly.write_with(&dir.join(format!("lib{name}.a")), |out| {
                write_universal(&parts, out)
            })?;
            for (path, from) in &headers {
                assembly.link(&dir.join("Headers").join(path), from, LinkMode::Copy, None)?;
            }
            built.push(library);
        }
        assembly.write(&framework.join("Info.plist"), info(name, &built).as_bytes())?;
        let (checksum, bytes) = self.zip(&framework, assembly)?;

        let privacy = privacy::manifest(&undefined);
        let binary = format!("path: \"{name}.xcframework\"");
        self.sources(Utf8Path::new(DIR), &binary, &privacy, assembly)?;
        match &self.artifact.url {
            Some(url) => {
                let url = format!("{url}/{name}.xcframework.zip");
                let binary = format!("url: \"{url}\",\n            checksum: \"{checksum}\"");
                let dir = Utf8Path::new(DIR).join("release");
                self.sources(&dir, &binary, &privacy, assembly)?;
            }
            None => ui.detail("Artifact", "without swift/release: there is no tag to release"),
        }
        Ok(bytes)
    }

    /// The headers by their paths below `include/`. Where two trees have one, that is one file.
    fn headers(&self) -> Result<BTreeMap<Utf8PathBuf, Utf8PathBuf>, AssembleError> {
        let mut found = BTreeMap::new();
        for dir in HEADERS.map(|dir| self.source.tvm().join(dir)) {
            if !crate::io::files::is_dir(&dir) {
                continue;
            }
            for (path, _) in files_of(&dir)? {
                found.entry(path.clone()).or_insert_with(|| dir.join(&path));
            }
        }
        Ok(found)
    }

    fn merge(
        &self,
        slice: &Slice,
        ui: &Ui,
    ) -> Result<crate::library::static_library::Merged, AssembleError> {
        let contents = slice
            .libraries
            .iter()
            .map(|(name, place)| Contents::open(place).map(|contents| (name.as_str(), contents)));
        let contents: Vec<_> = contents.collect::<Result<_, _>>()?;
        let archives: Vec<_> = contents.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
        let anchor = anchor_name(self.artifact);
        let (device, arch) = (slice.device, slice.arch);
        let merged = merge(&Merging { archives: &archives, device, arch, anchor: &anchor })?;
        if !merged.unnamed.is_empty() {
            let some: Vec<_> = merged.unnamed.iter().take(3).map(String::as_str).collect();
            ui.warn(&format!(
                "{} objects register something when they are loaded, and export no name by which a \
                 linker would load them ({}): an app that needs them links with -all_load",
                merged.unnamed.len(),
                some.join(", ")
            ));
        }
        Ok(merged)
    }

    /// The XCFramework as one file; gives its digest, as `swift package compute-checksum` has it, and
    /// its size.
    fn zip(
        &self,
        framework: &Utf8Path,
        assembly: &mut Assembly,
    ) -> Result<(String, u64), AssembleError> {
        let path = zip_path(self.artifact);
        let mut files = Vec::new();
        for file in assembly.paths_below(framework) {
            files.push((file.clone(), assembly.absolute(&file)?));
        }
        let mut sums = None;
        assembly.write_with(&path, |out| {
            let mut summed = Summed::new(out);
            let mut zip = ZipWriter::new(&mut summed);
            for (file, place) in &files {
                let name = file.strip_prefix(DIR).unwrap_or(file);
                zip.add(name.as_str(), &Contents::open(place)?, Method::Deflated)?;
            }
            zip.finish()?.flush()?;
            sums = Some(summed.sums.finish());
            Ok(())
        })?;
        let (checksum, bytes) = sums.map(|sums| (sums.sha256, sums.bytes)).unwrap_or_default();
        let beside = Utf8PathBuf::from(format!("{path}.checksum"));
        assembly.write(&beside, format!("{checksum}\n").as_bytes())?;
        Ok((checksum, bytes))
    }

    /// `Package.swift` and the C target, in a directory.
    fn sources(
        &self,
        dir: &Utf8Path,
        binary: &str,
        privacy: &str,
        assembly: &mut Assembly,
    ) -> Result<(), AssembleError> {
        let name = self.artifact.name.as_str();
        let target = dir.join("Sources").join(name);
        let anchor = anchor_name(self.artifact);
        let package = self.package(binary);
        let header = format!(
            "// Every model of the package is named in this table, which ends with NULL.\n\
             #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\
             extern const void *const *const {name}_models;\n\
             #ifdef __cplusplus\n}}\n#endif\n"
        );
        let source = format!(
            "// Nothing else names the models: without this a linker leaves them out.\n\
             extern const void *const {anchor}[];\n\
             __attribute__((used)) const void *const *const {name}_models = {anchor};\n"
        );
        let texts = [
            (dir.join("Package.swift"), package.as_str()),
            (target.join(format!("{name}.c")), &source),
            (target.join(format!("include/{name}.h")), &header),
            (target.join("include/module.modulemap"), &module_map(name)),
            (target.join("PrivacyInfo.xcprivacy"), privacy),
            (target.join("bundle/mlc-app-config.json"), self.app_config),
        ];
        texts.into_iter().try_for_each(|(path, text)| assembly.write(&path, text.as_bytes()))
    }

    /// Grammar: SwiftPM's `PackageDescription` 5.5.
    fn package(&self, binary: &str) -> String {
        let name = self.artifact.name.as_str();
        let mut settings: Vec<_> =
            LIBRARIES.iter().map(|name| format!(".linkedLibrary(\"{name}\")")).collect();
        settings.extend(FRAMEWORKS.iter().map(|name| format!(".linkedFramework(\"{name}\")")));
        let mut platforms = vec![".iOS(.v14)"];
        if self.slices.iter().any(|slice| slice.device == Device::Macabi) {
            platforms.push(".macCatalyst(\"18.0\")");
        }
        format!(
            "// swift-tools-version:5.5\n\
             // {name} {version}, made by mlc-package {tool}.\n\
             import PackageDescription\n\n\
             let package = Package(\n    \
             name: \"{name}\",\n    \
             platforms: [{platforms}],\n    \
             products: [\n        .library(name: \"{name}\", targets: [\"{name}\"])\n    ],\n    \
             targets: [\n        .target(\n            \
             name: \"{name}\",\n            \
             dependencies: [\"{name}Binary\"],\n            \
             resources: [\n                \
             .copy(\"PrivacyInfo.xcprivacy\"),\n                \
             .copy(\"bundle\"),\n            ],\n            \
             linkerSettings: [\n                {settings},\n            ]\n        ),\n        \
             .binaryTarget(\n            \
             name: \"{name}Binary\",\n            {binary}\n        ),\n    ]\n)\n",
            version = self.artifact.version,
            tool = env!("CARGO_PKG_VERSION"),
            platforms = platforms.join(", "),
            settings = settings.join(",\n                "),
        )
    }
}

/// The exported table that keeps the models.
fn anchor_name(artifact: &SwiftArtifact) -> String {
    format!("{}_mlc_anchor", artifact.name)
}

/// What whoever imports the module links: one library has all of ours, in any order.
fn module_map(name: &str) -> String {
    let mut text = format!("module {name} {{\n    header \"{name}.h\"\n");
    for library in LIBRARIES {
        text += &format!("    link \"{library}\"\n");
    }
    for framework in FRAMEWORKS {
        text += &format!("    link framework \"{framework}\"\n");
    }
    text + "    export *\n}\n"
}

/// `Info.plist` of an XCFramework, as `xcodebuild -create-xcframework` writes it.
fn info(name: &str, built: &[Built]) -> String {
    let mut libraries = String::new();
    for library in built {
        let arches: String = library
            .arches
            .iter()
            .map(|arch| format!("\t\t\t\t<string>{arch}</string>\n"))
            .collect();
        let variant = match library.device {
            Device::Macabi => {
                "\t\t\t<key>SupportedPlatformVariant</key>\n\t\t\t<string>maccatalyst</string>\n"
            }
            _ => "",
        };
        libraries += &format!(
            "\t\t<dict>\n\
             \t\t\t<key>BinaryPath</key>\n\t\t\t<string>lib{name}.a</string>\n\
             \t\t\t<key>HeadersPath</key>\n\t\t\t<string>Headers</string>\n\
             \t\t\t<key>LibraryIdentifier</key>\n\t\t\t<string>{identifier}</string>\n\
             \t\t\t<key>LibraryPath</key>\n\t\t\t<string>lib{name}.a</string>\n\
             \t\t\t<key>SupportedArchitectures</key>\n\t\t\t<array>\n{arches}\t\t\t</array>\n\
             \t\t\t<key>SupportedPlatform</key>\n\t\t\t<string>ios</string>\n{variant}\
             \t\t</dict>\n",
            identifier = library.identifier(),
        );
    }
    plist::document(&format!(
        "\t<key>AvailableLibraries</key>\n\t<array>\n{libraries}\t</array>\n\
         \t<key>CFBundlePackageType</key>\n\t<string>XFWK</string>\n\
         \t<key>XCFrameworkFormatVersion</key>\n\t<string>1.0</string>\n"
    ))
}
