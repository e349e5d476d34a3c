//! Linking the models with what a kit holds.

use std::ffi::OsString;

use camino::{Utf8Path, Utf8PathBuf};

use super::link_command::NewPlaces;
use super::script::Step;
use super::{Binding, BindingError, Builder, Kit, Phase, Surroundings};
use crate::io::cancel::Cancel;
use crate::io::files;

/// What is to be linked.
pub struct LinkRequest<'a> {
    /// With what it is built.
    pub binding: &'a Binding,
    /// The kit.
    pub kit: &'a Kit,
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
    let Builder::Android { ndk } = &request.binding.builder else { return Ok(0.0) };
    let Some((program, args)) = request.kit.record.link.as_ref().and_then(|link| {
        link.command.at(&NewPlaces {
            ndk: &ndk.dir,
            kit: &request.kit.dir,
            model: request.model_archive,
            output: request.output,
        })
    }) else {
        return Err(std::io::Error::other("the kit has no link command").into());
    };
    let program = Utf8PathBuf::from(program);
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    files::create_dir_all(files::parent(request.log))?;
    let step = Step {
        program: &program,
        args: &args,
        variables: request.given.variables,
        // Nothing is relative to it, and the linker writes nothing but its output.
        directory: &request.kit.dir,
        log: request.log,
        what: Some(Phase::Link),
        name: &program,
    };
    let seconds = step.run(request.cancel)?;
    files::remove_file(request.log)?;
    Ok(seconds)
}
