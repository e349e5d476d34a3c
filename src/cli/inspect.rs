mod model;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use self::model::Directory;
use super::{Context, Format, failure};
use crate::config::{self, project};
use crate::error::Error;
use crate::exit::Exit;
use crate::fetch::package::ModelsError;
use crate::fetch::{self, FetchError};
use crate::io::contents::Contents;
use crate::io::environment::Environment;
use crate::io::files;
use crate::library::kernels::{self, Finder};
use crate::library::weights::{self, Weights};
use crate::library::{
    self, Inspection, LibrariesError, LibraryFile, LoadedBlob, ModelLibrary, Problem,
};
use crate::manifest::{self, Manifest};
use crate::model::{ChatConfig, Device, HubRepo, TensorCache};
use crate::ui::Ui;

/// Where Android's libraries are linked into the runtime's.
const LINKED: &str = "lib/mlc4j/output/arm64-v8a/libtvm4j_runtime_packed.so";
/// The size of a static archive without members, in bytes: its magic number.
const EMPTY_ARCHIVE: u64 = 8;

/// `mlc-package inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A model library (.tar, .a, .o, .so, .dylib), a dist/, or a model directory, converted or raw
    path: Utf8PathBuf,
    /// The model's mlc-chat-config.json, for shapes that the library knows by name only
    #[arg(long, value_name = "FILE")]
    chat_config: Option<Utf8PathBuf>,
    /// Show every kernel
    #[arg(long)]
    all: bool,
    /// List the kernels, and have clang compile each as the phone will
    #[arg(long)]
    kernels: bool,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

impl InspectArgs {
    /// Whether programs are started, which have to be ended with this one.
    pub(super) fn starts_programs(&self) -> bool {
        self.kernels
    }
}

pub(super) fn run(args: &InspectArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    refuse_what_has_a_verb(&args.path)?;
    // What is in a dist/ stands for it.
    let parent = files::parent(&args.path);
    let named = match args.path.file_name() {
        Some(manifest::FILE_NAME) if files::is_file(&args.path) => parent,
        Some("lib") if files::is_file(&parent.join(manifest::FILE_NAME)) => parent,
        _ => &args.path,
    };
    if let Some(directory) = Directory::of(named) {
        directory.show(args.format, context)?;
        return Ok(Exit::Ok);
    }
    let (path, (mut models, unusable)) = if files::is_dir(named) {
        (archive_of(named)?, bundled(named, &context.ui))
    } else if files::is_file(named) {
        (named.to_owned(), Default::default())
    } else {
        return Err(Error::usage(
            match files::exists(&args.path) {
                true => format!("`{}` is not a regular file", args.path),
                false => format!("there is no file `{}`", args.path),
            },
            "name a model library, a model directory, or the dist/ that `mlc-package build` wrote",
        ));
    };
    let given = args.chat_config.as_deref().map(read_chat_config).transpose()?;
    let number = |model_lib: &str, name: &str| {
        let of_bundled = || models.iter().find(|model| model.library == model_lib);
        given.as_ref().or_else(|| of_bundled().map(|model| &model.chat_config))?.number(name)
    };
    if files::size(&path)? == EMPTY_ARCHIVE && path != args.path {
        return Err(Error::usage(
            format!("`{path}` holds no libraries: the package has no models"),
            "add a model to its config's `model_list`, and build it again",
        ));
    }
    let bytes = Contents::open(&path)?;
    let file = LibraryFile::parse(&path, &bytes)?;
    let opened = file.open_any()?;
    let mut inspection = library::inspect(&opened, &number);
    let bad_kernels = match args.kernels {
        true => compile_kernels(&opened, &path, &mut inspection, context)?,
        false => None,
    };
    match args.format {
        Format::Human => {
            write!(context.out, "{path}: ")?;
            library::write_inspection(&mut context.out, &inspection, args.all || args.kernels)?;
        }
        Format::Json => {
            writeln!(context.out, "{}", serde_json::to_string_pretty(&inspection)?)?;
        }
    }
    if let (Some(path), Some(chat_config)) = (&args.chat_config, given.clone()) {
        models = beside(path, &chat_config, opened.blobs().flatten())?;
    }
    // What can be read was shown; that the rest cannot be is a failure all the same.
    let mut exit = Exit::Ok;
    for error in unusable {
        failure::tell(&error, &context.ui, None);
        exit = error.exit();
    }
    if let Some(problems) = wrong_weights(&opened, &models) {
        let error = Error::from(LibrariesError::Problems(problems));
        failure::tell(&error, &context.ui, None);
        exit = error.exit();
    }
    if let Some(problem) = bad_kernels {
        let error = Error::from(LibrariesError::Problems(vec![problem]));
        failure::tell(&error, &context.ui, None);
        exit = error.exit();
    }
    let old = opened.blobs().flatten().filter_map(|blob| library::old_metadata(&path, blob));
    let old: Vec<_> = old.collect();
    if !old.is_empty() {
        let error = Error::from(LibrariesError::Problems(old));
        failure::tell(&error, &context.ui, None);
        exit = error.exit();
    }
    for error in opened.blobs().filter_map(Result::err).map(Error::from) {
        context.ui.error(&error.to_string(), error.help().as_deref());
        exit = error.exit();
    }
    Ok(exit)
}

/// Has clang compile the kernels that the phone will, and notes of each what it says. Gives those
/// that do not compile, as a problem of the library.
fn compile_kernels(
    opened: &ModelLibrary<'_>,
    path: &Utf8Path,
    inspection: &mut Inspection,
    context: &Context<'_>,
) -> Result<Option<Problem>, Error> {
    let environment = Environment::current()?;
    let sources = kernels::sources(opened);
    let Some(first) = sources.first() else {
        context.ui.status("Kernels", "the phone compiles none from source");
        return Ok(None);
    };
    let finder = Finder::new(&environment, &context.cancel);
    let clang = finder.find(first.on)?;
    let bad = kernels::check(clang, &sources, &context.cancel)?;
    for library in &mut inspection.libraries {
        library.note_kernels(&bad);
    }
    let compiled = sources.len() - bad.len();
    let of = sources.len();
    context.ui.status("Compiled", &format!("{compiled} of {of} kernels, by {}", clang.version));
    Ok(kernels::problem(path, sources.len(), &bad))
}

/// What is on the Hub, or a file that another verb reads.
fn refuse_what_has_a_verb(path: &Utf8Path) -> Result<(), Error> {
    if HubRepo::is_url(path.as_str()) {
        let what = format!("`{path}` is an address, and inspect reads what is on this machine");
        let help = match HubRepo::of_argument(path.as_str()) {
            Ok(repo) => {
                let revision = repo.revision().map(|revision| format!(" --revision {revision}"));
                format!(
                    "download it with `hf download {repo} --local-dir {0}{1}`, then run \
                     `mlc-package inspect {0}`",
                    repo.repo(),
                    revision.unwrap_or_default()
                )
            }
            Err(why) => format!("download it first, and name the file or directory ({why})"),
        };
        return Err(Error::usage(what, help));
    }
    match path.file_name() {
        Some(config::FILE_NAME | project::FILE_NAME) if files::is_file(path) => Err(Error::usage(
            format!("`{path}` is a config of packages, not a model or a library"),
            format!("run `mlc-package check {path}`, or `mlc-package plan`"),
        )),
        _ => Ok(()),
    }
}

/// The archive in a `dist/`, or the library that it was linked into.
fn archive_of(dist: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let archives = Device::ALL.map(|device| dist.join("lib").join(device.archive_name()));
    let linked = dist.join(LINKED);
    let mut found = archives.into_iter().chain([linked]);
    found.find(|archive| files::is_file(archive)).ok_or_else(|| {
        Error::usage(
            format!(
                "`{dist}` is neither a model directory nor a dist/: it has no {}, no config.json and \
                 no lib/ with a library",
                ChatConfig::FILE_NAME
            ),
            "name a model library, a model directory, or the dist/ that `mlc-package build` wrote",
        )
    })
}

/// A model whose weights are beside a library.
struct Model {
    /// What it is called in messages.
    name: String,
    /// The library that it loads.
    library: String,
    chat_config: ChatConfig,
    /// Where its tensor cache is.
    path: Utf8PathBuf,
    tensor_cache: TensorCache,
}

/// The model whose config was named, once for each library; none where its weights are elsewhere.
fn beside<'a>(
    path: &Utf8Path,
    chat_config: &ChatConfig,
    blobs: impl Iterator<Item = &'a LoadedBlob<'a>>,
) -> Result<Vec<Model>, Error> {
    let dir = files::parent(path);
    let name = dir.file_name().unwrap_or(dir.as_str());
    let cache = fetch::tensor_cache_if_there(dir).map_err(|source| of_model(name, source))?;
    let Some((file, tensor_cache)) = cache else { return Ok(Vec::new()) };
    let model = |blob: &LoadedBlob<'_>| Model {
        name: name.to_owned(),
        library: library::model_lib(blob.prefix).to_owned(),
        chat_config: chat_config.clone(),
        path: dir.join(file),
        tensor_cache: tensor_cache.clone(),
    };
    Ok(blobs.map(model).collect())
}

/// The bundled models of a `dist/`, and of those that no app could load, why not.
fn bundled(dist: &Utf8Path, ui: &Ui) -> (Vec<Model>, Vec<Error>) {
    let path = dist.join(manifest::FILE_NAME);
    let manifest = match read_manifest(&path) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Default::default(),
        Err(why) => {
            ui.warn(&format!("`{path}` cannot be used: {why}"));
            return Default::default();
        }
    };
    let (mut found, mut unusable) = (Vec::new(), Vec::new());
    for model in manifest.models.iter().filter(|model| model.bundled) {
        let name = model.model_id.as_str();
        match fetch::judged(&dist.join("bundle").join(name)) {
            Ok(files) => found.push(Model {
                name: name.to_owned(),
                library: model.model_lib.to_string(),
                path: files.tensor_cache_path(),
                chat_config: files.chat_config,
                tensor_cache: files.tensor_cache,
            }),
            Err(error) => unusable.push(of_model(name, error)),
        }
    }
    (found, unusable)
}

fn of_model(name: &str, source: FetchError) -> Error {
    ModelsError::Model { model_id: Some(name.to_owned()), source: Box::new(source) }.into()
}

/// Holds the weights that are beside a library against it: those that do not belong to it.
fn wrong_weights(opened: &ModelLibrary<'_>, models: &[Model]) -> Option<Vec<Problem>> {
    let problem = |model: &Model| {
        let mut blobs = opened.blobs().flatten();
        let blob = blobs.find(|blob| library::model_lib(blob.prefix) == model.library)?;
        let Model { chat_config, tensor_cache, .. } = model;
        let weights = Weights { chat_config, tensor_cache };
        weights::check(&blob.metadata, weights, &model.name, &model.library, &model.path)
    };
    let problems: Vec<_> = models.iter().filter_map(problem).collect();
    (!problems.is_empty()).then_some(problems)
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
    if files::is_dir(path) {
        return Err(unusable("it is a directory".to_owned()));
    }
    let text = files::read(path).map_err(|why| unusable(why.to_string()))?;
    ChatConfig::parse(&text).map_err(|why| unusable(why.to_string()))
}
