//! Libraries that are loaded, not linked: as far as their first bytes say what they are.

use crate::model::LibraryFormat;

/// A file that is not what the suffix of its name says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a .{} file", .0.suffix())]
pub struct OtherFormat(pub LibraryFormat);

/// Whether a file is what the suffix of its name says.
pub fn check_format(bytes: &[u8], format: LibraryFormat) -> Result<(), OtherFormat> {
    let is = match format {
        // A gzip stream is a compressed tar's.
        LibraryFormat::Tar => {
            bytes.starts_with(&[0x1f, 0x8b]) || bytes.get(257..262) == Some(b"ustar")
        }
        LibraryFormat::Lib => bytes.starts_with(b"!<arch>\n"),
        LibraryFormat::So => bytes.starts_with(b"\x7fELF"),
        LibraryFormat::Dylib => {
            // Little-endian 64-bit, and the fat form of several processors.
            bytes.starts_with(&[0xcf, 0xfa, 0xed, 0xfe])
                || bytes.starts_with(&[0xca, 0xfe, 0xba, 0xbe])
        }
        LibraryFormat::Dll => bytes.starts_with(b"MZ"),
        LibraryFormat::Wasm => bytes.starts_with(b"\0asm"),
    };
    if is { Ok(()) } else { Err(OtherFormat(format)) }
}

#[cfg(test)]
mod tests {
    use super::check_format;
    use crate::model::LibraryFormat;

    #[test]
    fn a_file_is_what_its_suffix_says() {
        let mut tar = [0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, format) in [
            (&tar[..], LibraryFormat::Tar),
            (b"\x1f\x8b\x08", LibraryFormat::Tar),
            (b"!<arch>\n", LibraryFormat::Lib),
            (b"\x7fELF\x02", LibraryFormat::So),
            (b"\xcf\xfa\xed\xfe", LibraryFormat::Dylib),
            (b"MZ", LibraryFormat::Dll),
            (b"\0asm\x01", LibraryFormat::Wasm),
        ] {
            for other in LibraryFormat::ALL {
                assert_eq!(check_format(bytes, other).is_ok(), other == format, "{other:?}");
            }
        }
        let why = check_format(b"", LibraryFormat::So).unwrap_err();
        assert_eq!(why.to_string(), "it is not a .so file");
    }
}
