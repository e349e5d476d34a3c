use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::PublishError;
use crate::io::{files, sha256};
use crate::model::{ByteSize, Digest};

/// The largest asset that a release takes, in bytes, exclusive.
const LARGEST: u64 = 2 << 30;

/// The most assets of a release.
const MOST: usize = 1000;

/// The longest name of an asset.
const LONGEST_NAME: usize = 200;

/// A file to be an asset of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its name in the release, of characters that GitHub leaves as they are.
    pub name: String,
    /// What the page of the release shows in place of the name.
    pub label: Option<String>,
    /// Where it is.
    pub path: Utf8PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 digest in hex.
    pub sha256: String,
}

impl ReleaseFile {
    /// A file as it is now, under a name that GitHub leaves as it is. Reads it once.
    pub fn read(path: &Utf8Path) -> Result<Self, PublishError> {
        let original = path.file_name().unwrap_or_default();
        let (sha256, bytes) = sha256::file(path)?;
        let name = asset_name(original);
        let label = (name != original).then(|| original.to_owned());
        Ok(Self { name, label, path: path.to_owned(), bytes, sha256: sha256.to_string() })
    }
}

/// The digests of all others.
pub const SUMS: &str = "SHA256SUMS";

/// The text of `SHA256SUMS`, as coreutils' `sha256sum --check` reads it.
pub fn sums(files: &[ReleaseFile]) -> String {
    let mut text = String::new();
    for file in files.iter().filter(|file| file.name != SUMS) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}  {}", file.sha256, file.name);
    }
    text
}

/// A name that GitHub leaves as it is. It would put a dot for every other character, so that
/// different names become the same; here a part of the name's digest keeps them apart.
pub fn asset_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let safe = name.chars().all(|c| plain(c) || c == '+')
        && (1..=LONGEST_NAME).contains(&name.len())
        && !name.starts_with('.')
        && !name.ends_with('.');
    if safe {
        return name.to_owned();
    }
    let mut digest = Digest::of(name.as_bytes()).to_hex();
    digest.truncate(8);
    // What a program goes by, `.tar.zst`, stays at the end.
    let end = name.find(".tar.").or_else(|| name.rfind('.')).filter(|at| *at > 0);
    let (stem, extension) = name.split_at(end.unwrap_or(name.len()));
    let words = |text: &str, longest: usize| -> String {
        let mut words = String::new();
        for c in text.chars() {
            if plain(c) {
                words.push(c);
            } else if !words.ends_with('-') {
                words.push('-');
            }
        }
        words.truncate(longest);
        words
    };
    let (stem, extension) = (words(stem, 120), words(extension, 40));
    let stem = stem.trim_matches(['.', '-']);
    let extension = extension.trim_end_matches(['.', '-']);
    match stem {
        "" => format!("file-{digest}{extension}"),
        stem => format!("{stem}-{digest}{extension}"),
    }
}

/// Refuses files that a release would not take; none of them is read.
pub fn refuse_bad_files(paths: &[Utf8PathBuf]) -> Result<(), PublishError> {
    let named = |path: &Utf8PathBuf| {
        let name = asset_name(path.file_name().unwrap_or_default());
        let (bytes, sha256) = (files::size(path)?, String::new());
        Ok(ReleaseFile { name, label: None, path: path.clone(), bytes, sha256 })
    };
    let files = paths.iter().map(named).collect::<Result<Vec<_>, PublishError>>()?;
    if files.is_empty() { Ok(()) } else { refuse_impossible(&files) }
}

/// Refuses what a release would not take, before anything is sent.
pub(super) fn refuse_impossible(files: &[ReleaseFile]) -> Result<(), PublishError> {
    if files.is_empty() {
        return Err(PublishError::NoFiles);
    }
    if files.len() > MOST {
        return Err(PublishError::TooMany { files: files.len(), most: MOST });
    }
    let mut names = BTreeMap::new();
    for file in files {
        if let Some(other) = names.insert(file.name.to_ascii_lowercase(), &file.path) {
            let (name, paths) = (file.name.clone(), [other.clone(), file.path.clone()]);
            return Err(PublishError::SameName { name, paths: Box::new(paths) });
        }
        if file.bytes >= LARGEST || file.bytes == 0 {
            let (path, bytes) = (file.path.clone(), ByteSize(file.bytes));
            return Err(PublishError::Size { path, bytes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PublishError, ReleaseFile, asset_name, refuse_impossible, sums};

    fn file(name: &str, bytes: u64) -> ReleaseFile {
        ReleaseFile {
            name: name.to_owned(),
            label: None,
            path: name.into(),
            bytes,
            sha256: "ab".repeat(32),
        }
    }

    #[test]
    fn plain_names_stay_and_others_are_told_apart() {
        let plain = ["chat-android-lib.tar.zst", "SHA256SUMS", "a_b.json", "x.tar.zst.part01"];
        for name in plain.into_iter().chain(["app-1.2+7.aab"]) {
            assert_eq!(asset_name(name), name);
        }
        let names =
            ["größe & café.tar.zst", "größe + café.tar.zst", "日本.json", ".env", "a b", "…"];
        let expected = [
            "gr-e-caf-8c66ad0d.tar.zst",
            "gr-e-caf-d99c2c3b.tar.zst",
            "file-7e5cdb0e.json",
            "env-f6171345",
            "a-b-c95e5a48",
            "file-94362066",
        ];
        assert_eq!(names.map(asset_name), expected);
    }

    proptest! {
        #[test]
        fn every_name_becomes_one_that_stays(name in "(?s).{0,300}", other in "(?s).{0,300}") {
            let safe = asset_name(&name);
            prop_assert_eq!(asset_name(&safe), safe.clone());
            prop_assert!(safe.len() <= 200 && !safe.is_empty());
            prop_assert!(safe.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b)));
            prop_assert!(!safe.starts_with('.') && !safe.ends_with('.'));
            prop_assert!(name == other || safe != asset_name(&other));
        }
    }

    #[test]
    fn sums_leave_themselves_out() {
        let text = sums(&[file("a", 1), file("SHA256SUMS", 1), file("b", 1)]);
        assert_eq!(text, format!("{0}  a\n{0}  b\n", "ab".repeat(32)));
    }

    #[test]
    fn what_a_release_does_not_take_is_refused_before() {
        let refused = |files: &[ReleaseFile]| refuse_impossible(files).unwrap_err();
        assert!(matches!(refused(&[]), PublishError::NoFiles));
        let same = [file("A.json", 1), file("a.JSON", 1)];
        assert!(matches!(refused(&same), PublishError::SameName { .. }));
        for bytes in [0, 2 << 30] {
            assert!(matches!(refused(&[file("a", bytes)]), PublishError::Size { .. }));
        }
        let many: Vec<_> = (0..1001).map(|n| file(&n.to_string(), 1)).collect();
        assert!(matches!(refused(&many), PublishError::TooMany { .. }));
        refuse_impossible(&[file("a", (2 << 30) - 1)]).unwrap();
    }
}
