use serde::Serialize;

/// What was found out about a model. It passes if nothing failed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// What must not be.
    pub failures: Vec<Finding>,
    /// What is odd, and may explain a failure.
    pub warnings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// What is wrong.
    pub message: String,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Whether the tokens of tokenizer and template are those of the model.
    Tokens,
    /// Whether the template is one that the tokenizer was made for.
    Template,
    /// Whether a prompt gives the same at once and token by token.
    Consistency,
    /// Whether the model knows language.
    Perplexity,
    /// Whether the answer has what was expected.
    Expected,
    /// Whether the answer ends.
    Stop,
}

impl Verdict {
    pub(super) fn fail(&mut self, check: Check, message: impl Into<String>) {
        self.failures.push(Finding { check, message: message.into() });
    }

    pub(super) fn warn(&mut self, check: Check, message: impl Into<String>) {
        self.warnings.push(Finding { check, message: message.into() });
    }

    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty()
    }
}
