//! `SHA256SUMS`, as `sha256sum` of coreutils writes and checks it.

use std::fmt::Write as _;

use super::Asset;
use crate::model::Sha256;

/// The file's name.
pub const FILE_NAME: &str = "SHA256SUMS";

/// The text of the file, for `sha256sum --check`. Names of assets need no escapes.
pub fn text<'a>(assets: impl IntoIterator<Item = &'a Asset>) -> String {
    let mut text = String::new();
    for asset in assets {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}  {}", asset.sha256, asset.name);
    }
    text
}

/// The digest that such a file gives for a name; none where it does not name it.
pub fn digest_of(text: &str, name: &str) -> Option<Sha256> {
    text.lines().find_map(|line| {
        let (digest, rest) = line.split_once(' ')?;
        // A space for text, an asterisk for binary: the same everywhere that matters.
        let named = rest.strip_prefix([' ', '*'])?;
        if named == name { digest.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::{Asset, Sha256, digest_of, text};

    #[test]
    fn what_is_written_is_read() {
        let asset = |name: &str| Asset {
            name: name.parse().unwrap(),
            path: name.into(),
            bytes: 1,
            sha256: Sha256::of(name.as_bytes()),
        };
        let assets = [asset("a.tar.zst"), asset("a.tar.zst.part01")];
        let sums = text(&assets);
        for asset in &assets {
            assert_eq!(digest_of(&sums, asset.name.as_str()), Some(asset.sha256));
        }
        assert_eq!(digest_of(&sums, "tar.zst"), None);
        let binary = sums.replace("  ", " *");
        assert_eq!(digest_of(&binary, "a.tar.zst"), Some(assets[0].sha256));
    }
}
