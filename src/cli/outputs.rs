//! `--format github`: the result as the outputs of a step.

use std::io::{self, Write};

use camino::Utf8Path;

use super::Context;
use crate::error::Error;
use crate::github;
use crate::io::environment::Environment;

/// The variable that names the file of a step's outputs.
const FILE: &str = "GITHUB_OUTPUT";

/// The outputs of a step, in order.
pub(super) type Values = Vec<(&'static str, String)>;

/// Prints what is for people, if the values go to a file.
pub(super) fn show(
    context: &mut Context<'_>,
    human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    if Environment::current()?.text(FILE).is_none() {
        return Ok(());
    }
    let mut text = Vec::new();
    human(&mut text)?;
    // Names of models are foreign: one may look like a command.
    github::verbatim(&mut context.out, &String::from_utf8_lossy(&text))?;
    Ok(())
}

/// Adds the values to the file that `GITHUB_OUTPUT` names. Without that variable they are printed,
/// as the file would have them.
pub(super) fn set(values: &Values, context: &mut Context<'_>) -> Result<(), Error> {
    let environment = Environment::current()?;
    let Some(file) = environment.text(FILE) else {
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
    Ok(())
}

/// A list as a value: one per line.
pub(super) fn lines<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join("\n")
}
