//! The interface between a compiled model library and the runtime that the app links: the
//! compiler's tvm-ffi against that of the sources, by values.
//!
//! tvm-ffi's README ("Status and Release Versioning") says of its versions: up to 1.0, `0.X.Y`
//! breaks the C ABI with X and nothing with Y; from then on they are semantic. The version of a
//! tree is in its `include/tvm/ffi/c_api.h`.

use std::fmt;

use crate::exit::Exit;
use crate::model::pinned;
use crate::stage_error::StageError;

/// Where a TVM tree has the version of its tvm-ffi.
pub const C_API_HEADER: &str = "3rdparty/tvm-ffi/include/tvm/ffi/c_api.h";
/// Where a TVM tree says what the symbol of a library's blob ends in.
pub const MODULE_HEADER: &str = "3rdparty/tvm-ffi/include/tvm/ffi/extra/module.h";
/// The same before there was a tvm-ffi.
pub const OLD_MODULE_HEADER: &str = "include/tvm/runtime/module.h";

/// A version of tvm-ffi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FfiVersion {
    /// Broken by incompatible changes from 1.0 on.
    pub major: u32,
    /// Broken by incompatible changes before 1.0.
    pub minor: u32,
    /// Additions and repairs.
    pub patch: u32,
}

/// The compiler and the sources do not go together. Exit 14.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// No header, or one without a version.
    #[error("the sources have no tvm-ffi: no version is in `{C_API_HEADER}` of their TVM")]
    NoVersion,
    /// Between these two the C ABI was broken.
    #[error(
        "the compiler's tvm-ffi {compiler} and that of the sources, {sources}, have different C \
         ABIs: an app would crash when it loads a model"
    )]
    Broken {
        /// That of the wheel.
        compiler: String,
        /// That of the header.
        sources: FfiVersion,
    },
    /// The runtime looks for model libraries by another symbol.
    #[error(
        "the runtime of the sources looks for model libraries by the symbol `<prefix>{sources}`; \
         libraries of today have `<prefix>{}`: an app would find none",
        super::checks::BLOB_SUFFIX
    )]
    BlobSymbol {
        /// The end of the symbol in the sources.
        sources: String,
    },
}

impl StageError for AbiError {
    fn exit(&self) -> Exit {
        Exit::Assembly
    }

    fn help(&self) -> Option<String> {
        let together = format!(
            "use the two that belong together: `{}`, and `{}`",
            pinned::check_out_sources(),
            pinned::install_wheels("python")
        );
        Some(match self {
            Self::NoVersion => together,
            Self::BlobSymbol { .. } => {
                format!("the sources are older than the compiler; {together}")
            }
            Self::Broken { compiler, sources } => match parse_wheel(compiler) {
                Some((compiler, _)) if compiler < *sources => {
                    format!("the compiler is older than the sources; {together}")
                }
                _ => format!("the sources are older than the compiler; {together}"),
            },
        })
    }
}

/// Two versions of one ABI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// That of the compiler's wheel.
    pub compiler: String,
    /// That of the sources.
    pub sources: FfiVersion,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the compiler has tvm-ffi {}, the sources have {}: their C ABI is the same, but \
             functions of the newer one may be missing in the older",
            self.compiler, self.sources
        )
    }
}

impl fmt::Display for FfiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FfiVersion {
    /// The version that a [`C_API_HEADER`] defines.
    pub fn of_header(text: &str) -> Option<Self> {
        let number = |name: &str| {
            text.lines().find_map(|line| {
                let mut words = line.trim_start().strip_prefix('#')?.split_whitespace();
                let defines = words.next() == Some("define") && words.next() == Some(name);
                if defines { words.next()?.parse().ok() } else { None }
            })
        };
        Some(Self {
            major: number("TVM_FFI_VERSION_MAJOR")?,
            minor: number("TVM_FFI_VERSION_MINOR")?,
            patch: number("TVM_FFI_VERSION_PATCH")?,
        })
    }

    fn same_abi(self, other: Self) -> bool {
        self.major == other.major && (self.major > 0 || self.minor == other.minor)
    }
}

/// The end of the symbol by which a runtime finds a model library's blob, as one of its headers
/// ([`MODULE_HEADER`], [`OLD_MODULE_HEADER`]) defines it.
pub fn blob_symbol(header: &str) -> Option<&str> {
    ["tvm_ffi_library_bin", "tvm_dev_mblob"].iter().find_map(|name| {
        let (_, after) = header.split_once(&format!(" {name} = \""))?;
        Some(after.split_once('"')?.0)
    })
}

/// Holds the compiler's tvm-ffi, by the version of its wheel, against the sources, by the texts of
/// their headers. Gives what should be said of versions that differ within one ABI. A compiler
/// whose version nobody knows (a source install) is not compared.
pub fn compare(
    compiler: Option<&str>,
    c_api_header: Option<&str>,
    module_header: Option<&str>,
) -> Result<Option<Drift>, AbiError> {
    if let Some(symbol) = module_header.and_then(blob_symbol)
        && symbol != super::checks::BLOB_SUFFIX
    {
        return Err(AbiError::BlobSymbol { sources: symbol.to_owned() });
    }
    let sources = c_api_header.and_then(FfiVersion::of_header).ok_or(AbiError::NoVersion)?;
    let Some((text, (wheel, post))) = compiler.and_then(|text| Some((text, parse_wheel(text)?)))
    else {
        return Ok(None);
    };
    let compiler = text.to_owned();
    // tvm-ffi's header gets the next number right after a release, so that a post-release carries
    // it: the wheel 0.1.15.post2 has a header of 0.1.16, and v0.1.8-post2 one of 0.1.8.
    let next = FfiVersion { patch: wheel.patch.saturating_add(1), ..wheel };
    if !wheel.same_abi(sources) {
        Err(AbiError::Broken { compiler, sources })
    } else if sources == wheel || (post && sources == next) {
        Ok(None)
    } else {
        Ok(Some(Drift { compiler, sources }))
    }
}

/// A wheel's version by its release numbers, and whether it is a post-release.
fn parse_wheel(text: &str) -> Option<(FfiVersion, bool)> {
    let release = text.split(['+', '-']).next()?;
    let mut parts = release.split('.');
    let digits = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..end)?.parse().ok()
    };
    let (major, minor) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let patch = parts.next().and_then(digits).unwrap_or(0);
    Some((FfiVersion { major, minor, patch }, text.contains("post")))
}

#[cfg(test)]
mod tests {
    use crate::stage_error::StageError as _;
    use proptest::prelude::*;

    use super::{AbiError, FfiVersion, blob_symbol, compare, parse_wheel};

    fn header(version: &str) -> String {
        let parts: Vec<_> = version.split('.').collect();
        let define = |name: &str, value: &str| format!("/*! x */\n#define {name} {value}\n");
        ["MAJOR", "MINOR", "PATCH"]
            .iter()
            .zip(parts)
            .map(|(name, value)| define(&format!("TVM_FFI_VERSION_{name}"), value))
            .collect()
    }

    const MODULE: &str =
        "constexpr const char* tvm_ffi_library_bin = \"__tvm_ffi__library_bin\";\n";

    #[test]
    fn an_abi_is_broken_by_the_minor_number_before_1_0_and_by_the_major_one_after() {
        let verdict = |compiler: &str, sources: &str| match compare(
            Some(compiler),
            Some(&header(sources)),
            Some(MODULE),
        ) {
            Ok(None) => "same",
            Ok(Some(_)) => "drift",
            Err(AbiError::Broken { .. }) => "broken",
            Err(other) => panic!("{other}"),
        };
        for (compiler, sources, expected) in [
            ("0.1.13", "0.1.13", "same"),
            ("0.1.13", "0.1.4", "drift"),
            ("0.1.4", "0.1.13", "drift"),
            ("0.1.15.post2", "0.1.16", "same"),
            ("0.1.8.post2", "0.1.8", "same"),
            ("0.1.15", "0.1.16", "drift"),
            ("0.2.0", "0.1.16", "broken"),
            ("0.1.16", "0.2.0", "broken"),
            ("1.0.0", "0.1.16", "broken"),
            ("1.2.0", "1.9.3", "drift"),
            ("2.0.0", "1.9.3", "broken"),
            ("0.1.0b7", "0.1.0", "same"),
            ("0.1", "0.1.0", "same"),
        ] {
            assert_eq!(verdict(compiler, sources), expected, "{compiler} and {sources}");
        }
    }

    #[test]
    fn the_side_to_change_is_the_older_one() {
        let help = |compiler: &str, sources: &str| {
            compare(Some(compiler), Some(&header(sources)), None).unwrap_err().help().unwrap()
        };
        assert!(help("0.1.16", "0.2.0").starts_with("the compiler is older"));
        assert!(help("0.2.0", "0.1.16").starts_with("the sources are older"));
    }

    #[test]
    fn older_runtimes_are_told_by_the_symbol_they_look_for() {
        for old in [
            "constexpr const char* tvm_ffi_library_bin = \"__tvm_ffi_library_bin\";",
            "constexpr const char* tvm_dev_mblob = \"__tvm_dev_mblob\";",
        ] {
            let error = compare(None, Some(&header("0.1.0")), Some(old)).unwrap_err();
            assert!(matches!(error, AbiError::BlobSymbol { .. }), "{error}");
            assert!(error.to_string().contains(blob_symbol(old).unwrap()));
        }
        let same = compare(Some("0.1.0"), Some(&header("0.1.0")), Some(MODULE));
        assert_eq!(same, Ok(None));
    }

    #[test]
    fn sources_without_tvm_ffi_are_an_error_and_unknown_compilers_are_not() {
        assert_eq!(compare(Some("0.1.0"), None, None), Err(AbiError::NoVersion));
        assert_eq!(compare(Some("0.1.0"), Some("int x;"), None), Err(AbiError::NoVersion));
        for unknown in [None, Some("unknown"), Some("")] {
            assert_eq!(compare(unknown, Some(&header("0.1.0")), None), Ok(None));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_or_none(text in "\\PC*", header in "(.|\n)*") {
            let _ = compare(Some(&text), Some(&header), Some(&header));
        }

        #[test]
        fn versions_are_read_back(major in 0..9_u32, minor in 0..99_u32, patch: u32) {
            let version = FfiVersion { major, minor, patch };
            prop_assert_eq!(FfiVersion::of_header(&header(&version.to_string())), Some(version));
            prop_assert_eq!(parse_wheel(&version.to_string()), Some((version, false)));
        }
    }
}
