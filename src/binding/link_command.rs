//! What a linker is told to link the binding: arguments of lld, made independent of where they were
//! first used. All that it reads is in the kit; which linker it is, is not said.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::linker_script::{self, Entry, Kind, ScriptFault};
use crate::model::{ShardPath, ShardPathError};

/// Google Play wants what it loads to fit pages of 16 KiB.
const PAGE: u64 = 16 << 10;
/// The directory of a kit with the libraries that are searched for by name. They keep their names: a
/// shared library without one of its own is needed by that of its file.
pub(super) const LIBRARIES: &str = "lib";
/// How deep scripts in the place of libraries may name one another.
const DEPTH: usize = 8;

/// The programs that take these arguments.
const LINKERS: [&str; 3] = ["ld", "ld.lld", "lld"];

/// Options without a value that a kit may have: what clang and the NDK's toolchain file tell lld, what
/// CMake does, and what decides over the library alone. None names a place or a symbol.
const ALONE: [&str; 47] = [
    "(",
    ")",
    "Bdynamic",
    "Bno-symbolic",
    "Bstatic",
    "Bsymbolic",
    "Bsymbolic-functions",
    "Bsymbolic-non-weak",
    "Bsymbolic-non-weak-functions",
    "EL",
    "O0",
    "O1",
    "O2",
    "O3",
    "S",
    "as-needed",
    "build-id",
    "disable-new-dtags",
    "eh-frame-hdr",
    "enable-new-dtags",
    "end-group",
    "fatal-warnings",
    "fix-cortex-a53-843419",
    "gc-sections",
    "no-as-needed",
    "no-fatal-warnings",
    "no-gc-sections",
    "no-relax",
    "no-rosegment",
    "no-undefined",
    "no-undefined-version",
    "no-whole-archive",
    "nostdlib",
    "pop-state",
    "push-state",
    "relax",
    "rosegment",
    "s",
    "shared",
    "start-group",
    "static",
    "strip-all",
    "strip-debug",
    "undefined-version",
    "use-android-relr-tags",
    "warn-shared-textrel",
    "whole-archive",
];

/// Options with a value, `--name=value` or the next argument, and which values a kit may have.
const VALUED: [(&str, Value); 8] = [
    ("build-id", Value::BuildId),
    ("exclude-libs", Value::Names),
    ("hash-style", Value::OneOf(&["both", "gnu", "sysv"])),
    ("icf", Value::OneOf(&["all", "none", "safe"])),
    ("m", Value::OneOf(&["aarch64linux"])),
    ("pack-dyn-relocs", Value::OneOf(&["android", "android+relr", "none", "relr"])),
    ("soname", Value::Name),
    ("z", Value::Keyword),
];

/// Words behind `-z`, and those with a number.
const KEYWORDS: [&str; 8] =
    ["defs", "force-bti", "lazy", "noexecstack", "norelro", "now", "pac-plt", "relro"];
const SIZES: [&str; 2] = ["common-page-size", "max-page-size"];

/// Options that name a file to read, which is kept in the kit.
const FILES: [&str; 1] = ["version-script"];

/// What the value of an option may be. No value names a place.
#[derive(Clone, Copy)]
enum Value {
    OneOf(&'static [&'static str]),
    /// `sha1`, or the hex digits of an id.
    BuildId,
    /// A file's name.
    Name,
    /// Names of files, with commas or colons between them.
    Names,
    /// Of `-z`.
    Keyword,
}

impl Value {
    fn takes(self, value: &str) -> bool {
        match self {
            Self::OneOf(words) => words.contains(&value),
            Self::BuildId => {
                let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
                ["fast", "md5", "none", "sha1", "tree"].contains(&value)
                    || value.strip_prefix("0x").is_some_and(is_hex)
            }
            Self::Name => is_word(value),
            Self::Names => value.split([',', ':']).all(is_word),
            Self::Keyword => {
                KEYWORDS.contains(&value)
                    || value
                        .split_once('=')
                        .is_some_and(|(name, size)| SIZES.contains(&name) && number(size).is_some())
            }
        }
    }
}

/// A link command without places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCommand {
    /// The arguments, but for the output and where libraries are searched.
    words: Vec<Word>,
}

type Word = Vec<Piece>;

/// A part of an argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Text(String),
    /// A file of the kit.
    Kit(ShardPath),
    /// The archive of the models.
    Model,
}

/// Where a command was run.
pub(super) struct LinkPlaces<'a> {
    /// The directory it was run in, absolute.
    pub(super) build: &'a Utf8Path,
    /// The archive of the models.
    pub(super) model: &'a Utf8Path,
    /// What a file has in it, or how it begins if that is more than a script has; none where there is
    /// no file.
    pub(super) read: &'a dyn Fn(&Utf8Path) -> Option<Vec<u8>>,
}

/// A command read, and the files that the kit has to hold for it: by their present place.
#[derive(Debug)]
pub(super) struct ReadCommand {
    pub(super) command: LinkCommand,
    pub(super) files: BTreeMap<Utf8PathBuf, ShardPath>,
}

/// Why a shell's text is not one command.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShellFault {
    /// A quotation mark alone.
    #[error("it is not as a shell would read it")]
    Unreadable,
    /// More than a list of commands.
    #[error("it has a `{0}`")]
    Operator(String),
    /// No command.
    #[error("it runs nothing")]
    Nothing,
    /// A second command.
    #[error("it also runs `{0}`")]
    Another(String),
}

/// Why what the compiler prints is not the linker's command.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExpansionFault {
    /// None, or several.
    #[error("the compiler would run {0} programs for it")]
    Programs(usize),
    /// A quotation mark alone.
    #[error("the compiler's words for it have no end")]
    Open,
    /// Another form than clang's.
    #[error("the compiler's words for it are not quoted")]
    Unquoted,
    /// Another linker.
    #[error("it is not linked by lld but by `{0}`")]
    Linker(String),
}

/// Why arguments of lld cannot be used elsewhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkFault {
    /// The archive of the models is not among them.
    #[error("it does not link `{0}`")]
    NoModel(Utf8PathBuf),
    /// `-l` without a name.
    #[error("it ends with a `-l`")]
    NoName,
    /// An option without its value.
    #[error("it ends with `{0}`")]
    NoValue(String),
    /// An option that no kit may have.
    #[error("it has the argument `{0:.80}`")]
    Argument(String),
    /// An option whose value no kit may have.
    #[error("it has the argument `{option} {value:.80}`")]
    Value {
        /// The option.
        option: String,
        /// What it is given.
        value: String,
    },
    /// Arguments in a file.
    #[error("its arguments are in `{0}`")]
    ArgumentFile(String),
    /// A file that is not there.
    #[error("there is no `{0}`")]
    Absent(Utf8PathBuf),
    /// A library that is nowhere.
    #[error("there is no library `{0}`")]
    NoLibrary(String),
    /// A file that a kit cannot keep.
    #[error("`{path}` is {kind}")]
    NotCode {
        /// The file.
        path: Utf8PathBuf,
        /// What it is.
        kind: Kind,
    },
    /// Two libraries that would be one file of the kit.
    #[error("`{path}` and `{other}` have one name")]
    SameName {
        /// The second.
        path: Utf8PathBuf,
        /// The first.
        other: Utf8PathBuf,
    },
    /// A script that cannot be followed.
    #[error("`{path}` is a script for the linker: {why}")]
    Script {
        /// The script.
        path: Utf8PathBuf,
        /// Why.
        why: ScriptFault,
    },
    /// A file that cannot keep its name.
    #[error("it reads `{path}`, whose name is {why}")]
    Name {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: ShardPathError,
    },
}

/// The one command of a shell's text, which CMake wrote: a program and its arguments.
pub(super) fn only_command(text: &str) -> Result<Vec<String>, ShellFault> {
    let words = shlex::split(text.trim()).ok_or(ShellFault::Unreadable)?;
    if let Some(word) =
        words.iter().find(|word| ["|", "||", ";", "&", ">", "<"].contains(&&***word))
    {
        return Err(ShellFault::Operator(word.clone()));
    }
    // `:` does nothing: CMake has it in the place of steps that there are none of.
    let does_nothing = |command: &&[String]| command.iter().all(|word| word == ":");
    let mut commands = words.split(|word| word == "&&").filter(|command| !does_nothing(command));
    match (commands.next(), commands.next()) {
        (Some(command), None) => Ok(command.to_vec()),
        (None, _) => Err(ShellFault::Nothing),
        (_, Some(second)) => Err(ShellFault::Another(second.join(" "))),
    }
}

/// The linker's arguments out of what clang prints for `-###`: one command a line, each word in
/// quotation marks.
pub(super) fn expanded(text: &str) -> Result<Vec<String>, ExpansionFault> {
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(" \"")).collect();
    let [command] = commands.as_slice() else {
        return Err(ExpansionFault::Programs(commands.len()));
    };
    let mut words = Vec::new();
    let mut rest = *command;
    loop {
        let mut word = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next() {
                Some((_, '\\')) => word.extend(chars.next().map(|(_, escaped)| escaped)),
                Some((at, '"')) => break at,
                Some((_, plain)) => word.push(plain),
                None => return Err(ExpansionFault::Open),
            }
        };
        words.push(word);
        match rest.get(end + 1..).map(str::trim_start).unwrap_or_default() {
            "" => break,
            more => {
                rest = more.strip_prefix('"').ok_or(ExpansionFault::Unquoted)?;
            }
        }
    }
    let program = words.remove(0);
    let name = Utf8Path::new(&program).file_name().unwrap_or_default();
    let is_linker = |known: &str| name == known || name.ends_with(&format!("-{known}"));
    if !LINKERS.iter().any(|known| is_linker(known)) {
        return Err(ExpansionFault::Linker(program));
    }
    Ok(words)
}

/// Reads the arguments of lld. Says why where they cannot be used elsewhere.
pub(super) fn read(words: &[String], places: &LinkPlaces<'_>) -> Result<ReadCommand, LinkFault> {
    let mut search = Vec::new();
    let mut sysroot = None;
    let mut words = words.iter().map(String::as_str);
    let mut kept = Vec::new();
    // Where libraries are searched counts for all of them, wherever it stands.
    while let Some(word) = words.next() {
        let mut value = |name: &str| match word.strip_prefix(name) {
            Some("") => words.next(),
            Some(value) => Some(value),
            None => None,
        };
        if let Some(dir) = value("-L").or_else(|| word.strip_prefix("--library-path=")) {
            search.push(dir);
        } else if let Some(dir) = word.strip_prefix("--sysroot=") {
            sysroot = Some(Utf8Path::new(dir));
        } else if ["-o", "--output", "--dependency-file"].contains(&word) {
            // Of the link, CMake wants to know what was read; nobody would read that.
            words.next();
        } else if !word.starts_with("--dependency-file=") && !word.starts_with("--output=") {
            kept.push(word);
        }
    }
    let rooted = |dir: &str| match (dir.strip_prefix('='), sysroot) {
        (Some(below), Some(sysroot)) => sysroot.join(below.trim_start_matches('/')),
        _ => places.build.join(dir),
    };
    let mut reader = Reader {
        places,
        search: search.into_iter().map(rooted).collect(),
        files: BTreeMap::new(),
        is_static: vec![false],
        words: Vec::new(),
        model: false,
    };
    let mut kept = kept.into_iter();
    while let Some(word) = kept.next() {
        reader.word(word, &mut kept)?;
    }
    if !reader.model {
        return Err(LinkFault::NoModel(places.model.to_owned()));
    }
    let Reader { words, files, .. } = reader;
    Ok(ReadCommand { command: LinkCommand { words }, files })
}

struct Reader<'a> {
    places: &'a LinkPlaces<'a>,
    search: Vec<Utf8PathBuf>,
    files: BTreeMap<Utf8PathBuf, ShardPath>,
    /// Whether archives alone are searched; one for each `--push-state`.
    is_static: Vec<bool>,
    words: Vec<Word>,
    model: bool,
}

impl Reader<'_> {
    fn word<'w>(
        &mut self,
        word: &'w str,
        more: &mut impl Iterator<Item = &'w str>,
    ) -> Result<(), LinkFault> {
        if !word.starts_with('-') {
            return self.input(word, DEPTH);
        }
        let library = word.strip_prefix("--library=").or_else(|| word.strip_prefix("-l"));
        if let (Some(name), false) = (library, is_known(word)) {
            let name = match name {
                "" => more.next().ok_or(LinkFault::NoName)?,
                name => name,
            };
            return self.library(name, DEPTH);
        }
        let last = self.is_static.last().copied().unwrap_or_default();
        match word.trim_start_matches('-') {
            "Bstatic" | "static" | "dn" | "non_shared" => self.set_static(true),
            "Bdynamic" | "dy" | "call_shared" => self.set_static(false),
            "push-state" => self.is_static.push(last),
            "pop-state" => drop(self.is_static.pop()),
            _ => {}
        }
        match option(word) {
            Some(Takes::Nothing) => self.words.push(vec![text(word)]),
            Some(Takes::Next(values)) => {
                let value = more.next().ok_or_else(|| LinkFault::NoValue(word.to_owned()))?;
                if !values.takes(value) {
                    let (option, value) = (word.to_owned(), value.to_owned());
                    return Err(LinkFault::Value { option, value });
                }
                self.words.extend([vec![text(word)], vec![text(value)]]);
            }
            Some(Takes::File(name, value)) => {
                let value = match value {
                    Some(value) => value,
                    None => more.next().ok_or_else(|| LinkFault::NoValue(word.to_owned()))?,
                };
                let path = self.places.build.join(value);
                (self.places.read)(&path).ok_or_else(|| LinkFault::Absent(path.clone()))?;
                let file = self.file(&path)?;
                self.words.push(vec![text(&format!("--{name}=")), Piece::Kit(file)]);
            }
            None => return Err(LinkFault::Argument(word.to_owned())),
        }
        Ok(())
    }

    fn set_static(&mut self, to: bool) {
        match self.is_static.last_mut() {
            Some(last) => *last = to,
            None => self.is_static.push(to),
        }
    }

    /// A file that is named by its path.
    fn input(&mut self, name: &str, depth: usize) -> Result<(), LinkFault> {
        let path = self.places.build.join(name);
        if path == self.places.model {
            self.model = true;
            self.words.push(vec![Piece::Model]);
            return Ok(());
        }
        if name.starts_with('@') {
            return Err(LinkFault::ArgumentFile(name.to_owned()));
        }
        let bytes = (self.places.read)(&path).ok_or_else(|| LinkFault::Absent(path.clone()))?;
        match linker_script::kind(&bytes) {
            Kind::Code => {
                let file = self.file(&path)?;
                self.words.push(vec![Piece::Kit(file)]);
                Ok(())
            }
            Kind::Script => self.script(&path, &bytes, depth),
            kind => Err(LinkFault::NotCode { path, kind }),
        }
    }

    /// A library that is searched for by its name.
    fn library(&mut self, name: &str, depth: usize) -> Result<(), LinkFault> {
        let is_static = self.is_static.last().copied().unwrap_or_default();
        let names = match name.strip_prefix(':') {
            Some(file) => vec![file.to_owned()],
            None if is_static => vec![format!("lib{name}.a")],
            None => vec![format!("lib{name}.so"), format!("lib{name}.a")],
        };
        let found = self.search.iter().flat_map(|dir| names.iter().map(|name| dir.join(name)));
        let found = found.into_iter().find_map(|path| Some(((self.places.read)(&path)?, path)));
        let (bytes, path) = found.ok_or_else(|| LinkFault::NoLibrary(name.to_owned()))?;
        match linker_script::kind(&bytes) {
            Kind::Script => self.script(&path, &bytes, depth),
            Kind::Code => {
                let file_name = path.file_name().unwrap_or_default();
                let kept = named(&path, &format!("{LIBRARIES}/{file_name}"))?;
                let other = self.files.iter().find(|(from, to)| **to == kept && **from != path);
                if let Some((other, _)) = other {
                    return Err(LinkFault::SameName { other: other.clone(), path });
                }
                self.files.insert(path.clone(), kept);
                self.words.push(vec![text(&format!("-l:{file_name}"))]);
                Ok(())
            }
            kind => Err(LinkFault::NotCode { path, kind }),
        }
    }

    /// What a script in the place of a library names.
    fn script(&mut self, path: &Utf8Path, bytes: &[u8], depth: usize) -> Result<(), LinkFault> {
        let refused = |why| LinkFault::Script { path: path.to_owned(), why };
        let depth = depth.checked_sub(1).ok_or_else(|| refused(ScriptFault::Itself))?;
        for entry in linker_script::entries(bytes).map_err(refused)? {
            match entry {
                Entry::Option(word) => self.words.push(vec![text(word)]),
                Entry::Library(name) => self.library(&name, depth)?,
                Entry::File(name) => {
                    let beside = path.with_file_name(&name);
                    let mut places = vec![beside];
                    places.extend(self.search.iter().map(|dir| dir.join(&name)));
                    let found =
                        places.into_iter().find(|place| (self.places.read)(place).is_some());
                    let found = found.ok_or_else(|| refused(ScriptFault::Absent(name)))?;
                    self.input(found.as_str(), depth)?;
                }
            }
        }
        Ok(())
    }

    /// The name that a file gets in the kit.
    fn file(&mut self, path: &Utf8Path) -> Result<ShardPath, LinkFault> {
        if let Some(known) = self.files.get(path) {
            return Ok(known.clone());
        }
        let name = path.file_name().unwrap_or("file");
        let name = named(path, &format!("files/{:03}-{name}", self.files.len()))?;
        self.files.insert(path.to_owned(), name.clone());
        Ok(name)
    }
}

fn named(path: &Utf8Path, name: &str) -> Result<ShardPath, LinkFault> {
    name.parse().map_err(|why| LinkFault::Name { path: path.to_owned(), why })
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

/// What follows an option.
enum Takes<'a> {
    /// Nothing, or it is in the word.
    Nothing,
    /// A value.
    Next(Value),
    /// A file: the option's name, and the value if it is in the word.
    File(&'a str, Option<&'a str>),
}

fn is_known(word: &str) -> bool {
    option(word).is_some()
}

/// What an option takes, if it is one that a kit may have: none starts a program, loads code, reads
/// arguments elsewhere, writes a file beside the library, or has the library find others by a path. What
/// lld knows besides is not told from what it does not.
fn option(word: &str) -> Option<Takes<'_>> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    if ALONE.contains(&name) {
        return Some(Takes::Nothing);
    }
    // lld has no other option that begins like this.
    if let Some(keyword) = word.strip_prefix("-z").filter(|keyword| !keyword.is_empty()) {
        return Value::Keyword.takes(keyword).then_some(Takes::Nothing);
    }
    let (name, value) = match name.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (name, None),
    };
    if FILES.contains(&name) {
        return Some(Takes::File(name, value));
    }
    let (_, values) = VALUED.iter().find(|(valued, _)| *valued == name)?;
    match value {
        None => Some(Takes::Next(*values)),
        // `-m=…` is another word to lld.
        Some(value) => (name.len() > 1 && values.takes(value)).then_some(Takes::Nothing),
    }
}

/// A file's name that is no option and no list of arguments.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
}

/// Where a command is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewPlaces<'a> {
    pub(super) kit: &'a Utf8Path,
    pub(super) model: &'a Utf8Path,
    pub(super) output: &'a Utf8Path,
}

impl LinkCommand {
    /// The arguments at these places; with that for large pages, if there is none.
    pub(super) fn at(&self, places: &NewPlaces<'_>) -> Vec<String> {
        let mut arguments = vec!["-o".to_owned(), places.output.to_string()];
        arguments.push(format!("-L{}", places.kit.join(LIBRARIES)));
        arguments.extend(self.words.iter().map(|word| written(word, places)));
        // The last one counts.
        let size = arguments.iter().filter_map(|word| page_size(word)).next_back();
        if size.is_none_or(|size| size < PAGE) {
            arguments.extend(["-z".to_owned(), format!("max-page-size={PAGE}")]);
        }
        arguments
    }

    /// Says what of it could have a linker do anything but link. A kit may be a stranger's.
    pub(super) fn refusal(&self) -> Option<String> {
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            let is_safe = match word.as_slice() {
                [Piece::Model | Piece::Kit(_)] => true,
                [Piece::Text(text)] if text.starts_with("-l") => library_of(text).is_some(),
                [Piece::Text(text)] => match option(text) {
                    Some(Takes::Nothing) => true,
                    Some(Takes::Next(values)) => match words.next().map(Vec::as_slice) {
                        Some([Piece::Text(value)]) if values.takes(value) => true,
                        Some(value) => {
                            let value = shown(value);
                            return Some(format!("it has the argument `{text} {value:.80}`"));
                        }
                        None => false,
                    },
                    Some(Takes::File(..)) | None => false,
                },
                [Piece::Text(text), Piece::Kit(_)] => {
                    matches!(option(text), Some(Takes::File(_, Some(""))))
                }
                _ => false,
            };
            if !is_safe {
                return Some(format!("it has the argument `{:.80}`", shown(word)));
            }
        }
        None
    }

    /// The files of the kit that it reads, and whether they hold code: a linker takes other files for
    /// scripts, which may name any place.
    pub(super) fn files(&self) -> impl Iterator<Item = (ShardPath, bool)> {
        self.words.iter().flat_map(|word| {
            let is_input = word.len() == 1;
            word.iter().filter_map(move |piece| match piece {
                Piece::Kit(file) => Some((file.clone(), is_input)),
                Piece::Text(text) => Some((library_of(text)?, true)),
                Piece::Model => None,
            })
        })
    }
}

/// The file of the kit that `-l:libc.so` means.
fn library_of(word: &str) -> Option<ShardPath> {
    let name = word.strip_prefix("-l:").filter(|name| !name.contains('/'))?;
    format!("{LIBRARIES}/{name}").parse().ok()
}

fn shown(word: &[Piece]) -> String {
    let places = NewPlaces { kit: "<kit>".into(), model: "<model>".into(), output: "".into() };
    written(word, &places)
}

fn written(word: &[Piece], places: &NewPlaces<'_>) -> String {
    let pieces = word.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Kit(file) => places.kit.join(file.as_path()).into_string(),
        Piece::Model => places.model.to_string(),
    });
    pieces.collect()
}

/// The value of `max-page-size=16384`.
fn page_size(word: &str) -> Option<u64> {
    number(word.trim_start_matches("-z").strip_prefix("max-page-size=")?)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
#[path = "tests/link_command.rs"]
mod tests;
