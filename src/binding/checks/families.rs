//! Whose symbol a name is, and which side to change when nobody defines it.

use crate::model::pinned;

/// What C names of TVM, MLC LLM and the tokenizers begin with.
const C_FAMILIES: [&str; 6] =
    ["TVM", "tvm_", "__tvm_ffi_", "mlc_", "tokenizers_", "sentencepiece_"];
/// Their C++ namespaces, as the Itanium ABI writes them.
const NAMESPACES: [&str; 5] = ["3tvm", "3mlc", "10tokenizers", "13sentencepiece", "8xgrammar"];
/// The C API that TVM had before tvm-ffi; compilers of then call it, no runtime of today has it.
const BEFORE_FFI: [&str; 8] = [
    "TVMFunc",
    "TVMMod",
    "TVMAPI",
    "TVMGetLastError",
    "TVMArray",
    "TVMObject",
    "TVMBackendGetFuncFromEnv",
    "TVMBackendRegister",
];

/// Whether a symbol (without the leading `_` of Mach-O) has to come from the libraries that are
/// shipped, rather than from the system.
pub(crate) fn is_shipped(name: &str) -> bool {
    C_FAMILIES.iter().any(|family| name.starts_with(family))
        || namespace(name).is_some_and(|rest| NAMESPACES.iter().any(|own| rest.starts_with(own)))
}

/// A mangled name from its outermost namespace on.
fn namespace(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("_Z")?;
    // Virtual tables, type information and guards of what the name goes on with.
    let rest = ["TV", "TI", "TS", "TT", "GV", "GR"]
        .iter()
        .find_map(|special| rest.strip_prefix(special))
        .unwrap_or(rest);
    // `this` may be const, volatile or an rvalue.
    Some(rest.strip_prefix('N')?.trim_start_matches(['K', 'V', 'R', 'O', 'r']))
}

/// Who calls what nobody defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Model libraries: what the compiler made.
    Models,
    /// The runtime, or its part for Java: what upstream's sources are.
    Sources,
}

/// What to do when nothing defines these symbols.
pub(crate) fn remedy(undefined: &[&str], caller: Caller) -> String {
    if caller == Caller::Sources {
        return format!(
            "MLC LLM and the TVM in its sources do not go together: use a commit that is known to \
             build, with the submodules that it names (`{}`)",
            pinned::check_out_sources()
        );
    }
    let any = |test: fn(&str) -> bool| undefined.iter().any(|name| test(name));
    let old = |name: &str| BEFORE_FFI.iter().any(|family| name.starts_with(family));
    if any(old) {
        format!(
            "the model libraries come from an older TVM than the sources: install the compiler \
             that belongs to the pinned sources (`{}`), and compile prepared libraries again \
             with it",
            pinned::install_wheels("python")
        )
    } else if any(|name| name.starts_with("TVMFFI")) {
        format!(
            "the sources of MLC LLM are older than the compiler: use the two that belong \
             together (`{}`, and `{}`)",
            pinned::check_out_sources(),
            pinned::install_wheels("python")
        )
    } else {
        "the libraries are of different sources: run `git submodule update --init --recursive` \
         in MLC_LLM_SOURCE_DIR, and build the binding again with `--rebuild-binding`"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, is_shipped, remedy};

    #[test]
    fn what_is_shipped_is_told_from_the_system() {
        for name in [
            "TVMFFIFunctionCall",
            "TVMBackendAllocWorkspace",
            "tokenizers_encode",
            "_ZN3tvm7runtime6Module3FooEv",
            "_ZNK3mlc3llm5serve6EngineE",
            "_ZTVN3tvm3ffi6ObjectE",
            "_ZN13sentencepiece22SentencePieceProcessorC1Ev",
        ] {
            assert!(is_shipped(name), "{name}");
        }
        for name in [
            "memcpy",
            "log2f",
            "OBJC_CLASS_$_MTLDevice",
            "MTLCreateSystemDefaultDevice",
            "_ZNSt3__16vectorIN3tvm3ffi3AnyEE5clearEv",
            "_ZNSt3__112basic_stringIcE",
            "__cxa_throw",
            "dlsym",
            "",
            "_Z",
        ] {
            assert!(!is_shipped(name), "{name}");
        }
    }

    #[test]
    fn the_older_side_is_named() {
        let of_models = |names: &[&str]| remedy(names, Caller::Models);
        assert!(of_models(&["TVMFuncCall", "TVMFFIX"]).contains("an older TVM than the sources"));
        assert!(of_models(&["TVMFFIFunctionCall"]).contains("sources of MLC LLM are older"));
        assert!(of_models(&["TVMBackendAllocWorkspace"]).contains("different sources"));
        let own = remedy(&["TVMFFIGetCustomAllocator"], Caller::Sources);
        assert!(own.contains("do not go together") && !own.contains("pip install"), "{own}");
    }
}
