use std::collections::BTreeSet;

use object::elf;
use object::read::ReadRef;

use super::families::{Caller, is_shipped, remedy};
use super::shared_object::SharedObject;
use super::{BLOB_SUFFIX, LinkCode, LinkProblem, LinkedModel, some_of};

/// The least alignment of what is mapped: the pages of 16 KiB that Google Play requires support
/// for (Android's guide "Support 16 KB page sizes").
const PAGE: u64 = 16 << 10;
/// What every age of tvm4j has, beside the functions that came and went: what it loads itself by.
const ALWAYS: &str = "Java_org_apache_tvm_LibInfo_nativeLibInit";

/// `libtvm4j_runtime_packed.so`, and what must be in it.
#[derive(Clone, Copy, Debug)]
pub struct SharedLibrary<'a, R> {
    /// Its name, for messages.
    pub path: &'a str,
    /// It, or its bytes.
    pub file: R,
    /// The models that were linked into it.
    pub models: &'a [LinkedModel<'a>],
    /// What the model libraries leave to the runtime.
    pub called: &'a BTreeSet<&'a str>,
    /// The functions that Java calls: those of [`entry_points`] of the sources at hand.
    pub entry_points: &'a [String],
}

/// The names of the JNI functions in the text of `org_apache_tvm_native_c_api.cc` (in TVM's
/// `jvm/native/src/main/native`), which come and go with TVM's C API. What all versions have is
/// always among them.
pub fn entry_points(source: &str) -> Vec<String> {
    let names = source.match_indices("Java_org_apache_tvm_").filter_map(|(at, _)| {
        let before = source.get(..at)?.chars().next_back();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name: String = source.get(at..)?.chars().take_while(|c| is_part(*c)).collect();
        (!before.is_some_and(is_part)).then_some(name)
    });
    let all: BTreeSet<_> = names.chain([ALWAYS.to_owned()]).collect();
    all.into_iter().collect()
}

/// Everything that is wrong with a linked `libtvm4j_runtime_packed.so`.
pub fn check_shared_library<'a, R: ReadRef<'a>>(
    library: &SharedLibrary<'_, R>,
) -> Vec<LinkProblem> {
    let mut found = Found { path: library.path, problems: Vec::new() };
    let models: Vec<_> = library.models.iter().map(blob_symbol).collect();
    let names = models.iter().chain(library.entry_points).map(String::as_str);
    let shared = match SharedObject::parse(library.file, &names.chain([ALWAYS]).collect()) {
        Ok(shared) => shared,
        Err(why) => {
            found.add(
                LinkCode::Unreadable,
                why.to_string(),
                "build the binding again with `--rebuild-binding`",
            );
            return found.problems;
        }
    };
    found.check_target(&shared);
    if shared.is_shared {
        found.check_pages(&shared);
        found.check_models(&shared, library.models);
        found.check_entry_points(&shared, library.entry_points);
        found.check_undefined(&shared, library.called);
    }
    found.problems
}

/// The symbol of a model's library.
fn blob_symbol(model: &LinkedModel<'_>) -> String {
    format!("{}{BLOB_SUFFIX}", model.prefix)
}

struct Found<'a> {
    path: &'a str,
    problems: Vec<LinkProblem>,
}

impl Found<'_> {
    fn add(&mut self, code: LinkCode, message: String, help: impl Into<String>) {
        let path = self.path.to_owned();
        self.problems.push(LinkProblem { path, code, message, help: help.into() });
    }

    fn check_target<R>(&mut self, shared: &SharedObject<'_, R>) {
        let help = "build the binding with the NDK's toolchain file and ANDROID_ABI=arm64-v8a";
        if !shared.is_shared {
            let message = "it is an ELF file, but not a shared object".to_owned();
            self.add(LinkCode::WrongTarget, message, help);
        }
        if shared.processor != elf::EM_AARCH64 {
            let processor = match shared.processor {
                elf::EM_X86_64 => "x86_64".to_owned(),
                elf::EM_ARM => "arm (32 bits)".to_owned(),
                other => format!("processor {}", other.0),
            };
            let message = format!("it is for {processor}; apps need arm64");
            self.add(LinkCode::WrongTarget, message, help);
        }
    }

    fn check_pages<R>(&mut self, shared: &SharedObject<'_, R>) {
        // The loader maps whole pages: place in the file and address must agree in them.
        let fits = |align: u64| align >= PAGE && align.is_power_of_two();
        let bad: Vec<_> = shared
            .loads
            .iter()
            .filter(|load| {
                let congruent = load.address % PAGE == load.offset % PAGE;
                !fits(load.align) || !congruent
            })
            .map(|load| format!("{:#x}", load.align))
            .collect();
        if shared.loads.is_empty() {
            let message = "it has no segment that could be loaded".to_owned();
            self.add(
                LinkCode::Unreadable,
                message,
                "build the binding again with `--rebuild-binding`",
            );
        } else if !bad.is_empty() {
            let kinds: BTreeSet<_> = bad.iter().map(String::as_str).collect();
            let kinds: Vec<_> = kinds.into_iter().collect();
            let message = format!(
                "{} of its {} LOAD segments cannot be mapped where pages have 16 KiB, which \
                 Google Play requires (aligned to {})",
                bad.len(),
                shared.loads.len(),
                kinds.join(", "),
            );
            let help = "put `-Wl,-z,max-page-size=16384` into LDFLAGS, in place of any other page \
                        size, and build with --rebuild-binding; NDK r28 and newer need no flag";
            self.add(LinkCode::PageSize, message, help);
        }
    }

    fn check_models<'a, R: ReadRef<'a>>(
        &mut self,
        shared: &SharedObject<'a, R>,
        models: &[LinkedModel<'_>],
    ) {
        for model in models {
            let symbol = blob_symbol(model);
            let name = model.prefix.strip_suffix('_').unwrap_or(model.prefix);
            let Some(exported) = shared.defined.get(symbol.as_str()) else {
                let message = format!("the model library `{name}` is not in it (no `{symbol}`)");
                let help = "link libmodel_android.a whole (`-Wl,--whole-archive`): apps find \
                            model libraries by what their constructors register";
                self.add(LinkCode::MissingModel, message, help);
                continue;
            };
            if let Some(blob) = model.blob
                && shared.bytes_of(*exported) != Some(blob)
            {
                let message =
                    format!("the model library `{name}` in it is not the one that was compiled");
                self.add(LinkCode::StaleModel, message, "link again with the new archive");
            }
        }
    }

    fn check_entry_points<R>(&mut self, shared: &SharedObject<'_, R>, wanted: &[String]) {
        let wanted = wanted.iter().map(String::as_str).chain([ALWAYS]).collect::<BTreeSet<_>>();
        let missing: Vec<_> =
            wanted.into_iter().filter(|name| !shared.defined.contains_key(name)).collect();
        if !missing.is_empty() {
            let message = format!("Java cannot call it: it does not export {}", some_of(&missing));
            let help = "its JNI part (TVM's jvm/native) was not linked, or is of another TVM than \
                        tvm4j_core.jar: build the binding again with `--rebuild-binding`";
            self.add(LinkCode::MissingEntryPoint, message, help);
        }
    }

    fn check_undefined<R>(&mut self, shared: &SharedObject<'_, R>, called: &BTreeSet<&str>) {
        let undefined = shared.undefined.iter().copied().filter(|name| is_shipped(name));
        let (models, sources): (Vec<_>, Vec<_>) = undefined.partition(|name| called.contains(name));
        for (undefined, caller, who) in [
            (models, Caller::Models, "the model libraries call"),
            (sources, Caller::Sources, "the runtime calls"),
        ] {
            if !undefined.is_empty() {
                let message = format!("{who} {}, which nothing defines", some_of(&undefined));
                self.add(LinkCode::UndefinedSymbol, message, remedy(&undefined, caller));
            }
        }
    }
}
