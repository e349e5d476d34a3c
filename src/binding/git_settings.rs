//! What Git would run if it were asked about a tree that a stranger made.
//!
//! `git status` runs the filters of a repository's own settings (`filter.*.clean`) on every tracked
//! file whose time differs, in its submodules too. Filters have any name, so that no argument of
//! ours could switch them all off; the settings are read here instead, and where there is anything in
//! them by which Git starts programs, Git is not asked.

use camino::{Utf8Path, Utf8PathBuf};

use crate::io::files;

/// The most that is read of a file of settings, in bytes.
const SETTINGS_LIMIT: u64 = 1 << 20;
/// The most that is read of an index: Linux has 8 MiB.
const INDEX_LIMIT: u64 = 256 << 20;
/// How deep one repository may lie in another.
const DEPTH: usize = 8;
/// The mode of a submodule in an index.
const GITLINK: u32 = 0o160_000;

/// Whether `git status` starts nothing but Git in this tree, which has a `.git`.
pub(super) fn are_harmless(tree: &Utf8Path) -> bool {
    is_harmless(tree, DEPTH).unwrap_or(false)
}

/// None where something cannot be read as Git would read it.
fn is_harmless(tree: &Utf8Path, depth: usize) -> Option<bool> {
    let git_dir = git_dir(tree)?;
    let common = match read(&git_dir.join("commondir")) {
        Some(path) => git_dir.join(String::from_utf8(path).ok()?.trim_end()),
        None => git_dir.clone(),
    };
    for settings in [common.join("config"), git_dir.join("config.worktree")] {
        if files::exists(&settings) && starts_programs(&read(&settings)?) {
            return Some(false);
        }
    }
    let index = git_dir.join("index");
    if !files::exists(&index) {
        return Some(true);
    }
    let index = files::read_at_most(&index, INDEX_LIMIT).ok().flatten()?;
    for path in gitlinks(&index)? {
        let submodule = tree.join(&path);
        if !files::exists(&submodule.join(".git")) {
            continue;
        }
        if depth == 0 || !is_harmless(&submodule, depth - 1)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Where the repository of a tree is: `.git`, or what a file of that name says.
fn git_dir(tree: &Utf8Path) -> Option<Utf8PathBuf> {
    let path = tree.join(".git");
    if files::is_dir(&path) {
        return Some(path);
    }
    let text = String::from_utf8(read(&path)?).ok()?;
    Some(tree.join(text.strip_prefix("gitdir:")?.trim()))
}

fn read(path: &Utf8Path) -> Option<Vec<u8>> {
    files::read_at_most(path, SETTINGS_LIMIT).ok().flatten()
}

/// Whether settings name programs that a look at a tree would start, or could bring in others from
/// elsewhere. What only looks so costs a digest of the files, and nothing else.
fn starts_programs(settings: &[u8]) -> bool {
    let kept = settings.iter().filter(|byte| !byte.is_ascii_whitespace());
    let text: Vec<u8> = kept.map(u8::to_ascii_lowercase).collect();
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
    // Of a repository that is not whole, Git fetches what it lacks, by any program.
    has(b"[filter")
        || has(b"[include")
        || has(b"[protocol")
        || has(b"promisor")
        || has(b"partialclone")
}

/// The submodules in an [index](https://git-scm.com/docs/index-format), versions 2 to 4; none where it
/// is not understood, one that is split for instance.
fn gitlinks(index: &[u8]) -> Option<Vec<String>> {
    let number = |at: usize| -> Option<u32> {
        Some(u32::from_be_bytes(index.get(at..at.checked_add(4)?)?.try_into().ok()?))
    };
    let version = number(4)?;
    if index.get(..4)? != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    // A repository of SHA-256 has longer entries: its index would be read wrongly.
    const FIXED: usize = 62;
    let mut found = Vec::new();
    let (mut at, mut name) = (12_usize, Vec::new());
    for _ in 0..number(8)? {
        let mode = number(at.checked_add(24)?)?;
        let flags = u16::from_be_bytes(index.get(at + 60..at + 62)?.try_into().ok()?);
        let extended = usize::from(version >= 3 && flags & 0x4000 != 0) * 2;
        let mut rest = at + FIXED + extended;
        if version == 4 {
            let (strip, length) = offset(index.get(rest..)?)?;
            rest += length;
            name.truncate(name.len().checked_sub(strip)?);
        } else {
            name.clear();
        }
        let length = index.get(rest..)?.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(index.get(rest..rest + length)?);
        // What does not fit the name's own length is no entry.
        let noted = usize::from(flags & 0xfff);
        if noted != name.len().min(0xfff) {
            return None;
        }
        at = match version {
            4 => rest + length + 1,
            // Padded with one to eight zeros to a multiple of eight.
            _ => at + (FIXED + extended + length + 8) / 8 * 8,
        };
        if mode == GITLINK {
            found.push(String::from_utf8(name.clone()).ok()?);
        }
    }
    // The rest of a split index lies elsewhere.
    let is_split = extensions(index.get(at..)?)?;
    (!is_split).then_some(found)
}

/// Whether there is an extension that has entries elsewhere, or directories in the place of files.
fn extensions(mut rest: &[u8]) -> Option<bool> {
    // A digest is at the end, of 20 bytes.
    while rest.len() > 20 {
        let name = rest.get(..4)?;
        if name == b"link" || name == b"sdir" {
            return Some(true);
        }
        let length = u32::from_be_bytes(rest.get(4..8)?.try_into().ok()?);
        rest = rest.get(8_usize.checked_add(usize::try_from(length).ok()?)?..)?;
    }
    Some(rest.len() != 20)
}

/// A number as `git` writes offsets: how much, and in how many bytes.
fn offset(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        if index > 0 {
            value = value.checked_add(1)?;
        }
        value = value.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
#[path = "tests/git_settings.rs"]
mod tests;
