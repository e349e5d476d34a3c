//! `--format github`: the result as the outputs of a step.

use std::io::{self, Write};

use camino::Utf8Path;

use super::Context;
use crate::compile::Environment;
use crate::error::Error;
use crate::github;

/// Adds the values to the file that `GITHUB_OUTPUT` names, and prints what is for people. Without
/// that variable the values are printed instead, as the file would have them.
pub(super) fn write(
    values: &[(&str, String)],
    context: &mut Context<'_>,
    human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let environment = Environment::current()?;
    let Some(file) = environment.text("GITHUB_OUTPUT") else {
        for (name, value) in values {
            let text = match value.contains(['\n', '\r']) {
                true => github::output::assignment(name, value).map_err(io::Error::other)?,
                false => format!("{name}={value}\n"),
            };
            context.out.write_all(text.as_bytes())?;
        }
        return Ok(());
    };
    let borrowed: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    github::output::set(Utf8Path::new(file), &borrowed).map_err(io::Error::other)?;
    let mut text = Vec::new();
    human(&mut text)?;
    // Names of models are foreign: one may look like a command.
    github::verbatim(&mut context.out, &String::from_utf8_lossy(&text))?;
    Ok(())
}
