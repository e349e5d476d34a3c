//! Which Python runs the compiler.

use camino::Utf8PathBuf;

use super::ToolchainError;
use crate::io::environment::Environment;
use crate::io::files;
use crate::io::process::find_program;

/// Names the Python for those who do not use `--python`.
pub const PYTHON_VARIABLE: &str = "MLC_PACKAGE_PYTHON";

/// Finds the Python that a person means: `--python`, else `MLC_PACKAGE_PYTHON`, else that of
/// the active virtual environment, else `python3` or `python` on `PATH`. What is asked for by
/// name must be there; nothing else is tried then.
///
/// # Errors
/// There is none, or not the one that was asked for.
pub fn find(asked: Option<&str>, environment: &Environment) -> Result<Utf8PathBuf, ToolchainError> {
    let path = environment.get("PATH");
    let named = [("--python", asked), (PYTHON_VARIABLE, environment.text(PYTHON_VARIABLE))];
    for (by, name) in named {
        let Some(name) = name else { continue };
        return find_program(name, path, &environment.directory)
            .ok_or_else(|| ToolchainError::AskedPythonMissing { by, name: name.to_owned() });
    }
    if let Some(venv) = environment.text("VIRTUAL_ENV") {
        let python = environment.directory.join(venv).join("bin/python");
        if files::is_file(&python) {
            return Ok(python);
        }
    }
    ["python3", "python"]
        .into_iter()
        .find_map(|name| find_program(name, path, &environment.directory))
        .ok_or(ToolchainError::NoPython)
}
