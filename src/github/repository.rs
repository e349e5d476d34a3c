use std::fmt;
use std::str::FromStr;

/// A repository by its full name, `owner/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    owner: String,
    name: String,
}

/// A text that is no repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a repository: expected owner/name", .0.escape_debug())]
pub struct NotARepository(String);

impl Repository {
    /// Whose it is: a person or an organization.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its name, without its owner's.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Repository {
    type Err = NotARepository;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |word: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !matches!(word, "" | "." | "..") && word.len() <= 100 && word.chars().all(plain)
        };
        match text.split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(NotARepository(text.chars().take(200).collect())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Repository;

    #[test]
    fn a_repository_has_an_owner_and_a_name_and_no_more() {
        let repository: Repository = "mlc-ai/mlc.llm_2".parse().unwrap();
        assert_eq!((repository.owner(), repository.name()), ("mlc-ai", "mlc.llm_2"));
        for text in ["", "a", "a/", "/b", "a/b/c", "a/..", "./b", "a b/c", "a/b?x=1", "a/ö"] {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
    }
}
