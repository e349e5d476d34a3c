//! Compiling what the store lacks, several at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::FailedCompilation;
use super::record::{LOG, NewLibrary};
use super::{CompileError, CompileErrors, Failure, LibraryStore, StoredLibrary};
use crate::io::contents::Contents;
use crate::io::process::Cancel;
use crate::io::reason;
use crate::model::{CompileInputs, Fingerprint, JitPolicy, KernelsChecked, LibraryName};
use crate::store::{Lookup, Miss};

/// How many of a log's lines an error carries.
const LINES: usize = 20;

/// One library to be had.
#[derive(Clone, Debug)]
pub struct CompileJob {
    /// Its address in the store: the digest of `inputs`.
    pub fingerprint: Fingerprint,
    /// What it is made from.
    pub inputs: CompileInputs,
    /// The `mlc-chat-config.json` that the compiler gets, byte for byte.
    pub chat_config: Vec<u8>,
}

/// Where a compiler finds and puts things; all paths are absolute.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The file to write.
    pub library: Utf8PathBuf,
    /// The file for whatever the compiler prints.
    pub log: Utf8PathBuf,
    /// An empty directory that is removed afterwards.
    pub work: Utf8PathBuf,
}

/// Something that compiles model libraries.
pub trait Compiler: Sync {
    /// Writes one library, a file that is not empty, or says why not.
    fn compile(&self, job: &CompileJob, space: &Workspace, cancel: &Cancel) -> Result<(), Failure>;
}

/// Looks into a library that was just compiled, and says what of its kernels is to be remembered;
/// what it refuses never enters the store.
pub type Check<'a> =
    dyn Fn(&CompileJob, &Utf8Path) -> Result<Option<KernelsChecked>, Failure> + Sync + 'a;

/// Something a person may want to see.
#[derive(Debug)]
pub enum CompileEvent<'a> {
    /// Another process (or thread) makes this library; we wait for it.
    Waiting {
        /// The library.
        model_lib: &'a LibraryName,
        /// The lock it holds.
        lock: &'a Utf8Path,
    },
    /// Compilation begins.
    Started {
        /// The library.
        model_lib: &'a LibraryName,
    },
    /// It is in the store.
    Finished {
        /// The library.
        model_lib: &'a LibraryName,
        /// How long the compiler ran; none if somebody else made it while we waited.
        seconds: Option<f64>,
        /// The compiler's log.
        log: &'a Utf8Path,
    },
    /// It failed. The error is returned as well, with those of the others.
    Failed {
        /// The library.
        model_lib: &'a LibraryName,
        /// Why.
        error: &'a CompileError,
    },
}

/// What is to be compiled, and how.
pub struct CompileRequest<'a> {
    /// The libraries.
    pub jobs: &'a [CompileJob],
    /// Whether compiling is allowed.
    pub policy: JitPolicy,
    /// How many compilers run at a time.
    pub parallel: NonZeroUsize,
    /// What is asked about every new library.
    pub check: &'a Check<'a>,
    /// Who hears of progress, from several threads.
    pub events: &'a (dyn Fn(CompileEvent<'_>) + Sync),
    /// Asks to stop.
    pub cancel: &'a Cancel,
}

/// A library, and how it was had.
#[derive(Clone, Debug)]
pub struct CompiledLibrary {
    /// The library in the store.
    pub stored: StoredLibrary,
    /// Whether it was there before.
    pub cached: bool,
    /// What it holds, if it was read to verify it.
    pub contents: Option<Arc<Contents>>,
}

impl CompiledLibrary {
    /// One that the store has, read and verified at once.
    fn cached(store: &LibraryStore, job: &CompileJob) -> Result<Self, Miss> {
        let stored = match store.hold_unread(job.fingerprint) {
            Lookup::Hit(stored) => *stored,
            Lookup::Miss(miss) => return Err(miss),
        };
        let contents = stored.read().map_err(Miss::Damaged)?.pop().map(Arc::new);
        Ok(Self { stored, cached: true, contents })
    }
}

/// Gives the libraries of all jobs, in their order, and compiles those that the store lacks.
/// Jobs of one fingerprint are one compilation.
///
/// A library that fails to compile does not stop the others: they are in the store for the next
/// run, and every failure is in the error. Where the machine is what fails, nothing new is begun,
/// but what runs is let finish. If asked to stop, what runs is ended.
pub fn compile_all(
    compiler: &dyn Compiler,
    store: &LibraryStore,
    request: &CompileRequest<'_>,
) -> Result<Vec<CompiledLibrary>, CompileErrors> {
    let mut had = BTreeMap::new();
    let mut missing: Vec<&CompileJob> = Vec::new();
    let mut refused = Vec::new();
    for job in request.jobs {
        let model_lib = || job.inputs.model_lib.clone();
        match request.policy {
            JitPolicy::Off => refused.push(CompileError::PolicyOff { model_lib: model_lib() }),
            JitPolicy::Redo => missing.push(job),
            JitPolicy::On | JitPolicy::ReadOnly => match CompiledLibrary::cached(store, job) {
                Ok(library) => drop(had.insert(job.fingerprint, library)),
                Err(why) if request.policy == JitPolicy::ReadOnly => {
                    let reason = reason_of(&why);
                    refused.push(CompileError::PolicyReadOnly { model_lib: model_lib(), reason });
                }
                Err(_) => missing.push(job),
            },
        }
    }
    if !refused.is_empty() {
        return Err(CompileErrors(refused));
    }
    let mut seen = std::collections::BTreeSet::new();
    missing.retain(|job| seen.insert(job.fingerprint));
    if !missing.is_empty() {
        had.extend(compile_missing(compiler, store, request, &missing)?);
    }
    let libraries = request.jobs.iter().filter_map(|job| had.get(&job.fingerprint).cloned());
    Ok(libraries.collect())
}

fn compile_missing(
    compiler: &dyn Compiler,
    store: &LibraryStore,
    request: &CompileRequest<'_>,
    missing: &[&CompileJob],
) -> Result<Vec<(Fingerprint, CompiledLibrary)>, CompileErrors> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        while !stopped.load(Ordering::SeqCst) {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(job) = missing.get(index) else { return };
            let result = compile_one(compiler, store, request, job);
            if let Err(error) = &result {
                stopped.fetch_or(!error.is_of_one_library(), Ordering::SeqCst);
                let model_lib = &job.inputs.model_lib;
                (request.events)(CompileEvent::Failed { model_lib, error });
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(index, result.map(|library| (job.fingerprint, library)));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..request.parallel.get().min(missing.len()) {
            scope.spawn(work);
        }
        work();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut libraries, mut errors) = (Vec::new(), Vec::new());
    for result in results.into_values() {
        match result {
            Ok(library) => libraries.push(library),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(libraries) } else { Err(CompileErrors(errors)) }
}

fn compile_one(
    compiler: &dyn Compiler,
    store: &LibraryStore,
    request: &CompileRequest<'_>,
    job: &CompileJob,
) -> Result<CompiledLibrary, CompileError> {
    let model_lib = &job.inputs.model_lib;
    let waiting = |lock: &Utf8Path| (request.events)(CompileEvent::Waiting { model_lib, lock });
    let Some(entry) = store.begin(job.fingerprint, request.cancel, waiting)? else {
        return Err(CompileError::Interrupted);
    };
    let (stored, seconds) = match store.hold(job.fingerprint) {
        // Somebody was faster.
        Lookup::Hit(stored) if request.policy != JitPolicy::Redo => (*stored, None),
        _ => {
            (request.events)(CompileEvent::Started { model_lib });
            let began = Instant::now();
            let space =
                Workspace { library: entry.library(), log: entry.log(), work: entry.work() };
            let failed = |failure| explain(failure, &entry, model_lib);
            compiler.compile(job, &space, request.cancel).map_err(failed)?;
            let seconds = began.elapsed().as_secs_f64();
            let kernels = (request.check)(job, &space.library).map_err(failed)?;
            (entry.keep(&job.inputs, seconds, kernels)?, Some(seconds))
        }
    };
    (request.events)(CompileEvent::Finished { model_lib, seconds, log: &stored.log() });
    Ok(CompiledLibrary { stored, cached: seconds.is_none(), contents: None })
}

fn reason_of(miss: &Miss) -> String {
    match miss {
        Miss::Absent => "not compiled yet".to_owned(),
        Miss::Damaged(why) => format!("the stored library is damaged: {why}"),
    }
}

fn explain(failure: Failure, entry: &NewLibrary, model_lib: &LibraryName) -> CompileError {
    if matches!(failure, Failure::Cancelled) {
        return CompileError::Interrupted;
    }
    // Before it is moved: on a full disk it may have to stay and be lost.
    let reason = reason::of_python(&entry.log(), LINES);
    CompileError::Compilation(Box::new(FailedCompilation {
        model_lib: model_lib.clone(),
        failure,
        log: entry.keep_log(LOG, model_lib.as_str()),
        reason,
        cache_dir: entry.cache_dir().to_owned(),
    }))
}

#[cfg(test)]
#[path = "tests/run.rs"]
mod tests;
