use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint};

/// Everything that can change a platform binding but the models: names such as `mlc-llm`, `ndk`
/// or `LDFLAGS`, and what each is. Paths of one machine are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KitInputs(pub BTreeMap<String, String>);

impl KitInputs {
    /// The input that names the file of a kit that came as one. A kit that is built here has no such
    /// input, so that no stranger's kit is taken for it.
    pub const FILE: &str = "kit";

    /// What the kit of a binding made from these is kept under. The file of a kit says all else, so
    /// that its digest alone names it: who has not read it yet knows where it will be.
    pub fn fingerprint(&self) -> Fingerprint {
        let file = self.0.get_key_value(Self::FILE);
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|it| file.is_none_or(|file| file == *it)) {
            // Lengths, so that no value can look like the next name.
            text += &format!("{}:{name}{}:{value}", name.len(), value.len());
        }
        Fingerprint(Digest::of(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::KitInputs;

    #[test]
    fn every_name_and_value_counts() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            KitInputs(pairs.collect()).fingerprint()
        };
        let base = of(&[("a", "1"), ("b", "2")]);
        let file = ("kit", "sha256:12");
        assert_eq!(of(&[("a", "1"), file]), of(&[file]));
        assert_ne!(of(&[("kit", "sha256:34")]), of(&[file]));
        assert_eq!(base, of(&[("b", "2"), ("a", "1")]));
        for other in [&[("a", "1")][..], &[("a", "1"), ("b", "3")], &[("a", "11:b1:2")], &[]] {
            assert_ne!(base, of(other), "{other:?}");
        }
    }
}
