//! What git leaves in a file's place where git-lfs is not there
//! (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).

/// What to say of such a file, and what to do.
pub const NOT_PULLED: &str =
    "it is a git-lfs pointer, not the file itself: run `git lfs pull` where it was cloned";

/// Whether a file's bytes, or the first hundred of them, are a pointer.
pub fn is_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

#[cfg(test)]
mod tests {
    use super::is_pointer;

    #[test]
    fn a_pointer_is_known_by_how_it_begins() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n";
        assert!(is_pointer(pointer));
        assert!(!is_pointer(b"") && !is_pointer(b"version 1") && !is_pointer(b"{}"));
    }
}
