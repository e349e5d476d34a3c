//! A template held against the tokenizer: the marks by which it tells turns apart, and the tokens by
//! which an answer ends, must be tokens of the model.

use std::collections::BTreeSet;

use super::conversation::Conversation;
use super::tokens::Tokens;
use super::verdict::{Check, Verdict};
use crate::model::{ChatConfig, visible};

/// Tokens that begin a turn, of the families of templates that have one. A tokenizer that has one of
/// them was made for that family.
const TURNS: [&str; 8] = [
    "<|im_start|>",
    "<start_of_turn>",
    "<|start_header_id|>",
    "<|START_OF_TURN_TOKEN|>",
    "<|start_of_role|>",
    "<|user|>",
    "<｜User｜>",
    "[INST]",
];
/// A mark longer than this, in bytes, is text.
const LONGEST: usize = 40;

pub(super) fn judge(
    conversation: &Conversation,
    tokens: &Tokens,
    chat_config: &ChatConfig,
    verdict: &mut Verdict,
) {
    let file = ChatConfig::FILE_NAME;
    if let Some(active) = chat_config.number("active_vocab_size")
        && active > 0
        && u64::try_from(active).is_ok_and(|active| active != tokens.count() as u64)
    {
        let count = tokens.count();
        let message = format!(
            "tokenizer.json has {count} tokens, and {file} was written for {active} \
             (`active_vocab_size`): is it the tokenizer of another model?"
        );
        verdict.warn(Check::Tokens, message);
    }
    turns(conversation, tokens, verdict);
    if conversation.stop_token_ids.is_empty() && conversation.stop_str.iter().all(String::is_empty)
    {
        let message = "the template has neither `stop_token_ids` nor `stop_str`: no answer of the \
                       app would end by itself";
        verdict.fail(Check::Template, message);
    }
    for token in &conversation.stop_token_ids {
        match tokens.text_of(*token) {
            None => {
                let message = format!(
                    "an answer ends at the token {token} (`stop_token_ids`), and tokenizer.json has \
                     no such token: the template is that of another model"
                );
                verdict.fail(Check::Template, message);
            }
            Some(text) if !tokens.is_added(*token) => {
                let text = visible(&text, LONGEST);
                let message = format!(
                    "an answer ends at the token {token} (`stop_token_ids`), which is the ordinary \
                     word `{text}`"
                );
                verdict.warn(Check::Template, message);
            }
            Some(_) => {}
        }
    }
}

fn turns(conversation: &Conversation, tokens: &Tokens, verdict: &mut Verdict) {
    let marks: BTreeSet<_> = conversation.texts().flat_map(marks).collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        marks.iter().copied().partition(|mark| tokens.has_added(mark));
    // The mark of a turn tells most of whose template it is.
    let turn = unknown.iter().find(|mark| TURNS.contains(*mark));
    let Some(first) = turn.or(unknown.first()) else { return };
    let mark = visible(first, LONGEST);
    let name = conversation.name.as_deref().unwrap_or("of this model");
    let name = visible(name, LONGEST);
    let other = TURNS.iter().find(|turn| tokens.has_added(turn) && !marks.contains(*turn));
    match other {
        Some(other) if turn.is_some() || known.iter().all(|mark| !TURNS.contains(mark)) => {
            let message = format!(
                "the template `{name}` has `{mark}` in it, which is not a token of tokenizer.json, and \
                 that has `{other}`: the template is that of another model"
            );
            verdict.fail(Check::Template, message);
        }
        _ => {
            let message = format!(
                "the template `{name}` has `{mark}` in it, which is not a token of its own in \
                 tokenizer.json"
            );
            verdict.warn(Check::Template, message);
        }
    }
}

/// What looks like a token that stands for no text: `<|im_end|>`, `</s>`, `[INST]`.
fn marks(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().filter_map(move |(at, begin)| {
        let rest = text.get(at + 1..)?;
        let end = match begin {
            '<' => '>',
            '[' => ']',
            _ => return None,
        };
        let length =
            rest.find(|c: char| c == end || c == begin || c.is_whitespace() || c == '{')?;
        let inner = rest.get(..length)?;
        let word = |c: char| c.is_ascii_uppercase() || "/_".contains(c);
        let is_mark = rest[length..].starts_with(end)
            && !inner.is_empty()
            && inner.len() < LONGEST
            && (begin == '<' || inner.chars().all(word));
        is_mark.then(|| text.get(at..at + length + 2)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn marks_are_what_stands_for_no_text() {
        let found = |text: &'static str| marks(text).collect::<Vec<_>>();
        assert_eq!(
            found("<|im_start|>system\n{system_message}<|im_end|>\n"),
            ["<|im_start|>", "<|im_end|>"]
        );
        assert_eq!(found("<s>[INST] a [/INST]</s>"), ["<s>", "[INST]", "[/INST]", "</s>"]);
        assert_eq!(found("<｜User｜>a"), ["<｜User｜>"]);
        assert_eq!(found("a < b > c, [see 1], [a], <{system_message}>, <>"), [""; 0]);
    }
}
