//! Linking the models with what a kit holds: no NDK, no compiler, a linker alone.

use std::ffi::OsString;

use camino::Utf8Path;

use super::link_command::NewPlaces;
use super::linker::Linker;
use super::linker_script::{self, Kind};
use super::script::Step;
use super::{BindingError, Kit, Phase, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::files;

/// What is to be linked.
pub struct LinkRequest<'a> {
    /// The kit.
    pub kit: &'a Kit,
    /// The linker.
    pub linker: &'a Linker,
    /// Whether the library keeps the debug information that the kit holds.
    pub keep_symbols: bool,
    /// The archive of the models, absolute.
    pub model_archive: &'a Utf8Path,
    /// The library to make, absolute.
    pub output: &'a Utf8Path,
    /// Where the linker's log goes if it fails, absolute.
    pub log: &'a Utf8Path,
    /// Variables and working directory.
    pub given: Surroundings<'a>,
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// Links the library; gives the seconds that the linker took.
///
/// # Errors
/// The linker failed, or the kit is none of a library.
pub fn link(request: &LinkRequest<'_>) -> Result<f64, BindingError> {
    let kit = request.kit;
    let Some(link) = &kit.record.link else {
        return Err(std::io::Error::other("the kit has no link command").into());
    };
    for (path, is_input) in link.command.files() {
        let start = files::start(&kit.dir.join(path.as_path()), 8)?;
        if is_input && linker_script::kind(&start) != Kind::Code {
            let error = format!("`{path}` of the kit is neither an object nor an archive of some");
            return Err(std::io::Error::other(error).into());
        }
    }
    let mut args: Vec<_> = request.linker.first.iter().map(OsString::from).collect();
    args.extend(
        link.command
            .at(&NewPlaces { kit: &kit.dir, model: request.model_archive, output: request.output })
            .iter()
            .map(OsString::from),
    );
    if !request.keep_symbols {
        args.push("--strip-debug".into());
    }
    files::create_dir_all(files::parent(request.log))?;
    let step = Step {
        program: &request.linker.program,
        args: &args,
        variables: request.given.variables,
        // Nothing is relative to it, and the linker writes nothing but its output.
        directory: &kit.dir,
        log: request.log,
        what: Some(Phase::Link),
        name: &request.linker.program,
    };
    let seconds = step.run(request.cancel)?;
    files::remove_file(request.log)?;
    Ok(seconds)
}
