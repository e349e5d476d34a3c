use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::{Context, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::io::files;
use crate::io::map::MappedFile;
use crate::library::{self, LibraryFile};
use crate::manifest::{self, Manifest};
use crate::model::{ChatConfig, Device};
use crate::ui::Ui;

/// The size of a static archive without members, in bytes: its magic number.
const EMPTY_ARCHIVE: u64 = 8;

/// `mlc-package inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A model library (.tar, .a, .o), or a dist/
    path: Utf8PathBuf,
    /// The model's mlc-chat-config.json, for shapes that the library knows by name only
    #[arg(long, value_name = "FILE")]
    chat_config: Option<Utf8PathBuf>,
    /// Show every kernel
    #[arg(long)]
    all: bool,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

pub(super) fn run(args: &InspectArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (path, chat_configs) = if files::is_dir(&args.path) {
        (archive_of(&args.path)?, bundled_chat_configs(&args.path, &context.ui))
    } else if files::is_file(&args.path) {
        (args.path.clone(), BTreeMap::new())
    } else {
        return Err(Error::usage(
            format!("there is no file `{}`", args.path),
            "name a model library, or the directory that `mlc-package build` wrote",
        ));
    };
    let given = args.chat_config.as_deref().map(read_chat_config).transpose()?;
    let number = |model_lib: &str, name: &str| {
        given.as_ref().or_else(|| chat_configs.get(model_lib))?.number(name)
    };
    if files::size(&path)? == EMPTY_ARCHIVE && path != args.path {
        return Err(Error::usage(
            format!("`{path}` holds no libraries: the package has no models"),
            "add a model to its config's `model_list`, and build it again",
        ));
    }
    let bytes = MappedFile::open(&path)?;
    let file = LibraryFile::parse(&path, &bytes)?;
    let opened = file.open()?;
    let inspection = library::inspect(&opened, &number);
    match args.format {
        Format::Human => {
            write!(context.out, "{path}: ")?;
            library::write_inspection(&mut context.out, &inspection, args.all)?;
        }
        Format::Json => {
            writeln!(context.out, "{}", serde_json::to_string_pretty(&inspection)?)?;
        }
    }
    // What can be read was shown; that the rest cannot be is a failure all the same.
    let mut exit = Exit::Ok;
    for error in opened.blobs().filter_map(Result::err).map(Error::Library) {
        context.ui.error(&error.to_string(), error.help().as_deref());
        exit = error.exit();
    }
    Ok(exit)
}

/// The archive in a `dist/`.
fn archive_of(dist: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let archives = Device::ALL.map(|device| dist.join("lib").join(device.archive_name()));
    archives.into_iter().find(|archive| files::is_file(archive)).ok_or_else(|| {
        if files::is_dir(&dist.join("lib/mlc4j")) {
            return Error::usage(
                format!("the model libraries of `{dist}` are linked into mlc4j's, and not apart"),
                "name a library of the cache (`mlc-package cache list --format json` says where \
                 they are), or a dist/ built with --no-binding",
            );
        }
        Error::usage(
            format!(
                "`{dist}` is no dist/: it has neither lib/libmodel_android.a nor \
                 lib/libmodel_iphone.a"
            ),
            "name a library file, or the directory that `mlc-package build` wrote",
        )
    })
}

/// The configs of the bundled models of a `dist/`, by the library that each loads. They only
/// say more of what is in the archive: what cannot be read is left out with a warning.
fn bundled_chat_configs(dist: &Utf8Path, ui: &Ui) -> BTreeMap<String, ChatConfig> {
    let path = dist.join(manifest::FILE_NAME);
    let manifest = match read_manifest(&path) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return BTreeMap::new(),
        Err(why) => {
            ui.warn(&format!("`{path}` cannot be used: {why}"));
            return BTreeMap::new();
        }
    };
    let mut found = BTreeMap::new();
    for model in manifest.models.iter().filter(|model| model.bundled) {
        let bundle = dist.join("bundle").join(model.model_id.as_str());
        match read_chat_config(&bundle.join(ChatConfig::FILE_NAME)) {
            Ok(chat_config) => drop(found.insert(model.model_lib.to_string(), chat_config)),
            Err(error) => ui.warn(&error.to_string()),
        }
    }
    found
}

fn read_manifest(path: &Utf8Path) -> Result<Option<Manifest>, Error> {
    let text = files::read_if_there(path)?;
    Ok(text.map(|text| serde_json::from_slice(&text)).transpose()?)
}

fn read_chat_config(path: &Utf8Path) -> Result<ChatConfig, Error> {
    let unusable = |why: String| {
        Error::usage(
            format!("`{path}` cannot be used: {why}"),
            "name the mlc-chat-config.json of the model that the library was compiled for",
        )
    };
    let text = files::read(path).map_err(|why| unusable(why.to_string()))?;
    ChatConfig::parse(&text).map_err(|why| unusable(why.to_string()))
}
