//! The command that links the binding, made independent of where it was first run: what it reads
//! is in the kit, the NDK may lie anywhere.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::model::ShardPath;

/// Google Play wants what it loads to fit pages of 16 KiB.
const PAGE: u64 = 16 << 10;

/// The drivers and linkers of an NDK, also with the name of a target before them.
const LINKERS: [&str; 5] = ["clang", "clang++", "ld", "ld.lld", "lld"];

/// What the arguments begin with by which Clang and LLD start programs, load code, take further
/// arguments from elsewhere, or write files beside the library.
const DANGEROUS: [&str; 28] = [
    "Map",
    "MD",
    "MF",
    "MMD",
    "T",
    "X",
    "ccc-",
    "cc1",
    "config",
    "dependency-file",
    "dumpdir",
    "fcrash-diagnostics",
    "fembed-bitcode-marker-file",
    "foptimization-record",
    "fpass-plugin",
    "fplugin",
    "ftime-trace",
    "ld-path",
    "load",
    "mllvm",
    "o",
    "out",
    "plugin",
    "reproduce",
    "save-temps",
    "serialize-diagnostics",
    "specs",
    "wrapper",
];

/// A link command without places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCommand {
    /// The program and its arguments.
    words: Vec<Word>,
    /// Places outside the kit and the NDK that it names.
    pub(super) needs: Vec<Utf8PathBuf>,
}

type Word = Vec<Piece>;

/// A part of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Text(String),
    /// The NDK's directory.
    Ndk,
    /// A file of the kit.
    Kit(ShardPath),
    /// The archive of the models.
    Model,
    /// What is made.
    Output,
}

/// Where a command was run.
pub(super) struct LinkPlaces<'a> {
    /// The directory it was run in, absolute.
    pub(super) build: &'a Utf8Path,
    /// Directories that will not be there the next time.
    pub(super) passing: &'a [Utf8PathBuf],
    /// The NDK, by each of its names.
    pub(super) ndk: &'a [Utf8PathBuf],
    /// The archive of the models.
    pub(super) model: &'a Utf8Path,
    /// Whether there is a file.
    pub(super) is_file: &'a dyn Fn(&Utf8Path) -> bool,
    /// Whether there is a directory.
    pub(super) is_dir: &'a dyn Fn(&Utf8Path) -> bool,
}

/// A command read, and the files that the kit has to hold for it: by their present place.
#[derive(Debug)]
pub(super) struct ReadCommand {
    pub(super) command: LinkCommand,
    pub(super) files: BTreeMap<Utf8PathBuf, ShardPath>,
}

/// Reads a command as CMake writes it for a shell. Says why where it cannot be run elsewhere.
pub(super) fn read(text: &str, places: &LinkPlaces<'_>) -> Result<ReadCommand, String> {
    let words = only_command(text)?;
    let output = words.windows(2).find_map(|pair| match pair {
        [flag, output] if flag == "-o" => Some(places.build.join(output)),
        _ => None,
    });
    let output = output.ok_or("it names no output")?;
    let mut reader =
        Reader { places, output: &output, needs: Vec::new(), files: BTreeMap::new(), model: false };
    let mut read = Vec::new();
    let mut words = words.iter().peekable();
    if let Some(program) = words.next() {
        read.push(reader.program(program)?);
    }
    while let Some(word) = words.next() {
        let next = words.peek().map(|next| next.as_str()).unwrap_or_default();
        if word == "-o" {
            words.next();
            read.push(vec![Piece::Text("-o".to_owned())]);
            read.push(vec![Piece::Output]);
        } else if word.starts_with("-Wl,--dependency-file") {
            // What CMake wants to know of the link; nobody would read it.
        } else if word == "-Xlinker" && next.starts_with("--dependency-file") {
            if words.next().is_some_and(|flag| !flag.contains('=')) {
                words.next();
                words.next();
            }
        } else {
            read.push(reader.word(word)?);
        }
    }
    if !reader.model {
        return Err(format!("it does not link `{}`", places.model));
    }
    let Reader { needs, files, .. } = reader;
    Ok(ReadCommand { command: LinkCommand { words: read, needs }, files })
}

/// The one program that a shell's text runs.
fn only_command(text: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(text.trim()).ok_or("it is not as a shell would read it")?;
    if let Some(word) =
        words.iter().find(|word| ["|", "||", ";", "&", ">", "<"].contains(&&***word))
    {
        return Err(format!("it has a `{word}`"));
    }
    // `:` does nothing: CMake has it in the place of steps that there are none of.
    let does_nothing = |command: &&[String]| command.iter().all(|word| word == ":");
    let mut commands = words.split(|word| word == "&&").filter(|command| !does_nothing(command));
    match (commands.next(), commands.next()) {
        (Some(command), None) => Ok(command.to_vec()),
        (None, _) => Err("it runs nothing".to_owned()),
        (_, Some(second)) => Err(format!("it also runs `{}`", second.join(" "))),
    }
}

struct Reader<'a> {
    places: &'a LinkPlaces<'a>,
    output: &'a Utf8Path,
    needs: Vec<Utf8PathBuf>,
    files: BTreeMap<Utf8PathBuf, ShardPath>,
    model: bool,
}

impl Reader<'_> {
    /// Programs stay where they are.
    fn program(&mut self, word: &str) -> Result<Word, String> {
        let mut pieces = Vec::new();
        if self.places.ndk.iter().any(|ndk| Utf8Path::new(word).starts_with(ndk)) {
            self.place(word, &mut pieces)?;
        } else if word.starts_with('/') {
            self.needs.push(word.into());
            push(&mut pieces, Piece::Text(word.to_owned()));
        } else {
            return Err(format!("it runs `{word}`, wherever that is"));
        }
        Ok(pieces)
    }

    fn word(&mut self, word: &str) -> Result<Word, String> {
        if let Some(file) = word.strip_prefix('@')
            && (self.places.is_file)(&self.places.build.join(file))
        {
            return Err(format!("its arguments are in `{file}`"));
        }
        let mut pieces = Vec::new();
        // `-Ldir`, `-Bdir`; of other flags, a place is a value: `--sysroot=dir`, `-Wl,-x,dir`.
        let mut rest = word;
        for flag in ["-L", "-B"] {
            if let Some(place) = word.strip_prefix(flag) {
                self.refuse_passing(place)?;
                push(&mut pieces, Piece::Text(flag.to_owned()));
                rest = place;
            }
        }
        if !word.starts_with('-') {
            self.place(rest, &mut pieces)?;
            return Ok(pieces);
        }
        for value in rest.split_inclusive([',', '=']) {
            let bare = value.trim_end_matches([',', '=']);
            self.place(bare, &mut pieces)?;
            let separator = value.strip_prefix(bare).unwrap_or_default();
            push(&mut pieces, Piece::Text(separator.to_owned()));
        }
        Ok(pieces)
    }

    /// A text that may be the name of a place.
    fn place(&mut self, text: &str, pieces: &mut Word) -> Result<(), String> {
        let path = self.places.build.join(text);
        let is_absolute = text.starts_with('/');
        if text.is_empty() || path == self.output {
            push(pieces, Piece::Text(text.to_owned()));
        } else if path == self.places.model {
            self.model = true;
            pieces.push(Piece::Model);
        } else if let Some(ndk) = self.places.ndk.iter().find(|ndk| path.starts_with(ndk)) {
            for (n, part) in text.split(ndk.as_str()).enumerate() {
                if n > 0 {
                    pieces.push(Piece::Ndk);
                }
                push(pieces, Piece::Text(part.to_owned()));
            }
        } else if (self.places.is_file)(&path) {
            pieces.push(Piece::Kit(self.file(&path)?));
        } else {
            if is_absolute {
                self.refuse_passing(text)?;
                self.needs.push(path);
            }
            push(pieces, Piece::Text(text.to_owned()));
        }
        Ok(())
    }

    /// Directories are not kept.
    fn refuse_passing(&self, text: &str) -> Result<(), String> {
        let path = self.places.build.join(text);
        let passes = !text.starts_with('/')
            || self.places.passing.iter().any(|passing| path.starts_with(passing));
        let is_there = (self.places.is_dir)(&path);
        if passes && is_there { Err(format!("it searches `{path}`")) } else { Ok(()) }
    }

    /// The name that a file gets in the kit.
    fn file(&mut self, path: &Utf8Path) -> Result<ShardPath, String> {
        if let Some(known) = self.files.get(path) {
            return Ok(known.clone());
        }
        let name = path.file_name().unwrap_or("file");
        let name = format!("files/{:03}-{name}", self.files.len());
        let name: ShardPath =
            name.parse().map_err(|error| format!("it reads `{path}`, whose name is {error}"))?;
        self.files.insert(path.to_owned(), name.clone());
        Ok(name)
    }
}

/// Adds a piece; texts that touch are one.
fn push(pieces: &mut Word, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (_, Piece::Text(text)) if text.is_empty() => {}
        (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
        (_, piece) => pieces.push(piece),
    }
}

/// Where a command is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewPlaces<'a> {
    pub(super) ndk: &'a Utf8Path,
    pub(super) kit: &'a Utf8Path,
    pub(super) model: &'a Utf8Path,
    pub(super) output: &'a Utf8Path,
}

impl LinkCommand {
    /// The program and its arguments at these places; with the flag for large pages, if it has
    /// none. None where it has no program.
    pub(super) fn at(&self, places: &NewPlaces<'_>) -> Option<(String, Vec<String>)> {
        let mut words = self.words.iter().map(|word| written(word, places));
        let program = words.next()?;
        let mut arguments: Vec<_> = words.collect();
        if !arguments.iter().any(|word| page_size(word).is_some_and(|size| size >= PAGE)) {
            arguments.push(format!("-Wl,-z,max-page-size={PAGE}"));
        }
        Some((program, arguments))
    }

    /// Says what of it could run another program than a linker of the NDK, or write elsewhere. A
    /// kit lies in a cache: somebody else may have written it.
    pub(super) fn refusal(&self) -> Option<String> {
        let mut words = self.words.iter();
        if !words.next().is_some_and(is_linker) {
            return Some("its program is not a linker of the NDK".to_owned());
        }
        words.find_map(refused)
    }

    /// The files of the kit that it reads.
    pub(super) fn files(&self) -> impl Iterator<Item = &ShardPath> {
        self.words.iter().flatten().filter_map(|piece| match piece {
            Piece::Kit(file) => Some(file),
            _ => None,
        })
    }
}

/// A driver or a linker in the NDK's own directory of programs.
fn is_linker(program: &Word) -> bool {
    let [Piece::Ndk, Piece::Text(below)] = program.as_slice() else { return false };
    let Some(below) = below.strip_prefix('/') else { return false };
    let is_plain = below.parse::<ShardPath>().is_ok();
    let name = Utf8Path::new(below).file_name().unwrap_or_default();
    is_plain && LINKERS.iter().any(|known| name == *known || name.ends_with(&format!("-{known}")))
}

/// What of a word would have a linker start a program, load code, read further words or write
/// somewhere.
fn refused(word: &Word) -> Option<String> {
    // Places become the NDK's: what is below it is trusted as its linker is.
    let text: String = word
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Ndk => "<ndk>",
            Piece::Kit(_) => "<kit>",
            Piece::Model => "<model>",
            Piece::Output => "<output>",
        })
        .collect();
    let shown = || Some(format!("it has the argument `{text:.80}`"));
    if text == "-o" {
        return None;
    }
    for part in text.split(',') {
        if part.starts_with('@') {
            return shown();
        }
        let Some(flag) = part.strip_prefix('-') else { continue };
        let flag = flag.trim_start_matches('-');
        let value = flag.split_once('=').map(|(_, value)| value);
        let is_place = flag.starts_with('B') || flag.starts_with("prefix");
        let below_ndk = flag.starts_with("B<ndk>") || value.is_some_and(|v| v.starts_with("<ndk>"));
        let is_safe = match flag {
            _ if flag.starts_with("fuse-ld") => {
                value.is_some_and(|name| ["lld", "gold", "bfd", "mold", "ld"].contains(&name))
            }
            _ if flag.starts_with("Bsymbolic") || ["Bstatic", "Bdynamic"].contains(&flag) => true,
            _ if is_place
                || flag.starts_with("gcc-toolchain")
                || flag.starts_with("gcc-install") =>
            {
                below_ndk
            }
            _ => !DANGEROUS.iter().any(|start| flag.starts_with(start)),
        };
        if !is_safe || flag.contains("..") {
            return shown();
        }
    }
    None
}

fn written(word: &Word, places: &NewPlaces<'_>) -> String {
    let pieces = word.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Ndk => places.ndk.to_string(),
        Piece::Kit(file) => places.kit.join(file.as_path()).into_string(),
        Piece::Model => places.model.to_string(),
        Piece::Output => places.output.to_string(),
    });
    pieces.collect()
}

/// The value of `-Wl,-z,max-page-size=16384`.
fn page_size(word: &str) -> Option<u64> {
    let (_, value) = word.split_once("max-page-size=")?;
    match value.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => value.parse().ok(),
    }
}

#[cfg(test)]
#[path = "tests/link_command.rs"]
mod tests;
