//! The compiler's tvm-ffi against that of the sources that the app's runtime is built from.

use camino::Utf8Path;

use crate::binding::abi::{
    AbiError, C_API_HEADER, Drift, FfiVersion, MODULE_HEADER, OLD_MODULE_HEADER, compare,
};
use crate::io::files;
use crate::model::CompilerIdentity;
use crate::ui::Ui;

/// The most that is read of a header of TVM, in bytes.
const HEADER_LIMIT: u64 = 1 << 20;

/// The version that TVM's sources have, and what it is to the compiler's.
pub(crate) fn of_sources(
    compiler: Option<&str>,
    tvm: &Utf8Path,
) -> (Option<FfiVersion>, Result<Option<Drift>, AbiError>) {
    let read = |header: &str| {
        let bytes = files::read_at_most(&tvm.join(header), HEADER_LIMIT).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let c_api = read(C_API_HEADER);
    let module = read(MODULE_HEADER).or_else(|| read(OLD_MODULE_HEADER));
    let sources = c_api.as_deref().and_then(FfiVersion::of_header);
    (sources, compare(compiler, c_api.as_deref(), module.as_deref()))
}

/// Refuses to link libraries with a runtime that cannot load them. Two small headers are read, so
/// that a cached binding is looked at too: the compiler may be another one since.
pub(crate) fn check(
    tvm: &Utf8Path,
    compiler: Option<&CompilerIdentity>,
    ui: &Ui,
) -> Result<(), AbiError> {
    let compiler = compiler.and_then(|compiler| compiler.tvm_ffi.version.as_deref());
    if let Some(drift) = of_sources(compiler, tvm).1? {
        ui.warn(&drift.to_string());
    }
    Ok(())
}
