use camino::Utf8Path;
use serde::Serialize;

use super::blob::{Constant, DeviceKind, FunctionKind};
use super::kernels::BadKernel;
use super::memory::{Memory, MemoryError, memory};
use super::metadata::Metadata;
use super::object::{ObjectFormat, Platform, Processor};
use super::{LoadedBlob, ModelLibrary};
use crate::model::{Device, Metal};

/// What is inside a library file.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The file's size in bytes.
    pub bytes: u64,
    /// The phone it can be for, as far as its objects say.
    pub device: Option<Device>,
    /// Its objects.
    pub objects: Vec<InspectedObject>,
    /// Its model libraries: one, or all of an archive.
    pub libraries: Vec<InspectedLibrary>,
    /// Those whose blob cannot be read.
    pub unreadable: Vec<UnreadableLibrary>,
}

/// A model library whose blob cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct UnreadableLibrary {
    /// The name an app loads it by.
    pub model_lib: String,
    /// The prefix of its symbols.
    pub prefix: String,
    /// What is wrong with its blob.
    pub why: String,
}

/// One object file.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedObject {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its format.
    pub format: ObjectFormat,
    /// The processor it is for.
    pub processor: Processor,
    /// The system it says it is for.
    pub platform: Option<Platform>,
    /// Bytes of machine code.
    pub code: u64,
    /// Bytes of data that is loaded.
    pub data: u64,
}

/// One model library.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedLibrary {
    /// The name an app loads it by.
    pub model_lib: String,
    /// The prefix of its symbols.
    pub prefix: String,
    /// The bytes of its blob.
    pub blob: u64,
    /// The modules of its blob: kind and bytes.
    pub modules: Vec<InspectedModule>,
    /// The functions that the app calls.
    pub functions: Vec<InspectedFunction>,
    /// The functions it calls itself.
    pub calls: Vec<String>,
    /// How its kernels for Apple's GPUs are stored; none where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metal: Option<Metal>,
    /// Its kernels, the largest first.
    pub kernels: Vec<InspectedKernel>,
    /// The bytes of code of all kernels.
    pub kernel_bytes: u64,
    /// The bytes thereof that a source without repeats would save.
    pub repeated_kernel_bytes: u64,
    /// How many constants it has.
    pub constants: usize,
    /// The bytes of their tensors.
    pub constant_bytes: u64,
    /// What the model needs at run time.
    pub memory: Option<Memory>,
    /// Why that cannot be told, where there is no `memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_unknown: Option<String>,
    /// Whether the model's config would tell it.
    #[serde(skip)]
    pub(super) wants_chat_config: bool,
    /// What the compiler says of the model.
    pub metadata: Metadata,
}

/// One module of a blob.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedModule {
    /// What it is.
    pub kind: String,
    /// Its bytes.
    pub bytes: u64,
}

/// One function of a library.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedFunction {
    /// Its name.
    pub name: String,
    /// How many arguments it takes.
    pub arguments: i64,
}

/// One kernel of a library.
#[derive(Clone, Debug, Serialize)]
pub struct InspectedKernel {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub on: DeviceKind,
    /// The bytes of its code, repeats left out.
    pub bytes: u64,
    /// Whether clang compiles it; none where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiles: Option<bool>,
    /// What it says, if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl InspectedLibrary {
    /// Notes which kernels compile: all that the phone compiles from source, but these.
    pub fn note_kernels(&mut self, bad: &[BadKernel]) {
        if self.metal == Some(Metal::Metallib) {
            return;
        }
        for kernel in &mut self.kernels {
            let found = bad.iter().find(|bad| bad.name == kernel.name);
            kernel.compiles = Some(found.is_none());
            kernel.error = found.map(BadKernel::what);
        }
    }
}

/// Looks into a library. `number` gives a number of the model's `mlc-chat-config.json`, where there
/// is one, by the library's name and the field's: some shapes are known by name only.
pub fn inspect(
    library: &ModelLibrary<'_>,
    number: &dyn Fn(&str, &str) -> Option<i64>,
) -> Inspection {
    let objects: Vec<_> = library
        .members
        .iter()
        .map(|member| InspectedObject {
            name: member.name.to_owned(),
            bytes: member.bytes.len() as u64,
            format: member.object.format,
            processor: member.object.processor,
            platform: member.object.platform,
            code: member.object.code,
            data: member.object.data,
        })
        .collect();
    let (mut libraries, mut unreadable) = (Vec::new(), Vec::new());
    for entry in &library.blobs {
        match &entry.loaded {
            Ok(blob) => libraries.push(inspect_blob(blob, library.path, number)),
            Err(why) => unreadable.push(UnreadableLibrary {
                model_lib: model_lib(entry.prefix).to_owned(),
                prefix: entry.prefix.to_owned(),
                why: why.to_string(),
            }),
        }
    }
    let device = device(&objects);
    Inspection { bytes: library.file_bytes, device, objects, libraries, unreadable }
}

/// The name that goes with a prefix.
pub fn model_lib(prefix: &str) -> &str {
    prefix.strip_suffix('_').unwrap_or(prefix)
}

/// The phone that the objects can be for: TVM's for iPhone name no platform.
fn device(objects: &[InspectedObject]) -> Option<Device> {
    let platforms = || objects.iter().filter_map(|object| object.platform);
    let first = objects.first()?;
    match (first.format, first.processor) {
        (ObjectFormat::Elf, Processor::Arm64) => Some(Device::Android),
        (ObjectFormat::MachO, _) if platforms().any(|p| p == Platform::MacCatalyst) => {
            Some(Device::Macabi)
        }
        (ObjectFormat::MachO, Processor::Arm64) if platforms().all(|p| p == Platform::Ios) => {
            Some(Device::Iphone)
        }
        _ => None,
    }
}

fn inspect_blob(
    loaded: &LoadedBlob<'_>,
    path: &Utf8Path,
    number: &dyn Fn(&str, &str) -> Option<i64>,
) -> InspectedLibrary {
    // A shared library has no prefix: it is loaded by its file's name.
    let model_lib = match model_lib(loaded.prefix) {
        "" => path.file_stem().unwrap_or_default(),
        name => name,
    };
    let memory = memory(&loaded.metadata, &|name| number(model_lib, name));
    let unknown = memory.as_ref().err();
    let functions = &loaded.executable.functions;
    let parsed: Vec<_> = loaded
        .devices
        .iter()
        .flat_map(|device| device.kernels().into_iter().map(|kernel| (device.kind, kernel)))
        .collect();
    let mut kernels: Vec<_> = parsed
        .iter()
        .map(|(on, kernel)| InspectedKernel {
            name: kernel.name.to_owned(),
            on: *on,
            bytes: kernel.own(),
            compiles: None,
            error: None,
        })
        .collect();
    kernels.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    InspectedLibrary {
        model_lib: model_lib.to_owned(),
        prefix: loaded.prefix.to_owned(),
        blob: loaded.blob.size as u64,
        modules: loaded
            .blob
            .modules
            .iter()
            .map(|module| InspectedModule {
                kind: module.kind.to_owned(),
                bytes: module.payload.map_or(0, |payload| payload.len() as u64),
            })
            .collect(),
        functions: functions
            .iter()
            .filter(|function| function.kind == FunctionKind::Vm)
            .map(|function| InspectedFunction {
                name: function.name.to_owned(),
                arguments: function.arguments,
            })
            .collect(),
        calls: functions
            .iter()
            .filter(|function| function.kind != FunctionKind::Vm)
            .map(|function| function.name.to_owned())
            .collect(),
        kernels,
        metal: loaded.metal(),
        kernel_bytes: loaded.devices.iter().map(|device| device.code_bytes).sum(),
        repeated_kernel_bytes: parsed.iter().map(|(_, kernel)| kernel.repeated).sum(),
        constants: loaded.executable.constants.len(),
        constant_bytes: loaded
            .executable
            .constants
            .iter()
            .map(|constant| match constant {
                Constant::Tensor { data, .. } => data.len() as u64,
                _ => 0,
            })
            .sum(),
        memory_unknown: unknown.map(ToString::to_string),
        wants_chat_config: matches!(unknown, Some(MemoryError::UnknownDimension { .. })),
        memory: memory.ok(),
        metadata: loaded.metadata.clone(),
    }
}
