use clap::{Args, ValueEnum};

use super::Context;
use crate::config;
use crate::config::project;
use crate::error::Error;
use crate::exit::Exit;

/// `mlc-package schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Which file's schema
    #[arg(long = "for", value_name = "FILE", default_value = "config")]
    file: SchemaFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaFile {
    /// mlc-package-config.json
    Config,
    /// mlc-package.yml
    Project,
}

pub(super) fn run(args: &SchemaArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let schema = match args.file {
        SchemaFile::Config => config::schema(),
        SchemaFile::Project => project::schema(),
    };
    context.out.write_all(schema.as_bytes())?;
    Ok(Exit::Ok)
}
