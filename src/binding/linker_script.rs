//! Files that a linker is given: code, or scripts that stand in the place of libraries, as an NDK's
//! `libc++.a` does: `INPUT(-lc++_static -lc++abi)`.

/// What a file is to a linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Kind {
    /// An object, an archive or a shared library.
    #[error("code")]
    Code,
    /// An archive that only names its members.
    #[error("a thin archive")]
    Thin,
    /// What link-time optimization compiles.
    #[error("LLVM bitcode")]
    Bitcode,
    /// Anything else is taken for a script.
    #[error("a script")]
    Script,
}

/// Whether a file is LLVM's bitcode, as it is or in its wrapper.
pub(super) fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BC\xc0\xde") || bytes.starts_with(&[0xde, 0xc0, 0x17, 0x0b])
}

/// What a file is, by how it begins.
pub(super) fn kind(bytes: &[u8]) -> Kind {
    match bytes {
        _ if bytes.starts_with(b"!<thin>\n") => Kind::Thin,
        _ if bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"!<arch>\n") => Kind::Code,
        _ if is_bitcode(bytes) => Kind::Bitcode,
        _ => Kind::Script,
    }
}

/// What a script asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An option that means the same.
    Option(&'static str),
    /// `-lname`.
    Library(String),
    /// A file.
    File(String),
}

/// Why a script cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScriptFault {
    /// Bytes that are not UTF-8.
    #[error("it is not a text file")]
    NotText,
    /// `/*` alone.
    #[error("a comment has no end")]
    OpenComment,
    /// `(` alone.
    #[error("a list has no end")]
    OpenList,
    /// A word that asks for a list, without one.
    #[error("`{0}` has no list")]
    NoList(String),
    /// A name that is more than that of a file.
    #[error("it names `{0}`")]
    Name(String),
    /// A word that no list of libraries has.
    #[error("it says `{0:.40}`")]
    Word(String),
    /// A file that is nowhere.
    #[error("there is no `{0}`")]
    Absent(String),
    /// Scripts that name one another.
    #[error("it names itself")]
    Itself,
}

/// What a script names, in order. Only lists of libraries are understood.
///
/// # Errors
/// It says something else.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry>, ScriptFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| ScriptFault::NotText)?;
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        plain += before;
        plain.push(' ');
        rest = after.split_once("*/").ok_or(ScriptFault::OpenComment)?.1;
    }
    plain += rest;
    let spaced = plain.replace('(', " ( ").replace(')', " ) ").replace([',', ';'], " ");
    let mut words = spaced.split_whitespace();
    let mut entries = Vec::new();
    // What ends a list that has begun.
    let mut open: Vec<Option<&'static str>> = Vec::new();
    while let Some(word) = words.next() {
        let (begin, end): (&[&'static str], _) = match word {
            ")" if !open.is_empty() => {
                entries.extend(open.pop().flatten().map(Entry::Option));
                continue;
            }
            "INPUT" if open.is_empty() => (&[], None),
            "GROUP" if open.is_empty() => (&["--start-group"], Some("--end-group")),
            "AS_NEEDED" if !open.is_empty() => {
                (&["--push-state", "--as-needed"], Some("--pop-state"))
            }
            "OUTPUT_FORMAT" if open.is_empty() => {
                words.by_ref().find(|word| *word == ")").ok_or(ScriptFault::OpenList)?;
                continue;
            }
            name if !open.is_empty() && name != "(" => {
                let entry = match name.strip_prefix("-l") {
                    Some(library) => Entry::Library(library.to_owned()),
                    None if name.contains(['"', '=', '*', '$']) => {
                        return Err(ScriptFault::Name(name.to_owned()));
                    }
                    None => Entry::File(name.to_owned()),
                };
                entries.push(entry);
                continue;
            }
            other => return Err(ScriptFault::Word(other.to_owned())),
        };
        if words.next() != Some("(") {
            return Err(ScriptFault::NoList(word.to_owned()));
        }
        entries.extend(begin.iter().copied().map(Entry::Option));
        open.push(end);
    }
    if open.is_empty() { Ok(entries) } else { Err(ScriptFault::OpenList) }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Kind, entries, kind};

    #[test]
    fn lists_of_libraries_are_read() {
        let library = |name: &str| Entry::Library(name.to_owned());
        assert_eq!(
            entries(b"/* libc++ */ INPUT(-lc++_static -lc++abi)\n").unwrap(),
            [library("c++_static"), library("c++abi")]
        );
        assert_eq!(
            entries(b"OUTPUT_FORMAT(elf64)\nGROUP ( /lib/libc.so.6 AS_NEEDED(-lm) )").unwrap(),
            [
                Entry::Option("--start-group"),
                Entry::File("/lib/libc.so.6".to_owned()),
                Entry::Option("--push-state"),
                Entry::Option("--as-needed"),
                library("m"),
                Entry::Option("--pop-state"),
                Entry::Option("--end-group"),
            ]
        );
        assert_eq!(entries(b"/* nothing */").unwrap(), []);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["OUTPUT(/tmp/x)", "INPUT(a", "INPUT a", "SECTIONS { }", "/* ", "INPUT(=/a)", ")"]
        {
            assert!(entries(text.as_bytes()).is_err(), "{text}");
        }
        assert!(entries(b"\xff").is_err());
        assert_eq!(kind(b"!<thin>\nx"), Kind::Thin);
        assert_eq!(kind(b"!<arch>\n"), Kind::Code);
        assert_eq!(kind(b"BC\xc0\xde"), Kind::Bitcode);
        assert_eq!(kind(b"#!/bin/sh\n"), Kind::Script);
    }
}
