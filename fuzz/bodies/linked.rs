//! What the target `linked` does with bytes. A test of the package runs the same over the corpus
//! and over mutations of it, without a fuzzing engine.

use std::collections::BTreeSet;

use mlc_package::binding::checks::{
    Archive, Archives, LinkCode, LinkProblem, LinkedModel, SharedLibrary, check_archives,
    check_shared_library, entry_points,
};
use mlc_package::model::{Device, MacabiArch};

const MODELS: [LinkedModel<'_>; 2] = [
    LinkedModel { prefix: "one_layer_", blob: Some(b"other bytes") },
    LinkedModel { prefix: "", blob: None },
];

/// The bytes as a shared library, as a static one and as a JNI source. Says whether they can be
/// read as one of the libraries.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let entry_points = entry_points(&String::from_utf8_lossy(bytes));
    let shared = SharedLibrary {
        path: "libtvm4j_runtime_packed.so",
        file: bytes,
        models: &MODELS,
        called: &BTreeSet::new(),
        entry_points: &entry_points,
    };
    let found = check_shared_library(&shared);
    assert_eq!(check_shared_library(&shared), found, "the same twice");
    let mut read = is_read(&found);
    let archives = [Archive { path: "libmodel_iphone.a", bytes }; 2];
    for (device, macabi_arch) in [
        (Device::Iphone, MacabiArch::Arm64),
        (Device::Macabi, MacabiArch::Arm64),
        (Device::Macabi, MacabiArch::X86_64),
    ] {
        let archives = Archives { archives: &archives, models: &MODELS, device, macabi_arch };
        read |= is_read(&check_archives(&archives));
    }
    read
}

/// Every problem is a line that steers no terminal, begins no other line, and has an end.
fn is_read(problems: &[LinkProblem]) -> bool {
    for line in problems.iter().flat_map(|problem| [&problem.message, &problem.help]) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 10_000, "{} bytes", line.len());
    }
    !problems.iter().any(|problem| problem.code == LinkCode::Unreadable)
}
