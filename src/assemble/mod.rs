//! The tree under `dist/`: made beside it, swapped in whole.

mod app_config;
pub(crate) mod artifact;
pub(crate) mod binding;
pub(crate) mod breakdown;
mod chat_config;
mod error;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod vram;

use std::collections::BTreeMap;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};

pub use app_config::{AppModel, app_config};
pub use error::AssembleError;

use crate::io::cancel::Cancel;
use crate::io::swap::KnownBy;
use crate::io::{atomic, digest, files, link, swap, sync};
use crate::manifest::{self, OutputFile};
use crate::model::{
    ChatConfig, Digest, FileCheck, LinkMode, ModelFile, ModelFiles, ModelId, Overrides, TensorCache,
};

/// The next state of `dist/`, in the making. Dropped before [`finish`](Self::finish), it leaves
/// `dist/` as it was.
pub struct Assembly {
    staging: swap::Staging,
    output: Utf8PathBuf,
    outputs: Vec<OutputFile>,
    cancel: Cancel,
    /// Files that are linked from a place that several models share are digested once. With their bytes.
    digests: BTreeMap<Utf8PathBuf, (Digest, u64)>,
}

impl Assembly {
    /// Begins the next state of the directory `output`.
    pub fn begin(output: &Utf8Path, cancel: &Cancel) -> Result<Self, AssembleError> {
        let staging = swap::Staging::beside(output)?;
        Ok(Self {
            staging,
            output: output.to_owned(),
            outputs: Vec::new(),
            cancel: cancel.clone(),
            digests: BTreeMap::new(),
        })
    }

    /// Writes a file of the package. `path` is relative to `dist/`.
    pub fn write(&mut self, path: &Utf8Path, bytes: &[u8]) -> Result<(), AssembleError> {
        self.write_with(path, |out| out.write_all(bytes))
    }

    /// Writes a file of the package through `write`, which may make it of many pieces.
    pub fn write_with(
        &mut self,
        path: &Utf8Path,
        write: impl FnOnce(&mut PackageFile) -> io::Result<()>,
    ) -> Result<(), AssembleError> {
        let written = self.place(path).and_then(|place| {
            let file = atomic::AtomicFile::create(&place)?;
            let file = io::BufWriter::with_capacity(1 << 20, file);
            let mut file = PackageFile { file, hasher: blake3::Hasher::new(), bytes: 0 };
            write(&mut file)?;
            let PackageFile { file, hasher, bytes } = file;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.commit_unsynced()?;
            Ok((bytes, hasher.finalize().into()))
        });
        let (bytes, digest) = written
            .map_err(|source| AssembleError::Write { path: self.output.join(path), source })?;
        self.note(path, bytes, digest);
        Ok(())
    }

    /// Links a file of somebody's into the package, by `mode`. Its digest, where it is known.
    pub fn link(
        &mut self,
        path: &Utf8Path,
        source: &Utf8Path,
        mode: LinkMode,
        known: Option<(Digest, u64)>,
    ) -> Result<(), AssembleError> {
        self.go_on()?;
        link::place(source, &self.place(path)?, mode)?;
        let (digest, bytes) = match known {
            Some(known) => known,
            None => digest::file(source)?,
        };
        self.note(path, bytes, digest);
        Ok(())
    }

    /// Has a program write a file of the package, at the absolute path that `make` gets; gives
    /// what `make` does. While `check` reads the file it is hashed, and written to the disk.
    pub fn make<T, E: From<AssembleError>>(
        &mut self,
        path: &Utf8Path,
        make: impl FnOnce(&Utf8Path) -> Result<T, E>,
        check: impl FnOnce(&Utf8Path) -> Result<(), E>,
    ) -> Result<T, E> {
        let at = |source| AssembleError::Write { path: self.output.join(path), source };
        self.place(path).map_err(at)?;
        let place = self.absolute(path)?;
        let made = make(&place)?;
        let (checked, hashed) = std::thread::scope(|scope| {
            scope.spawn(|| sync::early(&place));
            let hashing = scope.spawn(|| digest::file(&place));
            let checked = check(&place);
            (checked, hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        checked?;
        let (digest, bytes) = hashed.map_err(at)?;
        self.note(path, bytes, digest);
        Ok(made)
    }

    /// Where a file of the package lies as long as the package is not finished.
    pub fn absolute(&self, path: &Utf8Path) -> Result<Utf8PathBuf, AssembleError> {
        Ok(files::canonical(self.staging.path())?.join(path))
    }

    /// The files of the package below a directory, sorted.
    fn paths_below(&self, dir: &Utf8Path) -> Vec<Utf8PathBuf> {
        let paths = self.outputs.iter().map(|output| &output.path);
        let mut paths: Vec<_> = paths.filter(|path| path.starts_with(dir)).cloned().collect();
        paths.sort();
        paths
    }

    /// Removes a file that was only needed to make others.
    pub fn discard(&mut self, path: &Utf8Path) -> Result<(), AssembleError> {
        files::remove_file(&self.staging.path().join(path))?;
        self.outputs.retain(|output| output.path != path);
        Ok(())
    }

    /// Puts a model's directory into `bundle/<model_id>/`, its own config with the overrides
    /// written into it. Everything else is linked, by `mode`. A tensor cache of the older name
    /// gets the newer one too: apps open no other. `check` gets the digest of every file of the model
    /// that was read, and says whether it is the right one, or was replaced.
    pub fn bundle<E: From<AssembleError>>(
        &mut self,
        model_id: &ModelId,
        model: &ModelFiles,
        overrides: &Overrides,
        mode: LinkMode,
        check: impl Fn(&ModelFile, Digest) -> Result<FileCheck, E>,
    ) -> Result<(), E> {
        let root = Utf8Path::new("bundle").join(model_id.as_str());
        let [newer, _] = TensorCache::FILE_NAMES;
        let renamed = model.older_tensor_cache().map(|file| (file, Utf8Path::new(newer)));
        let files = model.files.iter().map(|file| (file, file.path.as_path()));
        for (file, name) in files.chain(renamed) {
            let path = root.join(name);
            loop {
                self.go_on()?;
                let read = self.bundle_file(file, &path, overrides, mode)?;
                match check(file, read)? {
                    FileCheck::AsSaid => break,
                    FileCheck::Replaced => {
                        self.digests.remove(&file.source);
                        self.discard(&path)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts a model's file into the package; gives the digest of what was read for that.
    fn bundle_file(
        &mut self,
        file: &ModelFile,
        path: &Utf8Path,
        overrides: &Overrides,
        mode: LinkMode,
    ) -> Result<Digest, AssembleError> {
        if file.path.as_str() == ChatConfig::FILE_NAME
            && let Some(own) = overridden(file, overrides)?
        {
            self.write(path, &own.overridden)?;
            return Ok(Digest::of(&own.text));
        }
        link::place(&file.source, &self.place(path)?, mode)?;
        let (digest, bytes) = match self.digests.get(&file.source) {
            Some(known) => *known,
            None => digest::file(&file.source)?,
        };
        self.digests.insert(file.source.clone(), (digest, bytes));
        self.note(path, bytes, digest);
        Ok(digest)
    }

    /// Adds the manifest and swaps the new state in. `manifest` gets every file that was made,
    /// sorted by path, and gives the manifest and its text. Files in `dist/` that no earlier build
    /// made are left alone.
    pub fn finish<T>(
        mut self,
        manifest: impl FnOnce(Vec<OutputFile>) -> Result<(String, T), serde_json::Error>,
    ) -> Result<T, AssembleError> {
        self.outputs.sort_by(|a, b| a.path.cmp(&b.path));
        let (text, manifest) = manifest(std::mem::take(&mut self.outputs))?;
        let path = self.place(Utf8Path::new(manifest::FILE_NAME))?;
        atomic::write_unsynced(&path, text.as_bytes())?;
        self.go_on()?;
        self.staging.publish(|dist| {
            let text = files::read_if_there(&dist.join(manifest::FILE_NAME));
            let outputs = text.ok().flatten().map(|text| manifest::outputs_of(&text));
            let outputs = outputs.unwrap_or_default().into_iter();
            outputs.map(|(path, (bytes, digest))| (path, KnownBy::Content(bytes, digest))).collect()
        })?;
        Ok(manifest)
    }

    fn go_on(&self) -> Result<(), AssembleError> {
        if self.cancel.is_cancelled() { Err(AssembleError::Interrupted) } else { Ok(()) }
    }

    /// Where a file of the package is built; its directory is made.
    fn place(&self, path: &Utf8Path) -> io::Result<Utf8PathBuf> {
        let place = self.staging.path().join(path);
        files::create_dir_all(files::parent(&place))?;
        Ok(place)
    }

    fn note(&mut self, path: &Utf8Path, bytes: u64, digest: Digest) {
        self.outputs.push(OutputFile { path: path.to_owned(), bytes, digest });
    }
}

/// A model's own config as it is, and with the overrides in it.
struct OwnConfig {
    text: Vec<u8>,
    overridden: Vec<u8>,
}

/// The model's own config with the overrides in it; none where they change nothing, so that the
/// file itself can be linked.
fn overridden(file: &ModelFile, overrides: &Overrides) -> Result<Option<OwnConfig>, AssembleError> {
    if overrides.effective().next().is_none() {
        return Ok(None);
    }
    let text = files::read(&file.source)?;
    let overridden = chat_config::overridden(&text, overrides).map_err(|why| {
        AssembleError::ChatConfig { path: file.source.clone(), why: why.to_string() }
    })?;
    Ok(overridden.map(|overridden| OwnConfig { text, overridden }))
}

/// A file of the package while it is written; digests what passes through.
pub struct PackageFile {
    file: io::BufWriter<atomic::AtomicFile>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for PackageFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buf)?;
        if let Some(bytes) = buf.get(..written) {
            self.hasher.update(bytes);
            self.bytes += written as u64;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// For writers that ask where they are. The file is written from start to end: it cannot be
/// moved in.
impl io::Seek for PackageFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        match to {
            io::SeekFrom::Current(0) => Ok(self.bytes),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
