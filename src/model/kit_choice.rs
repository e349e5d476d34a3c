use std::str::FromStr;

use camino::Utf8PathBuf;

use super::Sha256;

/// `--kit`: where the kit of a platform binding comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KitChoice {
    /// It is built where sources are named; else one that was imported is used.
    #[default]
    Auto,
    /// It is built from sources.
    Source,
    /// A file, which must have this SHA-256 where one is given.
    File(Utf8PathBuf, Option<Sha256>),
    /// A file on a server, which must have this SHA-256.
    Url(String, Sha256),
}

/// A text that names no kit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KitChoiceError {
    /// Whoever has the server would say what an app runs. The address may hold a secret.
    #[error("a kit from a server needs its digest: write `#sha256=…` after the address")]
    NoDigest,
    /// A server that is asked in another way.
    #[error("a kit is downloaded by http or https, not by `{0}`")]
    Scheme(String),
    /// `auto` and `source` are no files.
    #[error("`{0}` takes no digest")]
    Word(String),
    /// Something else behind the `#`.
    #[error("{0:?} is not `sha256=` and 64 hex digits")]
    Digest(String),
    /// Nothing at all.
    #[error("one of auto, source, a file, or URL#sha256=…")]
    Empty,
}

impl FromStr for KitChoice {
    type Err = KitChoiceError;

    fn from_str(text: &str) -> Result<Self, KitChoiceError> {
        let (place, digest) = match text.rsplit_once('#') {
            Some((place, digest)) => (place, Some(digest)),
            None => (text, None),
        };
        let sha256 = digest.map(|digest| {
            let hex = digest.strip_prefix("sha256=").unwrap_or_default().to_ascii_lowercase();
            hex.parse::<Sha256>().map_err(|_| KitChoiceError::Digest(digest.to_owned()))
        });
        let scheme = place.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match (place, scheme.as_deref()) {
            ("", _) => Err(KitChoiceError::Empty),
            ("auto" | "source", _) if digest.is_some() => {
                Err(KitChoiceError::Word(place.to_owned()))
            }
            ("auto", _) => Ok(Self::Auto),
            ("source", _) => Ok(Self::Source),
            (_, Some("http" | "https")) => {
                let sha256 = sha256.ok_or(KitChoiceError::NoDigest)??;
                Ok(Self::Url(place.to_owned(), sha256))
            }
            (_, Some(scheme)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err(KitChoiceError::Scheme(scheme.to_owned()))
            }
            // A `#` in the name of a file is a part of it.
            _ if digest.is_some_and(|digest| !digest.starts_with("sha256=")) => {
                Ok(Self::File(text.into(), None))
            }
            _ => Ok(Self::File(place.into(), sha256.transpose()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KitChoice, KitChoiceError, Sha256};

    #[test]
    fn a_server_is_believed_by_a_digest_alone() {
        let hex = "ab".repeat(32);
        let digest: Sha256 = hex.parse().unwrap();
        let parse = |text: &str| text.parse::<KitChoice>();
        assert_eq!(parse("auto"), Ok(KitChoice::Auto));
        assert_eq!(parse("source"), Ok(KitChoice::Source));
        assert_eq!(parse("kits/a#1.tar.zst"), Ok(KitChoice::File("kits/a#1.tar.zst".into(), None)));
        assert_eq!(
            parse(&format!("a.tar.zst#sha256={hex}")),
            Ok(KitChoice::File("a.tar.zst".into(), Some(digest)))
        );
        assert_eq!(
            parse(&format!("https://example.com/a.tar.zst#sha256={}", hex.to_uppercase())),
            Ok(KitChoice::Url("https://example.com/a.tar.zst".into(), digest))
        );
        let url = "https://example.com/a.tar.zst";
        assert_eq!(parse(url), Err(KitChoiceError::NoDigest));
        let other = format!("FTP://u:secret@example.com/a#sha256={hex2}", hex2 = "ab".repeat(32));
        assert_eq!(parse(&other), Err(KitChoiceError::Scheme("ftp".to_owned())));
        assert_eq!(parse("auto#sha256=12"), Err(KitChoiceError::Word("auto".to_owned())));
        assert!(matches!(parse(&format!("{url}#sha256=12")), Err(KitChoiceError::Digest(_))));
        assert!(matches!(parse(&format!("{url}#md5=12")), Err(KitChoiceError::Digest(_))));
        assert!(matches!(parse("a#sha256=12"), Err(KitChoiceError::Digest(_))));
        assert_eq!(parse(""), Err(KitChoiceError::Empty));
    }
}
