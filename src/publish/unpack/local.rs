//! Assets in a directory.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Assets, Sink, UnpackError};
use crate::io::cancel::Cancel;
use crate::io::{dir, files, stream};
use crate::publish::pack::assets::{PartRecord, SUFFIX};

/// Bytes that are read at a time.
const BLOCK: usize = 256 << 10;

/// The list of assets that a path means.
pub(super) fn find(path: &Utf8Path) -> Result<Utf8PathBuf, UnpackError> {
    let wrong =
        |message: String, help: &str| Err(UnpackError::Source { message, help: help.to_owned() });
    const HELP: &str = "name the …-assets.json of a release, its address, or the directory that \
                        holds it beside all other assets";
    if files::is_dir(path) {
        let names = dir::names(path).map_err(UnpackError::Read)?;
        let lists: Vec<_> = names.iter().filter(|name| name.ends_with(SUFFIX)).collect();
        return match lists.as_slice() {
            [list] => Ok(path.join(list)),
            [] => wrong(format!("`{path}` holds no …{SUFFIX}"), HELP),
            [one, other, ..] => wrong(
                format!("`{path}` holds several packages: {one}, {other} …"),
                "name the …-assets.json of one of them",
            ),
        };
    }
    if !files::is_file(path) {
        return wrong(format!("there is no `{path}`"), HELP);
    }
    if !path.as_str().ends_with(".json") {
        return wrong(format!("`{path}` is not a list of assets"), HELP);
    }
    Ok(path.to_owned())
}

/// Files that lie beside each other.
pub(super) struct LocalAssets<'a> {
    dir: Utf8PathBuf,
    cancel: &'a Cancel,
}

impl<'a> LocalAssets<'a> {
    pub(super) fn beside(list: &Utf8Path, cancel: &'a Cancel) -> Self {
        Self { dir: files::parent(list).to_owned(), cancel }
    }

    fn missing(&self, part: &PartRecord) -> UnpackError {
        UnpackError::Missing { name: part.name.clone(), place: self.dir.clone() }
    }
}

impl Assets for LocalAssets<'_> {
    fn small(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UnpackError> {
        let path = self.dir.join(name);
        if !files::is_file(&path) {
            return Ok(None);
        }
        let text = files::read_at_most(&path, limit).map_err(UnpackError::Read)?;
        let why = || format!("it has more than {limit} bytes");
        text.map(Some).ok_or_else(|| UnpackError::List { place: path.into_string(), why: why() })
    }

    fn look_at(&self, part: &PartRecord) -> Result<(), UnpackError> {
        let path = self.dir.join(part.name.as_str());
        if !files::is_file(&path) {
            return Err(self.missing(part));
        }
        let found = files::size(&path).map_err(UnpackError::Read)?;
        if found != part.bytes {
            let (name, listed) = (part.name.clone(), part.bytes);
            return Err(UnpackError::Size { name, found, listed });
        }
        Ok(())
    }

    fn read(&self, part: &PartRecord, sink: Sink<'_>) -> Result<(), UnpackError> {
        let mut file =
            stream::open(&self.dir.join(part.name.as_str())).map_err(UnpackError::Read)?;
        let mut block = vec![0; BLOCK];
        loop {
            if self.cancel.is_cancelled() {
                return Err(UnpackError::Interrupted);
            }
            match file.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => sink(block.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
    }
}
