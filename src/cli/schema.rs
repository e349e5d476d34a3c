use super::Context;
use crate::config;
use crate::error::Error;
use crate::exit::Exit;

/// `mlc-package schema`.
pub(super) fn run(context: &mut Context<'_>) -> Result<Exit, Error> {
    context.out.write_all(config::schema().as_bytes())?;
    Ok(Exit::Ok)
}
