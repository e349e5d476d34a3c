use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Fingerprint};

/// Everything that can change a platform binding but the models: names such as `mlc-llm`, `ndk`
/// or `LDFLAGS`, and what each is. Paths of one machine are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KitInputs(pub BTreeMap<String, String>);

impl KitInputs {
    /// What the kit of a binding made from these is kept under.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut text = String::new();
        for (name, value) in &self.0 {
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
        assert_eq!(base, of(&[("b", "2"), ("a", "1")]));
        for other in [&[("a", "1")][..], &[("a", "1"), ("b", "3")], &[("a", "11:b1:2")], &[]] {
            assert_ne!(base, of(other), "{other:?}");
        }
    }
}
