//! What the target `blob` does with bytes. A test of the package runs the same over the corpus and
//! over mutations of it, without a fuzzing engine.

use mlc_package::library::blob::Blob;
use mlc_package::library::memory::memory;
use mlc_package::library::metadata::Metadata;

/// A blob, from its length field on. Says whether it could be read.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(blob) = Blob::parse(bytes) else { return false };
    assert!(blob.size <= bytes.len());
    for index in 0..=blob.modules.len() {
        assert!(blob.imports(index).iter().all(|child| *child < blob.modules.len()));
    }
    let executable = blob.executable();
    if let Ok(executable) = &executable
        && let Ok(json) = executable.metadata_json()
        && let Ok(metadata) = Metadata::parse(json)
        && let Ok(memory) = memory(&metadata, &|name| i64::try_from(name.len()).ok())
    {
        assert!(memory.total >= memory.parameters && memory.total >= memory.temporary);
    }
    let devices = blob.device_modules();
    for device in devices.iter().flatten() {
        let kernels = device.kernels();
        let bytes: u64 = kernels.iter().map(|kernel| kernel.bytes).sum();
        assert!(bytes <= device.code_bytes);
        assert!(kernels.iter().all(|kernel| kernel.repeated <= kernel.bytes));
    }
    executable.is_ok() && devices.is_ok()
}
