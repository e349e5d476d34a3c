use std::fmt;
use std::str::FromStr;

use regex::Regex;

/// What an answer must have in it: a text, or, between slashes, a regular expression.
#[derive(Clone, Debug)]
pub struct Expectation {
    text: String,
    pattern: Option<Regex>,
}

impl PartialEq for Expectation {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why an expectation can never be met, or always is.
#[derive(Debug, thiserror::Error)]
pub enum ExpectationError {
    /// Any answer has an empty text in it.
    #[error("it is empty, and every answer has that in it")]
    Empty,
    /// No regular expression.
    #[error("it is not a regular expression: {0}")]
    Pattern(String),
}

impl Expectation {
    /// Whether an answer has it.
    pub fn is_met_by(&self, answer: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.is_match(answer),
            None => answer.contains(&self.text),
        }
    }
}

impl FromStr for Expectation {
    type Err = ExpectationError;

    fn from_str(text: &str) -> Result<Self, ExpectationError> {
        let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        if text.is_empty() || inner.is_some_and(str::is_empty) {
            return Err(ExpectationError::Empty);
        }
        let pattern = inner.map(Regex::new).transpose().map_err(|error| {
            // The crate draws the place over several lines; the last one says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            ExpectationError::Pattern(last.trim_start_matches("error: ").to_owned())
        })?;
        Ok(Self { text: text.to_owned(), pattern })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Expectation;

    #[test]
    fn a_text_or_between_slashes_a_pattern() {
        let met = |text: &str, answer: &str| text.parse::<Expectation>().unwrap().is_met_by(answer);
        assert!(met("Paris", "It is Paris.") && !met("Paris", "It is paris."));
        assert!(met("/(?i)paris/", "It is paris.") && !met("/^Paris/", "It is Paris."));
        assert!(met("a.c", "a.c") && !met("a.c", "abc"));
        for bad in ["", "//"] {
            assert!(bad.parse::<Expectation>().is_err(), "{bad}");
        }
        let why = "/(/".parse::<Expectation>().unwrap_err().to_string();
        assert_eq!(why, "it is not a regular expression: unclosed group");
    }
}
