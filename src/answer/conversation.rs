//! The conversation template of a model, and the prompt that it makes of what a user says.
//!
//! The fields and their defaults are those of upstream's `protocol/conversation_protocol.py`; the
//! prompt is put together as the runtime on the phone does it (`cpp/json_ffi/conv_template.cc`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::AnswerError;
use super::tokens::Tokens;
use crate::model::ChatConfig;

/// A template. Fields that a prompt of one user's message does not depend on are passed over:
/// `function_string`, `use_function_calling`, `strip_reasoning_in_history`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Conversation {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default = "system_placeholder")]
    system_template: String,
    #[serde(default)]
    system_message: String,
    #[serde(default)]
    pub(super) system_prefix_token_ids: Option<Vec<u32>>,
    #[serde(default = "yes")]
    add_role_after_system_message: bool,
    roles: BTreeMap<String, String>,
    #[serde(default)]
    role_templates: BTreeMap<String, String>,
    /// What was said before, each by a role; a text, or a list of parts.
    #[serde(default)]
    messages: Vec<(String, Value)>,
    seps: Vec<String>,
    #[serde(default)]
    role_content_sep: String,
    #[serde(default)]
    role_empty_sep: String,
    #[serde(default)]
    pub(super) stop_str: Vec<String>,
    #[serde(default)]
    pub(super) stop_token_ids: Vec<u32>,
}

const SYSTEM: &str = "{system_message}";

fn system_placeholder() -> String {
    SYSTEM.to_owned()
}

fn yes() -> bool {
    true
}

impl Conversation {
    /// The template of a model.
    pub(super) fn of(chat_config: &ChatConfig) -> Result<Self, AnswerError> {
        let wrong = |why: String| AnswerError::Template { why };
        let found = match chat_config.fields().get("conv_template") {
            None | Some(Value::Null) => return Err(wrong("there is none".to_owned())),
            Some(Value::String(name)) => {
                return Err(wrong(format!(
                    "it is the name `{name}` alone, as models of 2023 have it"
                )));
            }
            Some(found) => Self::deserialize(found).map_err(|error| wrong(error.to_string()))?,
        };
        if !(1..=2).contains(&found.seps.len()) {
            return Err(wrong(format!("`seps` has {} entries, not 1 or 2", found.seps.len())));
        }
        for role in ["user", "assistant"] {
            if !found.roles.contains_key(role) {
                return Err(wrong(format!("`roles` has no `{role}`")));
            }
        }
        Ok(found)
    }

    /// The tokens of a conversation in which the user says one thing.
    pub(super) fn prompt(&self, said: &str, tokens: &Tokens) -> Result<Vec<u32>, AnswerError> {
        let mut prompt = self.system_prefix_token_ids.clone().unwrap_or_default();
        prompt.extend(tokens.encode(&self.text(said)?)?);
        Ok(prompt)
    }

    /// The text of a prompt, which is encoded as a whole.
    fn text(&self, said: &str) -> Result<String, AnswerError> {
        let mut before = Vec::new();
        let mut system = None;
        for (role, content) in &self.messages {
            let content = text_of(content).ok_or_else(|| AnswerError::Template {
                why: "`messages` has an entry that is not text".to_owned(),
            })?;
            match role.as_str() {
                "system" => system.get_or_insert_with(String::new).push_str(&content),
                role => before.push((role, content)),
            }
        }
        let system = system.as_ref().unwrap_or(&self.system_message);
        let mut text = self.system_template.replacen(SYSTEM, system, 1);
        let messages = before.iter().map(|(role, content)| (*role, content.as_str()));
        for (index, (role, content)) in messages.chain([("user", said)]).enumerate() {
            let name = self.roles.get(role).ok_or_else(|| AnswerError::Template {
                why: format!("`messages` has the role `{role}`, which `roles` does not have"),
            })?;
            if self.add_role_after_system_message || text.is_empty() || index > 0 {
                text.push_str(name);
                text.push_str(&self.role_content_sep);
            }
            text.push_str(&self.filled(role, content));
            let sep = usize::from(role == "assistant") % self.seps.len();
            text.extend(self.seps.get(sep).map(String::as_str));
        }
        text.extend(self.roles.get("assistant").map(String::as_str));
        text.push_str(&self.role_empty_sep);
        Ok(text)
    }

    /// A message as its role's template has it. Where no functions are offered, the phone leaves their
    /// placeholder there.
    fn filled(&self, role: &str, content: &str) -> String {
        let placeholder = format!("{{{role}_message}}");
        let template = self.role_templates.get(role).unwrap_or(&placeholder);
        template.replacen(&placeholder, content, 1)
    }

    /// Every text that the template itself has in a prompt, or ends an answer by.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let single = [&self.system_template, &self.role_content_sep, &self.role_empty_sep];
        let spoken = ["user", "assistant"];
        let roles = spoken.into_iter().filter_map(|role| self.roles.get(role));
        let templates = spoken.into_iter().filter_map(|role| self.role_templates.get(role));
        let texts = single.into_iter().chain(roles).chain(templates);
        texts.chain(&self.seps).chain(&self.stop_str).map(String::as_str)
    }
}

fn text_of(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            parts.iter().map(|part| Some(part.get("text")?.as_str()?.to_owned())).collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Conversation;
    use crate::model::ChatConfig;

    fn read(template: &Value) -> Result<Conversation, String> {
        let config = json!({
            "model_type": "llama", "quantization": "q4f16_1", "model_config": {},
            "conv_template": template,
        });
        let config = ChatConfig::parse(config.to_string().as_bytes()).unwrap();
        Conversation::of(&config).map_err(|error| error.to_string())
    }

    fn text(template: &Value) -> String {
        read(template).unwrap().text("Hi?").unwrap()
    }

    /// The expected texts are what upstream's own `as_prompt` gives for these templates.
    #[test]
    fn prompts_are_those_of_upstream() {
        let chatml = json!({
            "name": "chatml",
            "system_template": "<|im_start|>system\n{system_message}<|im_end|>\n",
            "system_message": "Be kind.",
            "roles": {"user": "<|im_start|>user", "assistant": "<|im_start|>assistant"},
            "seps": ["<|im_end|>\n"],
            "role_content_sep": "\n",
            "role_empty_sep": "\n",
        });
        let expected = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi?<|im_end|>\n\
                        <|im_start|>assistant\n";
        assert_eq!(text(&chatml), expected);
        let llama2 = json!({
            "system_template": "[INST] <<SYS>>\n{system_message}\n<</SYS>>\n\n",
            "system_message": "Be kind.",
            "roles": {"user": "<s>[INST]", "assistant": "[/INST]", "tool": "[INST]"},
            "seps": [" "],
            "role_content_sep": " ",
            "role_empty_sep": " ",
            "add_role_after_system_message": false,
        });
        assert_eq!(text(&llama2), "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi? [/INST] ");
    }

    /// Every template that upstream knows, and the prompt that its own `as_prompt` makes of it, in
    /// tests/data/prompts.json.
    #[test]
    fn prompts_of_all_templates_are_those_of_upstream() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/prompts.json");
        let cases: Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
        let cases = cases.as_object().unwrap();
        for (name, case) in cases {
            assert_eq!(text(&case["template"]), case["prompt"].as_str().unwrap(), "{name}");
            let read = read(&case["template"]).unwrap();
            let prefix = serde_json::to_value(&read.system_prefix_token_ids).unwrap();
            assert_eq!(prefix, case["template"]["system_prefix_token_ids"], "{name}");
        }
        assert_eq!(cases.len(), 53);
    }

    #[test]
    fn what_was_said_before_has_its_own_separators() {
        let template = json!({
            "roles": {"user": "U", "assistant": "A"},
            "role_templates": {"user": "<{user_message}{function_string}>"},
            "messages": [["user", "one"], ["assistant", [{"type": "text", "text": "two"}]]],
            "seps": ["; ", ".\n"],
            "role_content_sep": ": ",
            "role_empty_sep": ":",
        });
        assert_eq!(
            text(&template),
            "U: <one{function_string}>; A: two.\nU: <Hi?{function_string}>; A:"
        );
        let mut with_system = template;
        with_system["messages"] = json!([["system", "S"], ["system", "T"]]);
        assert_eq!(text(&with_system), "STU: <Hi?{function_string}>; A:");
    }

    #[test]
    fn what_no_runtime_can_use_is_refused_by_its_field() {
        let whole = json!({"roles": {"user": "U", "assistant": "A"}, "seps": ["\n"]});
        let why = |change: &dyn Fn(&mut Value)| {
            let mut template = whole.clone();
            change(&mut template);
            let read = read(&template)
                .and_then(|found| found.text("Hi?").map_err(|error| error.to_string()));
            read.unwrap_err()
        };
        assert!(why(&|template| *template = json!("llama-2")).contains("the name `llama-2` alone"));
        assert!(why(&|template| *template = Value::Null).contains("there is none"));
        assert!(why(&|template| template["seps"] = json!([])).contains("`seps` has 0 entries"));
        let roles = json!({"user": "U"});
        assert!(why(&|template| template["roles"] = roles.clone()).contains("no `assistant`"));
        let messages = json!([["tool", "x"]]);
        assert!(why(&|template| template["messages"] = messages.clone()).contains("role `tool`"));
    }
}
