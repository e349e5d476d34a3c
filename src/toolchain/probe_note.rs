//! What a Python answered, in `<cache-dir>/toolchain/<key>.json`, good for as long as nothing
//! changed that the answer depends on.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::probe::Answer;
use super::sources::DigestNote;
use crate::io::environment::Environment;
use crate::io::file_stamp::{self, FileStamp, Moment};
use crate::io::{dir, files, process};
use crate::model::Digest;
use crate::store::{Bucket, Note};

/// The most a remembered answer may have in bytes.
const LIMIT: u64 = 16 << 20;
/// Environments come and go; more answers than this are removed to begin anew.
const ANSWERS_KEPT: usize = 64;

/// A Python's answer in memory.
#[derive(Debug)]
pub(super) struct ProbeNote {
    record: Record,
    /// It may be written down.
    settled: bool,
    /// It differs from what is written down.
    changed: bool,
}

/// An answer, and what to look at before it is believed again.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    answer: Answer,
    sources: BTreeMap<String, DigestNote>,
    watched: Vec<Watched>,
}

/// One file or directory as it was when the Python was asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watched {
    path: Utf8PathBuf,
    /// None: nothing was there.
    stamp: Option<FileStamp>,
    /// Of a directory, the digest of those names in it that matter: its stamp changes with
    /// every file that comes and goes, such as Python's own `__pycache__`.
    names: Option<Digest>,
}

impl ProbeNote {
    /// What tells one remembered answer from another: the interpreter, and the variables that
    /// Python reads. A script that stands for an interpreter (of pyenv, or somebody's own) may
    /// look at anything: for it, all variables count, and the working directory.
    pub(super) fn key(python: &Utf8Path, environment: &Environment) -> io::Result<Digest> {
        let script = process::is_script(python)?;
        let mut text = format!("{}\0{python}\0", Bucket::TOOLCHAINS.format);
        for (name, value) in environment.for_python() {
            let name = name.to_string_lossy();
            let matters = name.starts_with("PYTHON")
                || ["HOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"].contains(&&*name)
                || (script && !EPHEMERAL.contains(&&*name));
            if matters {
                // Encoded bytes, not the lossy text: two values must not become one.
                let value = Digest::of(value.as_encoded_bytes());
                text += &format!("{name}\0{value}\0");
            }
        }
        if script {
            text += environment.directory.as_str();
        }
        Ok(Digest::of(text.as_bytes()))
    }

    /// The remembered answer, if it is still good.
    pub(super) fn load(cache_dir: &Utf8Path, key: Digest) -> Option<Self> {
        let bytes = note(cache_dir, key).read()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        let good = record.format == Bucket::TOOLCHAINS.format
            && record.watched.iter().all(|watched| watched.is_unchanged().unwrap_or(false));
        good.then_some(Self { record, settled: true, changed: false })
    }

    /// An answer to a question that was asked at this moment.
    pub(super) fn new(
        answer: Answer,
        python: &Utf8Path,
        environment: &Environment,
        asked: Moment,
    ) -> io::Result<Self> {
        let mut paths = answer.watch.clone();
        paths.push(python.to_owned());
        if process::is_script(python)? {
            paths.extend(version_files(environment));
        }
        let watched = paths.into_iter().map(Watched::look).collect::<io::Result<Vec<_>>>()?;
        // A change between the question and now may have gone unseen: then the stamp is newer
        // than the question, and the answer is used once but not remembered.
        let settled = watched.iter().all(|watched| watched.is_settled(asked));
        let record =
            Record { format: Bucket::TOOLCHAINS.format, answer, sources: BTreeMap::new(), watched };
        Ok(Self { record, settled, changed: true })
    }

    /// What the Python said.
    pub(super) fn answer(&self) -> &Answer {
        &self.record.answer
    }

    /// What is remembered of a module's files.
    pub(super) fn sources(&self, name: &str) -> Option<DigestNote> {
        self.record.sources.get(name).copied()
    }

    /// Remembers the digest of a module's files, or forgets it.
    pub(super) fn remember_sources(&mut self, name: &str, remember: Option<DigestNote>) {
        let before = match remember {
            Some(remember) => self.record.sources.insert(name.to_owned(), remember),
            None => self.record.sources.remove(name),
        };
        self.changed |= before != remember;
    }

    /// Writes it down, if there is anything new. Failing to is no failure: the next run asks
    /// again.
    pub(super) fn store(&self, cache_dir: &Utf8Path, key: Digest) {
        if !self.changed || !self.settled {
            return;
        }
        let home = Bucket::TOOLCHAINS.path(cache_dir);
        let names = dir::names(&home).unwrap_or_default();
        if names.len() >= ANSWERS_KEPT {
            for name in names {
                let _ = files::remove_file(&home.join(name));
            }
        }
        if let Ok(text) = serde_json::to_vec(&self.record) {
            let _ = note(cache_dir, key).write(&text);
        }
    }
}

impl Watched {
    fn look(path: Utf8PathBuf) -> io::Result<Self> {
        let stamp = file_stamp::of(&path)?;
        let names = files::is_dir(&path).then(|| relevant_names(&path)).transpose()?;
        Ok(Self { path, stamp, names })
    }

    fn is_settled(&self, moment: Moment) -> bool {
        self.stamp.is_none_or(|stamp| stamp.is_settled(moment))
    }

    fn is_unchanged(&self) -> io::Result<bool> {
        let stamp = file_stamp::of(&self.path)?;
        if stamp == self.stamp {
            return Ok(true);
        }
        match self.names {
            Some(names) if stamp.is_some() && files::is_dir(&self.path) => {
                Ok(relevant_names(&self.path)? == names)
            }
            _ => Ok(false),
        }
    }
}

/// The digest of the names in a directory of Python's search path that decide which compiler
/// is found there: the modules, their distributions, the libraries that checkpoints are converted
/// with, and what changes the search.
fn relevant_names(directory: &Utf8Path) -> io::Result<Digest> {
    let matters = |name: &String| {
        let name = name.to_lowercase();
        MODULES.iter().chain(&LIBRARIES).any(|start| name.starts_with(start))
            || name.contains("editable")
            || name.ends_with(".pth")
            || name.ends_with(".egg-link")
    };
    let names: Vec<_> = dir::names(directory)?.into_iter().filter(matters).collect();
    Ok(Digest::of(names.join("\0").as_bytes()))
}

const MODULES: [&str; 5] = ["mlc", "tvm", "apache", "sitecustomize", "usercustomize"];
/// What checkpoints are converted with; the versions are in the directories' names.
const LIBRARIES: [&str; 6] =
    ["peft-", "sentencepiece-", "tiktoken-", "tokenizers-", "torch-", "transformers-"];

/// Variables that differ from one call to the next and choose no interpreter.
const EPHEMERAL: [&str; 5] = ["_", "SHLVL", "OLDPWD", "COLUMNS", "LINES"];

/// The files in which version managers keep which Python a directory wants.
fn version_files(environment: &Environment) -> Vec<Utf8PathBuf> {
    let names = [".python-version", ".tool-versions", "mise.toml", ".mise.toml"];
    let mut paths: Vec<_> = environment
        .directory
        .ancestors()
        .flat_map(|directory| names.map(|name| directory.join(name)))
        .collect();
    let home = environment.text("HOME").map(|home| Utf8Path::new(home).join(".pyenv"));
    let pyenv = environment.text("PYENV_ROOT").map(Utf8PathBuf::from).or(home);
    paths.extend(pyenv.map(|root| root.join("version")));
    paths
}

fn note(cache_dir: &Utf8Path, key: Digest) -> Note {
    let name = format!("{}.json", &key.to_hex()[..32]);
    Note::new(Bucket::TOOLCHAINS.path(cache_dir).join(name), LIMIT)
}
