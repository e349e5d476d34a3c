//! The table's verdict on a checkpoint.

use super::facts::Facts;
use super::hints::{JUDGES, LIKELY, MARKS, NO_CHAT};
use super::rules::{RULES, Rule, Trained};

/// How far a rule went along with a checkpoint: what failed last is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failed {
    ChatTemplate,
    Config,
    Tokens,
    Training,
}

/// Why no template is certain.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Uncertain {
    /// No rule is for the `model_type`.
    #[error("mlc-package cannot tell the template of {0} checkpoints")]
    ModelType(String),
    /// An architecture that is no language model's.
    #[error("its architecture {0} does not answer in words")]
    Architecture(String),
    /// A word in the name of models that nobody talks to.
    #[error("its name has the word `{0}`")]
    Word(&'static str),
    /// The chat template of a model that judges.
    #[error("its chat template has conversations judged, not answered")]
    Judge,
    /// No chat template.
    #[error(
        "it has no chat template (in tokenizer_config.json or chat_template.jinja), as base models \
         have none"
    )]
    NoChatTemplate,
    /// A chat template that belongs to no rule.
    #[error(
        "its chat template, with {marks}, is not one that {model_type} checkpoints are known to have"
    )]
    ChatTemplate {
        /// What is known of it.
        marks: String,
        /// The `model_type`.
        model_type: String,
    },
    /// A number that models of the template do not have.
    #[error("its chat template is that of `{template}`, but {field} is {found}")]
    Number {
        /// The template.
        template: &'static str,
        /// What is counted.
        field: &'static str,
        /// The number.
        found: u64,
    },
    /// A token of the template that is another one, or missing.
    #[error("its chat template is that of `{template}`, but {found}")]
    Token {
        /// The template.
        template: &'static str,
        /// What is in its place.
        found: String,
    },
    /// Nothing says that it was trained to answer.
    #[error("it may be a base model: its chat template is that of `{template}`, but {lacks}")]
    Base {
        /// The template.
        template: &'static str,
        /// What would say it.
        lacks: String,
    },
    /// Several rules hold.
    #[error("it may be any of {}", .0.join(", "))]
    Several(Vec<&'static str>),
}

/// The template that is certain, or why none is.
pub(super) fn judge(facts: &Facts) -> Result<&'static str, Uncertain> {
    let rules: Vec<_> =
        RULES.iter().filter(|rule| rule.model_types.contains(&facts.model_type.as_str())).collect();
    if rules.is_empty() {
        return Err(Uncertain::ModelType(quoted(&facts.model_type)));
    }
    refuse_others(facts)?;
    let Some(text) = &facts.chat_template else {
        return Err(Uncertain::NoChatTemplate);
    };
    let (mut certain, mut nearest) = (Vec::new(), None);
    for rule in rules {
        match holds(rule, facts, text) {
            Ok(()) => certain.push(rule.template),
            Err((failed, why)) => {
                if nearest.as_ref().is_none_or(|(before, _)| *before < failed) {
                    nearest = Some((failed, why));
                }
            }
        }
    }
    match (certain.as_slice(), nearest) {
        ([template], _) => Ok(template),
        ([], Some((_, why))) => Err(why),
        _ => Err(Uncertain::Several(certain)),
    }
}

/// The templates that are likely where none is certain.
pub(super) fn likely(facts: &Facts) -> Vec<&'static str> {
    let text = facts.chat_template.as_deref().unwrap_or_default();
    let line = LIKELY
        .iter()
        .find(|(model_type, mark, _)| *model_type == facts.model_type && text.contains(mark));
    line.map(|(_, _, templates)| templates.to_vec()).unwrap_or_default()
}

/// Models that look like one to talk to and are none.
fn refuse_others(facts: &Facts) -> Result<(), Uncertain> {
    let generates = |name: &String| {
        ["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    if let Some(first) = facts.architectures.first()
        && !facts.architectures.iter().any(generates)
    {
        return Err(Uncertain::Architecture(quoted(first)));
    }
    if let Some(word) = NO_CHAT.iter().find(|word| facts.words.contains(**word)) {
        return Err(Uncertain::Word(word));
    }
    let text = facts.chat_template.as_deref().unwrap_or_default();
    if JUDGES.iter().any(|mark| text.contains(mark)) {
        return Err(Uncertain::Judge);
    }
    Ok(())
}

fn holds(rule: &Rule, facts: &Facts, text: &str) -> Result<(), (Failed, Uncertain)> {
    let has = |mark: &&&str| text.contains(**mark);
    if !rule.has.iter().all(|mark| has(&mark)) || rule.lacks.iter().any(|mark| has(&mark)) {
        return Err((Failed::ChatTemplate, unknown_template(facts, text)));
    }
    for (field, allowed) in rule.numbers {
        if let Some(found) = facts.numbers.get(*field).filter(|found| !allowed.contains(*found)) {
            let why = Uncertain::Number { template: rule.template, field, found: *found };
            return Err((Failed::Config, why));
        }
    }
    for (id, token) in rule.tokens {
        let found = match facts.tokens.get(id) {
            Some(found) if found == token => continue,
            Some(found) => format!("token {id} is {}, not `{token}`", quoted(found)),
            None => format!("token {id}, `{token}`, is not among its special tokens"),
        };
        let why = Uncertain::Token { template: rule.template, found };
        return Err((Failed::Tokens, why));
    }
    trained(rule, facts).map_err(|why| (Failed::Training, why))
}

fn trained(rule: &Rule, facts: &Facts) -> Result<(), Uncertain> {
    let lacks = match rule.trained {
        Trained::Always => return Ok(()),
        Trained::EndsWith(id) if facts.stops.contains(&id) => return Ok(()),
        Trained::EndsWith(id) => {
            let stops: Vec<_> = facts.stops.iter().take(8).map(u64::to_string).collect();
            let found = match stops.as_slice() {
                [] => "not there".to_owned(),
                _ => stops.join(", "),
            };
            let token = rule.tokens.iter().find(|(known, _)| *known == id);
            let token = token.map_or("its last token", |(_, token)| token);
            format!("`{token}` ({id}) ends no answer: eos_token_id is {found}")
        }
        Trained::Named(words) if words.iter().any(|word| facts.words.contains(*word)) => {
            return Ok(());
        }
        Trained::Named(words) => format!("its name does not say `{}`", words.join("` or `")),
    };
    Err(Uncertain::Base { template: rule.template, lacks })
}

fn unknown_template(facts: &Facts, text: &str) -> Uncertain {
    let seen: Vec<_> = MARKS.iter().filter(|mark| text.contains(**mark)).copied().collect();
    let marks = match seen.as_slice() {
        [] => "no mark of turns that is known".to_owned(),
        _ => format!("the marks {}", seen.join(" ")),
    };
    Uncertain::ChatTemplate { marks, model_type: quoted(&facts.model_type) }
}

/// A stranger's word, short and of one line.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("`{shown}`")
}
