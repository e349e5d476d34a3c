use std::collections::{BTreeMap, BTreeSet, HashSet};

use camino::Utf8Path;
use object::macho;
use object::read::archive::ArchiveFile;

use super::families::{Caller, is_shipped, remedy};
use super::macho::Object;
use super::{BLOB_SUFFIX, LinkCode, LinkProblem, LinkedModel, shown, some_of};
use crate::model::{Device, MacabiArch, pinned};

/// How many members of one archive are named for one problem.
const MEMBERS_NAMED: usize = 3;

/// A static library.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    /// Its name, for messages.
    pub path: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// All that an Apple app links of us.
#[derive(Clone, Copy, Debug)]
pub struct Archives<'a> {
    /// `libmodel_iphone.a` and what is shipped beside it.
    pub archives: &'a [Archive<'a>],
    /// The models that must be in them.
    pub models: &'a [LinkedModel<'a>],
    /// iPhone or Mac Catalyst.
    pub device: Device,
    /// The processor of Mac Catalyst.
    pub macabi_arch: MacabiArch,
}

/// Everything that is wrong with the static libraries of an app: members for another processor or
/// system, models that are not there, symbols of TVM or MLC LLM that none of them defines. What
/// the system's libraries and frameworks define is not looked for.
pub fn check_archives(archives: &Archives<'_>) -> Vec<LinkProblem> {
    let mut problems = Vec::new();
    let mut defined = HashSet::new();
    let mut undefined: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for archive in archives.archives {
        let (objects, unreadable) = read(archive);
        problems.extend(unreadable);
        problems.extend(foreign(archive, &objects, archives));
        let needed = objects.iter().flat_map(|(_, object)| object.undefined.iter().copied());
        undefined.push((archive.path, needed.filter(|name| is_shipped(name)).collect()));
        defined.extend(objects.into_iter().flat_map(|(_, object)| object.defined));
    }
    problems.extend(missing_models(archives, &defined));
    for (path, needed) in undefined {
        let missing: Vec<_> = needed.into_iter().filter(|name| !defined.contains(name)).collect();
        if !missing.is_empty() {
            problems.push(LinkProblem {
                path: path.to_owned(),
                code: LinkCode::UndefinedSymbol,
                message: format!("no library that is shipped defines {}", some_of(&missing)),
                help: remedy(&missing, caller(path, archives.device)),
            });
        }
    }
    problems
}

type Members<'a> = Vec<(String, Object<'a>)>;

/// The objects of an archive, and what is wrong with those that are none.
fn read<'a>(archive: &Archive<'a>) -> (Members<'a>, Vec<LinkProblem>) {
    let mut objects = Vec::new();
    let mut bad = Vec::new();
    let problem = |message: String| LinkProblem {
        path: archive.path.to_owned(),
        code: LinkCode::Unreadable,
        message,
        help: "build the binding again with `--rebuild-binding`; a universal library must be \
               thinned to one processor with `lipo -thin`"
            .to_owned(),
    };
    if is_shared(archive.bytes) {
        let message = "it is a shared library: newer sources of MLC LLM build a part of TVM's \
                       runtime as one, and an app that links the static libraries lacks it";
        let help = format!("check out the pinned sources: `{}`", pinned::check_out_sources());
        let path = archive.path.to_owned();
        let code = LinkCode::Unreadable;
        return (objects, vec![LinkProblem { path, code, message: message.to_owned(), help }]);
    }
    let file = match ArchiveFile::parse(archive.bytes) {
        Ok(file) if !file.is_thin() => file,
        Ok(_) => return (objects, vec![problem("it is a thin archive".to_owned())]),
        Err(why) => return (objects, vec![problem(format!("it is not a static library: {why}"))]),
    };
    for member in file.members() {
        let member = match member {
            Ok(member) => member,
            Err(why) => {
                bad.push(format!("a member is damaged: {why}"));
                break;
            }
        };
        let name = shown(&String::from_utf8_lossy(member.name()));
        let object = member.data(archive.bytes).map_err(|why| why.to_string());
        match object.and_then(|bytes| Object::parse(bytes).map_err(|why| why.to_string())) {
            Ok(object) => objects.push((name, object)),
            // What Rust and others put beside objects is no linker's business.
            Err(_) if !name.ends_with(".o") => {}
            Err(why) => bad.push(format!("its member `{name}` cannot be linked: {why}")),
        }
    }
    let more = bad.len().saturating_sub(MEMBERS_NAMED);
    bad.truncate(MEMBERS_NAMED);
    if more > 0 {
        bad.push(format!("{more} more members cannot be linked"));
    }
    if objects.is_empty() && bad.is_empty() {
        bad.push("it has no objects in it".to_owned());
    }
    (objects, bad.into_iter().map(problem).collect())
}

/// Whether this is a Mach-O library that is loaded, not linked into an app (`MH_DYLIB`).
fn is_shared(bytes: &[u8]) -> bool {
    use object::Object as _;
    object::File::parse(bytes).is_ok_and(|file| file.kind() == object::ObjectKind::Dynamic)
}

/// Members for another processor or another system.
fn foreign(
    archive: &Archive<'_>,
    objects: &Members<'_>,
    wanted: &Archives<'_>,
) -> Vec<LinkProblem> {
    let (processor, platform) = target(wanted);
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, object) in objects {
        if object.processor != processor {
            kinds.entry(processor_name(object.processor)).or_default().push(name);
        } else if let Some(other) = object.platform.filter(|other| *other != platform) {
            kinds.entry(platform_name(other)).or_default().push(name);
        }
    }
    let problem = |(kind, members): (String, Vec<&str>)| LinkProblem {
        path: archive.path.to_owned(),
        code: LinkCode::WrongTarget,
        message: format!(
            "{} for {kind}, not for {} on {}: {}",
            if members.len() == 1 {
                "a member is".to_owned()
            } else {
                format!("{} members are", members.len())
            },
            platform_name(platform),
            processor_name(processor),
            some_of(&members),
        ),
        help: match wanted.device {
            Device::Macabi => format!(
                "build it with `ios/prepare_libs.sh --catalyst --arch {}`",
                wanted.macabi_arch
            ),
            _ => {
                "build it with `ios/prepare_libs.sh`, without --simulator and --catalyst".to_owned()
            }
        },
    };
    kinds.into_iter().map(problem).collect()
}

/// Who calls what an archive needs: the models' own is that of the models.
fn caller(path: &str, device: Device) -> Caller {
    match Utf8Path::new(path).file_name() == Some(device.archive_name()) {
        true => Caller::Models,
        false => Caller::Sources,
    }
}

fn target(wanted: &Archives<'_>) -> (macho::CpuType, macho::Platform) {
    match (wanted.device, wanted.macabi_arch) {
        (Device::Macabi, MacabiArch::X86_64) => {
            (macho::CPU_TYPE_X86_64, macho::PLATFORM_MACCATALYST)
        }
        (Device::Macabi, MacabiArch::Arm64) => (macho::CPU_TYPE_ARM64, macho::PLATFORM_MACCATALYST),
        _ => (macho::CPU_TYPE_ARM64, macho::PLATFORM_IOS),
    }
}

fn processor_name(processor: macho::CpuType) -> String {
    match processor {
        macho::CPU_TYPE_ARM64 => "arm64".to_owned(),
        macho::CPU_TYPE_X86_64 => "x86_64".to_owned(),
        other => format!("processor {:#x}", other.0),
    }
}

fn platform_name(platform: macho::Platform) -> String {
    match platform {
        macho::PLATFORM_MACOS => "macOS".to_owned(),
        macho::PLATFORM_IOS => "iOS".to_owned(),
        macho::PLATFORM_MACCATALYST => "Mac Catalyst".to_owned(),
        macho::PLATFORM_IOSSIMULATOR => "the iOS simulator".to_owned(),
        other => format!("platform {}", other.0),
    }
}

fn missing_models(archives: &Archives<'_>, defined: &HashSet<&str>) -> Vec<LinkProblem> {
    let path = archives.archives.first().map_or_else(String::new, |first| first.path.to_owned());
    let absent = |model: &&LinkedModel<'_>| {
        !defined.contains(format!("{}{BLOB_SUFFIX}", model.prefix).as_str())
    };
    let problem = |model: &LinkedModel<'_>| LinkProblem {
        path: path.clone(),
        code: LinkCode::MissingModel,
        message: format!(
            "the model library `{}` is not in it (no `{}{BLOB_SUFFIX}`)",
            model.prefix.strip_suffix('_').unwrap_or(model.prefix),
            model.prefix,
        ),
        help: "put the archive that was made of the model libraries beside the others".to_owned(),
    };
    archives.models.iter().filter(absent).map(problem).collect()
}
