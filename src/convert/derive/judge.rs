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

/// The template that is certain, or why none is.
pub(super) fn judge(facts: &Facts) -> Result<&'static str, String> {
    let rules: Vec<_> =
        RULES.iter().filter(|rule| rule.model_types.contains(&facts.model_type.as_str())).collect();
    if rules.is_empty() {
        let model_type = quoted(&facts.model_type);
        return Err(format!("for no template it is known how {model_type} checkpoints tell it"));
    }
    refuse_others(facts)?;
    let Some(text) = &facts.chat_template else {
        let places = "tokenizer_config.json or chat_template.jinja";
        return Err(format!("it has no chat template (in {places}), as base models have none"));
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
        (several, _) => Err(format!("it may be any of {}", several.join(", "))),
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
fn refuse_others(facts: &Facts) -> Result<(), String> {
    let generates = |name: &String| {
        ["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    if let Some(first) = facts.architectures.first()
        && !facts.architectures.iter().any(generates)
    {
        return Err(format!("its architecture {} does not answer in words", quoted(first)));
    }
    if let Some(word) = NO_CHAT.iter().find(|word| facts.words.contains(**word)) {
        return Err(format!("its name has the word `{word}`"));
    }
    let text = facts.chat_template.as_deref().unwrap_or_default();
    if JUDGES.iter().any(|mark| text.contains(mark)) {
        return Err("its chat template has conversations judged, not answered".to_owned());
    }
    Ok(())
}

fn holds(rule: &Rule, facts: &Facts, text: &str) -> Result<(), (Failed, String)> {
    let has = |mark: &&&str| text.contains(**mark);
    if !rule.has.iter().all(|mark| has(&mark)) || rule.lacks.iter().any(|mark| has(&mark)) {
        return Err((Failed::ChatTemplate, unknown_template(facts, text)));
    }
    for (field, allowed) in rule.numbers {
        if let Some(found) = facts.numbers.get(*field).filter(|found| !allowed.contains(*found)) {
            let why =
                format!("its chat template is that of `{}`, but {field} is {found}", rule.template);
            return Err((Failed::Config, why));
        }
    }
    for (id, token) in rule.tokens {
        let found = match facts.tokens.get(id) {
            Some(found) if found == token => continue,
            Some(found) => format!("token {id} is {}, not `{token}`", quoted(found)),
            None => format!("token {id}, `{token}`, is not among its special tokens"),
        };
        let why = format!("its chat template is that of `{}`, but {found}", rule.template);
        return Err((Failed::Tokens, why));
    }
    trained(rule, facts).map_err(|why| (Failed::Training, why))
}

fn trained(rule: &Rule, facts: &Facts) -> Result<(), String> {
    let but = match rule.trained {
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
    Err(format!(
        "it may be a base model: its chat template is that of `{}`, but {but}",
        rule.template
    ))
}

fn unknown_template(facts: &Facts, text: &str) -> String {
    let seen: Vec<_> = MARKS.iter().filter(|mark| text.contains(**mark)).copied().collect();
    let marks = match seen.as_slice() {
        [] => "no mark of turns that is known".to_owned(),
        _ => format!("the marks {}", seen.join(" ")),
    };
    format!(
        "its chat template, with {marks}, is not one that {} checkpoints are known to have",
        quoted(&facts.model_type)
    )
}

/// A stranger's word, short and of one line.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("`{shown}`")
}
