//! `mlc-package cache`: arguments, and what was found as a person reads it.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::{Context, Format, package};
use crate::cache::{
    self, CacheList, CacheRequest, CacheVerdict, CachedConverted, CachedLibrary, CachedWeights,
    PruneRequest, PruneResult, RemovedItem, RemovedKind,
};
use crate::convert::Extent;
use crate::error::Error;
use crate::exit::Exit;
use crate::fetch::hub::HubOptions;
use crate::io::environment::Environment;
use crate::model::{Age, ByteSize, Tone};
use crate::report::{Cell, Heading, count, write_table};

/// `mlc-package cache`.
#[derive(Debug, Args)]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    verb: CacheVerb,
}

#[derive(Debug, Subcommand)]
enum CacheVerb {
    /// List what is cached, most recently used first
    List(ListArgs),
    /// Check all contents against their digests; exit code 13 if anything is damaged
    Verify(ListArgs),
    /// Remove leftovers of killed builds, damaged libraries, old logs, and what the options select
    ///
    /// Of the Hugging Face cache, which other tools share, only what mlc-package itself
    /// downloaded is ever removed. What a running build uses stays.
    Prune(PruneArgs),
    /// Print the directory of the cache
    Path(Place),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Only one of the two caches
    #[arg(long, value_name = "WHAT")]
    only: Option<Only>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

#[derive(Debug, Args)]
struct PruneArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Remove what no build has used for this long: 30d, 12h, 2w
    #[arg(long, value_name = "AGE")]
    older_than: Option<Age>,
    /// Remove the least recently used until the rest is no larger than this: 2GiB, 500MB
    #[arg(long, value_name = "SIZE")]
    max_size: Option<ByteSize>,
    /// Remove all libraries but this one, named as `plan --format github` does; may be given
    /// more than once
    #[arg(long, value_name = "FINGERPRINT", value_parser = store_name)]
    keep: Vec<String>,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Place {
    /// Where compiled libraries are kept [default: ~/.cache/mlc-package]
    #[arg(long, value_name = "DIR", env = "MLC_PACKAGE_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<Utf8PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// Compiled libraries and binding kits
    Libraries,
    /// Models in the Hugging Face cache
    Weights,
}

pub(super) fn run(args: &CacheArgs, context: &mut Context<'_>) -> Result<Exit, Error> {
    match &args.verb {
        CacheVerb::Path(place) => {
            writeln!(context.out, "{}", place.cache_dir(&Environment::current()?)?)?;
            Ok(Exit::Ok)
        }
        CacheVerb::List(args) => {
            let list = cache::list(&args.request()?)?;
            print(&list, args.format, context, |out, width| write_list(out, &list, width))?;
            Ok(Exit::Ok)
        }
        CacheVerb::Verify(args) => {
            let verdict = cache::verify(&args.request()?, &context.ui, &context.cancel)?;
            print(&verdict, args.format, context, |out, _| write_verdict(out, &verdict))?;
            Ok(if verdict.problems.is_empty() { Exit::Ok } else { Exit::Validation })
        }
        CacheVerb::Prune(args) => {
            let what = PruneRequest {
                keep: (!args.keep.is_empty()).then(|| args.keep.iter().cloned().collect()),
                older_than: args.older_than,
                max_size: args.max_size,
                dry_run: args.dry_run,
            };
            let result = cache::prune(&args.list.request()?, &what, &context.ui, &context.cancel)?;
            print(&result, args.list.format, context, |out, width| {
                write_pruned(out, &result, width)
            })?;
            Ok(Exit::Ok)
        }
    }
}

/// A library's directory in the store.
fn store_name(text: &str) -> Result<String, &'static str> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match text.len() == 32 && text.chars().all(hex) {
        true => Ok(text.to_owned()),
        false => Err("expected the first 32 hex digits of a fingerprint"),
    }
}

impl Place {
    fn cache_dir(&self, environment: &Environment) -> Result<Utf8PathBuf, Error> {
        match &self.cache_dir {
            Some(dir) => Ok(environment.directory.join(dir)),
            None => package::default_cache_dir(environment),
        }
    }
}

impl ListArgs {
    fn request(&self) -> Result<CacheRequest, Error> {
        let environment = Environment::current()?;
        let get = |name: &str| environment.text(name).map(str::to_owned);
        // Without a home there is no Hub's cache but one that a variable names.
        let home = environment.directory.join(environment.text("HOME").unwrap_or_default());
        let hub_cache = environment.directory.join(HubOptions::cache_dir(&get, &home));
        Ok(CacheRequest {
            cache_dir: self.place.cache_dir(&environment)?,
            hub_cache: (self.only != Some(Only::Libraries)).then_some(hub_cache),
            libraries: self.only != Some(Only::Weights),
        })
    }
}

fn print(
    value: &impl serde::Serialize,
    format: Format,
    context: &mut Context<'_>,
    human: impl FnOnce(&mut dyn Write, Option<usize>) -> io::Result<()>,
) -> Result<(), Error> {
    match format {
        Format::Human => human(&mut context.out, context.width)?,
        Format::Json => writeln!(context.out, "{}", serde_json::to_string_pretty(value)?)?,
    }
    Ok(())
}

fn write_list(out: &mut dyn Write, list: &CacheList, width: Option<usize>) -> io::Result<()> {
    let ago = |then: u64| Age(list.now.saturating_sub(then)).to_string();
    if let Some(libraries) = &list.libraries {
        let bytes: ByteSize = libraries.iter().map(|library| library.bytes).sum();
        let libraries_are = count(libraries.len(), "compiled library", "compiled libraries");
        writeln!(out, "{}: {libraries_are}, {bytes}", list.cache_dir)?;
        if !libraries.is_empty() {
            writeln!(out)?;
            let header = [
                Heading::text("library"),
                Heading::text("device"),
                Heading::number("size"),
                Heading::text("made").optional(1),
                Heading::text("last used"),
                Heading::text("compiler").optional(2),
            ];
            write_table(
                out,
                width,
                &header,
                libraries.iter().map(|library| library_row(library, &ago)),
            )?;
        }
        write_kits(out, list, &ago, width)?;
        write_converted(out, list, &ago, width)?;
        for (bytes, what) in [
            (list.build_dirs, "of directories that bindings are built in"),
            (list.logs, "of logs of failed compilations"),
            (list.leftovers, "left by killed builds"),
        ] {
            if bytes > ByteSize(0) {
                writeln!(out, "\n  and {bytes} {what}")?;
            }
        }
    }
    let (Some(hub_cache), Some(models)) = (&list.hub_cache, &list.weights) else { return Ok(()) };
    if list.libraries.is_some() {
        writeln!(out)?;
    }
    let models_are = count(models.len(), "MLC model", "MLC models");
    writeln!(out, "{hub_cache}: {models_are}, {}", list.weights_bytes)?;
    if !models.is_empty() {
        writeln!(out)?;
        let header = [
            Heading::text("model"),
            Heading::text("commit"),
            Heading::number("size"),
            Heading::number("files").optional(3),
            Heading::text("last used"),
            Heading::text("downloaded by").optional(2),
        ];
        write_table(out, width, &header, models.iter().map(|model| weights_row(model, &ago)))?;
    }
    let lists = count(list.listings.files, "list of a repository", "lists of repositories");
    let notes = count(list.notes.files, "note on verified files", "notes on verified files");
    for (found, what) in [(list.listings, lists), (list.notes, notes)] {
        if found.files > 0 {
            writeln!(out, "\n  and {what}, {}", found.bytes)?;
        }
    }
    write_unreadable(out, &list.unreadable)
}

fn write_kits(
    out: &mut dyn Write,
    list: &CacheList,
    ago: &dyn Fn(u64) -> String,
    width: Option<usize>,
) -> io::Result<()> {
    if list.kits.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let header = [
        Heading::text("binding kit"),
        Heading::text("device"),
        Heading::number("size"),
        Heading::text("made").optional(1),
        Heading::text("last used"),
        Heading::text("built from").optional(2),
    ];
    write_table(
        out,
        width,
        &header,
        list.kits.iter().map(|kit| {
            let from = match (&kit.damage, &kit.about.inputs) {
                (Some(why), _) => damaged(why, kit.path.as_str()),
                (None, inputs) => {
                    let source = inputs.as_ref().and_then(|inputs| inputs.0.get("mlc-llm"));
                    source.cloned().unwrap_or_default().into()
                }
            };
            row(
                [
                    short(&kit.fingerprint).to_owned(),
                    kit.about.device.map_or_else(String::new, |device| device.to_string()),
                    kit.bytes.to_string(),
                    kit.created.map_or_else(String::new, ago),
                    ago(kit.last_used),
                ],
                from,
            )
        }),
    )
}

fn write_converted(
    out: &mut dyn Write,
    list: &CacheList,
    ago: &dyn Fn(u64) -> String,
    width: Option<usize>,
) -> io::Result<()> {
    if list.converted.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let header = [
        Heading::text("converted model"),
        Heading::text("in").optional(3),
        Heading::number("size"),
        Heading::text("made").optional(1),
        Heading::text("last used"),
        Heading::text("template").optional(2),
    ];
    let of_model = |model: &CachedConverted| {
        let damage = model.damage.as_ref().map(|why| damaged(why, model.path.as_str()));
        let template = || match (&model.about.conv_template, model.about.part) {
            (Some(template), Some(Extent::Config)) => format!("{template}, config only"),
            (Some(template), _) => template.clone(),
            (None, _) => "weights only".to_owned(),
        };
        let cells = [
            model.about.model.clone().unwrap_or_else(|| short(&model.fingerprint).to_owned()),
            model.about.quantization.clone().unwrap_or_default(),
            model.bytes.to_string(),
            model.created.map_or_else(String::new, ago),
            ago(model.last_used),
        ];
        row(cells, damage.unwrap_or_else(|| template().into()))
    };
    write_table(out, width, &header, list.converted.iter().map(of_model))
}

/// A row whose last cell may be a verdict.
fn row<const N: usize>(cells: [String; N], last: Cell) -> Vec<Cell> {
    cells.into_iter().map(Cell::from).chain([last]).collect()
}

/// What is wrong with an entry, without the entry's own path.
fn damaged(why: &str, path: &str) -> Cell {
    Cell::verdict(Tone::Bad, &format!("damaged: {}", why.replace(&format!("{path}/"), "")))
}

fn library_row(library: &CachedLibrary, ago: &dyn Fn(u64) -> String) -> Vec<Cell> {
    let compiler = match (&library.damage, &library.about.compiler) {
        (Some(why), _) => damaged(why, library.path.as_str()),
        (None, Some(compiler)) => {
            format!("mlc_llm {}, tvm {}", compiler.mlc_llm, compiler.tvm).into()
        }
        (None, None) => String::new().into(),
    };
    let fingerprint = short(&library.fingerprint);
    let name = library.about.model_lib.as_ref().map_or(fingerprint, |name| name.as_str());
    let cells = [
        name.to_owned(),
        library.about.device.as_ref().map_or_else(String::new, ToString::to_string),
        library.bytes.to_string(),
        library.created.map_or_else(String::new, ago),
        ago(library.last_used),
    ];
    row(cells, compiler)
}

fn weights_row(model: &CachedWeights, ago: &dyn Fn(u64) -> String) -> Vec<String> {
    let commit = short(model.commit.as_str());
    let commit = match model.refs.as_slice() {
        [] => commit.to_owned(),
        refs => format!("{commit} ({})", refs.join(", ")),
    };
    let by = match model.downloaded {
        Some(bytes) if bytes >= model.bytes => "mlc-package".to_owned(),
        Some(bytes) => format!("mlc-package ({bytes}) and others"),
        None => "others".to_owned(),
    };
    vec![
        model.repo.clone(),
        commit,
        model.bytes.to_string(),
        model.files.to_string(),
        model.last_used.map_or_else(|| "unknown".to_owned(), ago),
        by,
    ]
}

/// The first of many hex digits.
fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}

fn write_verdict(out: &mut dyn Write, verdict: &CacheVerdict) -> io::Result<()> {
    for problem in &verdict.problems {
        let damaged = Tone::Bad.paint("damaged");
        writeln!(out, "{damaged}: {} ({}): {}", problem.path, problem.of, problem.why)?;
    }
    write_unreadable(out, &verdict.unreadable)?;
    if verdict.unnamed > 0 {
        writeln!(
            out,
            "{} could not be checked: the Hugging Face cache has no digest of them",
            count(verdict.unnamed, "file", "files")
        )?;
    }
    let libraries = count(verdict.libraries, "library", "libraries");
    let models = count(verdict.models, "model", "models");
    let kits = match verdict.kits {
        0 => String::new(),
        n => format!("{}, ", count(n, "binding kit", "binding kits")),
    };
    let converted = match verdict.converted {
        0 => String::new(),
        n => format!("{}, ", count(n, "converted model", "converted models")),
    };
    let looked = format!("{libraries}, {kits}{converted}{models}, {}", verdict.bytes);
    match verdict.problems.len() {
        0 => writeln!(out, "{}: {looked}", Tone::Good.paint("ok")),
        n => {
            let damaged = format!("{} damaged", count(n, "thing is", "things are"));
            writeln!(out, "{} in {looked}", Tone::Bad.paint(&damaged))?;
            writeln!(
                out,
                "help: remove what is named above; the next build makes or downloads it again"
            )
        }
    }
}

fn write_unreadable(out: &mut dyn Write, unreadable: &[String]) -> io::Result<()> {
    unreadable.iter().try_for_each(|why| writeln!(out, "cannot be looked at: {why}"))
}

fn write_pruned(out: &mut dyn Write, result: &PruneResult, width: Option<usize>) -> io::Result<()> {
    let row = |item: &RemovedItem| {
        let kind = match item.kind {
            RemovedKind::Leftover => "left by a killed build",
            RemovedKind::Log => "log",
            RemovedKind::DamagedLibrary => "damaged library",
            RemovedKind::Library => "library",
            RemovedKind::DamagedKit => "damaged binding kit",
            RemovedKind::Kit => "binding kit",
            RemovedKind::DamagedModel => "damaged converted model",
            RemovedKind::Model => "converted model",
            RemovedKind::BuildDir => "build directory",
            RemovedKind::Weights => "weights",
            RemovedKind::Listing => "list of the Hub",
            RemovedKind::Note => "note on files",
        };
        let used = item.last_used.map(|then| Age(result.now.saturating_sub(then)).to_string());
        let used = used.unwrap_or_default();
        vec![item.name.clone(), kind.to_owned(), item.bytes.to_string(), used]
    };
    let header = [
        Heading::text(""),
        Heading::text("what"),
        Heading::number("size"),
        Heading::text("last used"),
    ];
    if !result.removed.is_empty() {
        write_table(out, width, &header, result.removed.iter().map(row))?;
        writeln!(out)?;
    }
    if !result.in_use.is_empty() {
        writeln!(out, "in use by a running build, and kept:")?;
        write_table(out, width, &header, result.in_use.iter().map(row))?;
        writeln!(out)?;
    }
    let verb = if result.dry_run { "would free" } else { "freed" };
    writeln!(out, "{verb} {}; {} left", result.freed, result.left)
}
