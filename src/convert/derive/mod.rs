//! The conversation template of a checkpoint, where its own files leave no doubt about it.
//!
//! `facts` reads what they say, `rules` is the table of templates, `hints`
//! what is likely elsewhere, `judge` holds the one against the
//! other. What is not certain is an error that says what was seen: a model that is spoken to in
//! words it was not trained with answers badly, and nothing says why. `remembered` keeps what was
//! derived of commits.

mod facts;
mod hints;
mod judge;
mod rules;
pub mod template_notes;
#[cfg(test)]
mod tests;

use camino::Utf8Path;

use self::facts::Facts;
use super::ConvertError;
use super::arch::Architecture;
use crate::model::ConvTemplate;

/// What stands for a template's name where it is to be derived.
pub const AUTO: &str = "auto";

/// Derives the conversation template of a checkpoint. `name` is what its repository is called,
/// where the directory's name does not say it.
///
/// # Errors
/// [`ConvertError::UncertainTemplate`] where the template does not follow from the files, and what
/// reading them gives.
pub fn derive(checkpoint: &Utf8Path, name: Option<&str>) -> Result<ConvTemplate, ConvertError> {
    let facts = Facts::read(checkpoint, name)?;
    // Nobody talks to a model of embeddings: MLC LLM asks for a template all the same.
    let embeds = Architecture::find(&facts.model_type).is_some_and(|found| found.embeds.is_some());
    let judged = if embeds { Ok("LM") } else { judge::judge(&facts) };
    let found = judged.map(|template| template.parse::<ConvTemplate>());
    match found {
        Ok(Ok(template)) => Ok(template),
        Ok(Err(unknown)) => Err(uncertain(checkpoint, &facts, unknown.to_string())),
        Err(why) => Err(uncertain(checkpoint, &facts, why.to_string())),
    }
}

fn uncertain(checkpoint: &Utf8Path, facts: &Facts, why: String) -> ConvertError {
    ConvertError::UncertainTemplate {
        checkpoint: name_of(checkpoint, facts),
        why,
        likely: judge::likely(facts),
    }
}

/// A snapshot of the Hub's cache is named by its commit.
fn name_of(checkpoint: &Utf8Path, facts: &Facts) -> String {
    facts.repository.clone().unwrap_or_else(|| checkpoint.to_string())
}
