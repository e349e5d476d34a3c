use camino::Utf8PathBuf;
use clap::Args;

use super::{Context, occupied};
use crate::error::Error;
use crate::exit::Exit;
use crate::github::api::ApiOptions;
use crate::model::ByteSize;
use crate::publish::PublishError;
use crate::publish::unpack::{Source, UnpackRequest, unpack_shown};
use crate::report::count;

/// `mlc-package unpack`.
#[derive(Debug, Args)]
pub(super) struct UnpackArgs {
    /// A release (OWNER/REPO@TAG, or the address of its page), or its …-assets.json: the address,
    /// the file, or the directory that holds it beside all other assets
    source: String,
    /// The directory to unpack into
    #[arg(short, long, value_name = "DIR", default_value = "dist")]
    output: Utf8PathBuf,
}

pub(super) fn run(args: &UnpackArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    occupied::refuse_occupied(&args.output, &[occupied::HERE])?;
    let request = UnpackRequest {
        source: Source::find(&args.source)?,
        output: args.output.clone(),
        github: ApiOptions::without_repository(&|name| std::env::var(name).ok())
            .map_err(PublishError::from)?,
    };
    let list = unpack_shown(&request, &context.ui, &context.cancel)?;
    let files = list.files().count();
    let models = list.archives.iter().filter(|archive| archive.model_id.is_some()).count();
    writeln!(
        context.out,
        "{}: {} for {}, {}, {}, {}",
        args.output,
        list.package,
        list.device,
        count(models, "bundled model", "bundled models"),
        count(files, "file", "files"),
        ByteSize(list.unpacked_bytes())
    )?;
    Ok(Exit::Ok)
}
