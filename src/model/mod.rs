//! Small types that every stage shares. They know their own rules and nothing else of ours.

mod age;
mod artifact;
mod budget;
mod byte_size;
mod chat_config;
mod compiler;
mod config_class;
mod conversion;
mod device;
mod digest;
mod expectation;
pub mod git_lfs;
pub(crate) mod hex;
mod image;
mod kit;
mod kit_choice;
mod library_name;
mod linker;
pub mod loadable;
mod metal;
mod model_choice;
mod model_files;
mod model_id;
mod overrides;
mod overrides_argument;
mod package;
pub mod pinned;
mod policy;
mod portable;
mod project;
mod python_json;
mod quantization;
mod revision;
mod scheme;
mod sha256;
mod shard_path;
mod target;
mod tensor_cache;
pub mod tokenizer_json;
mod tone;
mod trial;
mod visible;

pub use age::{Age, NotAnAge};
pub use artifact::{
    Artifact, ArtifactError, ArtifactKind, ArtifactSettings, MavenArtifact, MavenGroup, MavenId,
    MavenSettings, MavenVersion, SwiftArtifact, SwiftName, SwiftSettings, SwiftVersion,
    version_of_tag,
};
pub use budget::{Budget, Budgets, Level, Levels, Limits, Measure, PackageBudgets};
pub use byte_size::{ByteSize, NotASize, total};
pub use chat_config::{ChatConfig, ChatConfigError};
pub use compiler::{
    CompileInputs, CompileRecord, CompilerIdentity, KernelsChecked, PackageIdentity,
};
pub use config_class::{Completed, ConfigClass, Refused};
pub use conversion::{
    ConvTemplate, Conversion, ResolvedConversion, TemplateOrigin, UnknownConvTemplate,
};
pub use device::{Device, MacabiArch, UnknownDevice};
pub use digest::{Digest, DigestError, Fingerprint};
pub use expectation::{Expectation, ExpectationError};
pub use image::{CompilerChoice, EngineChoice, ImageChoice, ImageName, ImageNameError};
pub use kit::KitInputs;
pub use kit_choice::{KitChoice, KitChoiceError};
pub use library_name::{LibraryName, LibraryNameError};
pub use linker::LinkerChoice;
pub use metal::{Metal, MetalChoice};
pub use model_choice::{ModelChoice, ModelChoiceError};
pub use model_files::{FileCheck, FileRole, ModelFile, ModelFiles};
pub use model_id::{ModelId, ModelIdError};
pub use overrides::{AllReduce, OptFlags, OptFlagsError, OverrideValue, Overrides};
pub use overrides_argument::{OverridesError, parse_overrides};
pub use package::{
    HubRepo, LocalModel, ModelEntry, ModelSource, PackageConfig, PreparedLibrary, SourceError,
};
pub use policy::{CheckKernels, DownloadPolicy, JitPolicy, LinkMode, UnknownChoice};
pub use portable::{NotPortable, folded, portable};
pub use project::{
    ArchiveCompression, CommentPolicy, PackageName, PackageNameError, Project, ProjectPackage,
    PublishSettings,
};
pub use python_json::{to_python_json, to_python_json_with_indent};
pub use quantization::{
    E4M3, FloatType, GroupQuantization, Layout, Method, PerTensor, Quantization,
    UnknownQuantization,
};
pub use revision::{Revision, RevisionError};
pub use scheme::{Scheme, UnknownScheme};
pub use sha256::{Sha256, Sha256Error};
pub use shard_path::{ShardPath, ShardPathError};
pub use target::{LibraryFormat, Target, TargetError};
pub use tensor_cache::{Shard, TensorCache, TensorCacheError, TensorRecord};
pub use tone::{Tone, verdict};
pub use trial::{TryDevice, TrySettings};
pub use visible::{visible, without_command};
