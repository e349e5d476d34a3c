//! What of the binding goes into the package, and where.

use camino::{Utf8Path, Utf8PathBuf};

use crate::assemble::{AssembleError, Assembly};
use crate::binding::linked::{check_android, check_apple};
use crate::binding::obtain::Binder;
use crate::binding::planned::{self, APP_CONFIG, MLC4J, PackageBinding, Prepared};
use crate::binding::{BindingError, Builder, Built, Kit, LinkRequest, Linker, SourceTree, link};
use crate::io::cancel::Cancel;
use crate::io::files::{self, TreeKind};
use crate::io::marked::MarkedDir;
use crate::library::Linked;
use crate::manifest::{BindingOrigin, BindingRecord, PartRecord};
use crate::model::LinkMode;
use crate::ui::Ui;

/// The models of the package, and their archive in it.
pub(crate) struct Models<'a> {
    pub(crate) linked: &'a [Linked<'a>],
    pub(crate) archive: &'a Utf8Path,
}

/// What the names of a linker's log, and of the directory in which it is written, begin with.
const LINK: &str = "mlc-package-link-";

/// Has the binding and puts it into the package. A kit that turns out to be damaged is looked for, or
/// built, once more.
pub(crate) fn bind(
    request: PackageBinding<'_>,
    prepared: &Prepared,
    mode: LinkMode,
    models: &Models<'_>,
    assembly: &mut Assembly,
    ui: &Ui,
    cancel: &Cancel,
) -> Result<BindingRecord, AssembleError> {
    let Models { linked, archive } = *models;
    let binder = Binder { request, prepared, mode, archive, linked, ui, cancel };
    let why = match bind_with(&binder, assembly) {
        Err(AssembleError::Binding(why @ BindingError::ChangedKit(_))) => why,
        bound => return bound,
    };
    let device = prepared.binding.device;
    let request = PackageBinding { read_first: true, ..request };
    match planned::prepare(&request, device, true, ui, cancel)? {
        Some((_, Some(prepared))) => {
            // What builds it again says so; what reads it again does not.
            if prepared.kit.is_some() {
                ui.warn(&format!("{why}; it was read again from where it is from"));
            }
            bind_with(&Binder { request, prepared: &prepared, ..binder }, assembly)
        }
        _ => Err(why.into()),
    }
}

fn bind_with(binder: &Binder<'_>, assembly: &mut Assembly) -> Result<BindingRecord, AssembleError> {
    let Binder { prepared, archive, ui, .. } = *binder;
    let record = match binder.kit(&assembly.absolute(archive)?)? {
        Built::Kit { kit, new } if prepared.binding.device.is_apple() => {
            binder.copy_libraries(&kit, new, assembly)?
        }
        Built::Kit { kit, new } => binder.link_library(&kit, new, assembly)?,
        Built::NoKit { why, output, seconds, lock: _lock } => {
            ui.warn(&format!(
                "the platform binding will be built again the next time, since no kit of it \
                 could be kept: {why}"
            ));
            binder.copy_sources(&prepared.binding.source, assembly)?;
            binder.take_output(&output, seconds, assembly)?
        }
    };
    if !prepared.binding.device.is_apple() {
        assembly.discard(archive)?;
    }
    Ok(record)
}

impl Binder<'_> {
    /// Apple: the static libraries, beside that of the models.
    pub(crate) fn copy_libraries(
        &self,
        kit: &Kit,
        new: bool,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, AssembleError> {
        let mut libraries = Vec::new();
        let mut shipped = vec![(self.archive.to_owned(), assembly.absolute(self.archive)?)];
        for (path, file) in kit.shipped().filter(|(path, _)| *path != self.archive) {
            let known = Some((file.digest, file.bytes));
            assembly.link(path, &kit.path(file), self.mode, known)?;
            libraries.push(PartRecord { name: path.to_string(), bytes: file.bytes });
            shipped.push((path.to_owned(), kit.path(file)));
        }
        let binding = &self.prepared.binding;
        check_apple(&shipped, binding.device, self.request.macabi_arch, self.linked)?;
        let source = &self.prepared.binding.source;
        // A kit that came as a file has no sources that anybody opens in Xcode.
        if binding.builder != Builder::Kit
            && let Err(error) = source.link_tvm_home()
        {
            self.ui.warn(&format!(
                "the link to TVM's headers that upstream leaves in its sources could not be made: \
                 {error}"
            ));
        }
        Ok(self.record(new, kit.record.seconds, None, libraries))
    }

    /// Android: the library linked with what the kit holds, and the rest of the kit.
    pub(crate) fn link_library(
        &self,
        kit: &Kit,
        new: bool,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, AssembleError> {
        let out = Utf8Path::new(MLC4J).join("output");
        let Some(recipe) = &kit.record.link else {
            let error = std::io::Error::other("a kit for Android has no link command");
            return Err(BindingError::from(error).into());
        };
        let library = out.join(recipe.output.as_path());
        let options = &self.prepared.options;
        let linker = Linker::find(options.linker, self.given(), self.cancel)?;
        let archive = assembly.absolute(self.archive)?;
        // A cache that cannot be written to serves kits all the same.
        let home = self.request.environment.temporary_home();
        let space = MarkedDir::new_in(&home, LINK).map_err(BindingError::from)?;
        let log = space.path().join("log");
        let tvm = kit.sources().tvm();
        let make = |place: &Utf8Path| {
            let request = LinkRequest {
                kit,
                linker: &linker,
                keep_symbols: options.keep_symbols,
                model_archive: &archive,
                output: place,
                log: &log,
                given: self.given(),
                cancel: self.cancel,
            };
            let seconds = link(&request)?;
            Ok::<_, AssembleError>((seconds, files::size(place).map_err(BindingError::from)?))
        };
        let check = |place: &Utf8Path| Ok(check_android(&library, place, &tvm, self.linked)?);
        // A kit that was read before is not read again.
        let is_unread = !new && !self.request.reads_first(kit.record.device);
        let (made, verified) = std::thread::scope(|scope| {
            let verifying = scope.spawn(|| if is_unread { kit.verify() } else { Ok(()) });
            let made = assembly.make(&library, make, check);
            (made, verifying.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        if let Err(why) = verified {
            if made.is_ok() {
                assembly.discard(&library)?;
            }
            return Err(BindingError::ChangedKit(why).into());
        }
        let (seconds, bytes) = made.map_err(|error| match error {
            AssembleError::Binding(BindingError::Failed(failed)) => {
                let begin = format!("{LINK}{}-", kit.record.fingerprint.short());
                BindingError::Failed(Box::new(failed.with_log_in(&home, &begin))).into()
            }
            error => error,
        })?;
        for (path, file) in kit.shipped() {
            let known = Some((file.digest, file.bytes));
            assembly.link(&out.join(path), &kit.path(file), self.mode, known)?;
        }
        self.copy_sources(&kit.sources(), assembly)?;
        let name = library.file_name().unwrap_or_default();
        let how = if new { "kit kept" } else { "kit cached" };
        self.ui.status("Linked", &format!("{name} in {seconds:.1} s ({how})"));
        if options.keep_symbols {
            self.ui.status("Kept", &format!("the debug information of {name}, in {library}"));
        }
        let libraries = vec![PartRecord { name: library.into_string(), bytes }];
        Ok(self.record(new, kit.record.seconds, Some(seconds), libraries))
    }

    /// Android without a kit: what upstream's script linked and installed.
    pub(crate) fn take_output(
        &self,
        output: &Utf8Path,
        seconds: f64,
        assembly: &mut Assembly,
    ) -> Result<BindingRecord, AssembleError> {
        let mut libraries = Vec::new();
        for (path, bytes) in files_of(output)? {
            let to = Utf8Path::new(MLC4J).join("output").join(&path);
            if path.extension() == Some("so") {
                check_android(&to, &output.join(&path), &self.prepared.tvm(), self.linked)?;
            }
            // The next build there writes over its own.
            assembly.link(&to, &output.join(&path), LinkMode::Copy, None)?;
            if path.extension() == Some("so") {
                libraries.push(PartRecord { name: to.into_string(), bytes });
            }
        }
        Ok(self.record(true, seconds, None, libraries))
    }

    /// Android: what Gradle builds mlc4j from. They are copied: who edits them in `dist/` does not
    /// mean the sources.
    pub(crate) fn copy_sources(
        &self,
        source: &SourceTree,
        assembly: &mut Assembly,
    ) -> Result<(), AssembleError> {
        let from = source.mlc_llm.join("android/mlc4j");
        let to = Utf8Path::new(MLC4J);
        for (path, _) in files_of(&from.join("src"))? {
            let path = Utf8Path::new("src").join(path);
            if to.join(&path) != APP_CONFIG {
                assembly.link(&to.join(&path), &from.join(&path), LinkMode::Copy, None)?;
            }
        }
        let gradle = "build.gradle";
        assembly.link(&to.join(gradle), &from.join(gradle), LinkMode::Copy, None)
    }

    fn record(
        &self,
        new: bool,
        build_seconds: f64,
        link_seconds: Option<f64>,
        libraries: Vec<PartRecord>,
    ) -> BindingRecord {
        BindingRecord {
            fingerprint: self.prepared.binding.fingerprint,
            inputs: self.prepared.binding.inputs.clone(),
            origin: if new { BindingOrigin::Built } else { BindingOrigin::Cached },
            build_seconds,
            link_seconds,
            libraries,
        }
    }
}

/// The files below a directory and their sizes; links count as the files that they are to.
pub(super) fn files_of(dir: &Utf8Path) -> Result<Vec<(Utf8PathBuf, u64)>, BindingError> {
    let mut found = Vec::new();
    for entry in files::tree(dir, |_| true)? {
        match entry.kind {
            TreeKind::File(bytes) => found.push((entry.path, bytes)),
            TreeKind::Symlink if files::is_file(&dir.join(&entry.path)) => {
                found.push((entry.path.clone(), files::size(&dir.join(&entry.path))?));
            }
            _ => {}
        }
    }
    Ok(found)
}
