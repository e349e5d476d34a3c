//! Names that are one and the same file on every system.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Why a name is not fit for a file on every system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPortable {
    /// `.git`, in any case: what Git reads its settings from, and runs programs by.
    #[error("the name `.git`, which belongs to Git")]
    Git,
    /// `CON`, `aux.h`: Windows opens a device by it.
    #[error("the name of a device on Windows")]
    Device,
    /// A character that hides or reorders its neighbours.
    #[error("an invisible character, or one that reorders its neighbours")]
    Invisible,
    /// `name.`, `name `: Windows drops what is at the end.
    #[error("a `.` or a blank at its end")]
    End,
}

/// Looks at one part of a path.
pub fn portable(name: &str) -> Result<(), NotPortable> {
    // Windows and macOS also know `.git` by what they would make of these.
    let bare = name.trim_end_matches(['.', ' ']);
    if bare.eq_ignore_ascii_case(".git") || bare.eq_ignore_ascii_case("git~1") {
        return Err(NotPortable::Git);
    }
    if is_device(name) {
        return Err(NotPortable::Device);
    }
    if name.chars().any(is_invisible) {
        return Err(NotPortable::Invisible);
    }
    if name.len() != bare.len() && !bare.is_empty() {
        return Err(NotPortable::End);
    }
    Ok(())
}

/// Characters that reorder or hide their neighbours.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// [Names](https://learn.microsoft.com/windows/win32/fileio/naming-a-file) that Windows keeps for
/// devices, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut number = number.unwrap_or_default().chars();
    let is_number = |c: char| matches!(c, '1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}');
    number.next().is_some_and(is_number) && number.next().is_none()
}

/// The name in the form that all names have which some file system takes for the same: case does
/// not count on macOS and Windows, nor does it on macOS whether an `é` is one character or two.
pub fn folded(name: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    // Lower case may be decomposed again.
    nfc.normalize(&nfc.normalize(name).to_lowercase()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{NotPortable, folded, portable};

    #[test]
    fn what_is_another_file_elsewhere_is_no_name() {
        for (name, why) in [
            (".git", NotPortable::Git),
            (".GiT", NotPortable::Git),
            (".git.", NotPortable::Git),
            ("GIT~1", NotPortable::Git),
            ("CON", NotPortable::Device),
            ("aux.h", NotPortable::Device),
            ("nul.tar.gz", NotPortable::Device),
            ("com1.bin", NotPortable::Device),
            ("Lpt9", NotPortable::Device),
            ("a\u{202e}nib.exe", NotPortable::Invisible),
            ("a\u{200b}", NotPortable::Invisible),
            ("config.json.", NotPortable::End),
            ("config.json ", NotPortable::End),
        ] {
            assert_eq!(portable(name), Err(why), "{name:?}");
        }
        for name in [".gitattributes", "git", "console", "com10", "COM", "nullable", "モデル.bin"]
        {
            assert_eq!(portable(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn case_and_composition_do_not_tell_names_apart() {
        assert_eq!(folded("Caf\u{e9}"), folded("cafe\u{301}"));
        assert_eq!(folded("\u{130}"), folded(&folded("\u{130}")));
        assert_ne!(folded("a"), folded("b"));
    }
}
