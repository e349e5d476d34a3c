//! The conversation templates that upstream's `gen_config` accepts, as data: what of each is not
//! the default of upstream's `Conversation` (`protocol/conversation_protocol.py`).

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::convert::ConvertError;
use crate::convert::nearest::nearest;

static TEMPLATES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    // A test parses every one of them.
    serde_json::from_str(include_str!("templates.json")).unwrap_or_default()
});

/// Upstream's `Conversation`, in the order in which it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    #[serde(default)]
    name: String,
    #[serde(default = "system_template")]
    system_template: String,
    #[serde(default)]
    system_message: String,
    #[serde(default)]
    system_prefix_token_ids: Option<Vec<u32>>,
    #[serde(default = "yes")]
    add_role_after_system_message: bool,
    roles: Map<String, Value>,
    #[serde(default)]
    role_templates: Map<String, Value>,
    #[serde(default)]
    messages: Vec<Value>,
    seps: Vec<String>,
    #[serde(default)]
    role_content_sep: String,
    #[serde(default)]
    role_empty_sep: String,
    #[serde(default)]
    stop_str: Vec<String>,
    #[serde(default)]
    stop_token_ids: Vec<u32>,
    #[serde(default)]
    strip_reasoning_in_history: bool,
    #[serde(default)]
    function_string: String,
    #[serde(default)]
    use_function_calling: bool,
}

fn system_template() -> String {
    "{system_message}".to_owned()
}

fn yes() -> bool {
    true
}

/// The names of all templates, sorted.
pub fn template_names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.keys().map(String::as_str)
}

/// The template of a name.
pub(super) fn find(name: &str) -> Result<Conversation, ConvertError> {
    parse(name).ok_or_else(|| ConvertError::UnknownTemplate {
        name: name.to_owned(),
        nearest: nearest(name, template_names()),
    })
}

fn parse(name: &str) -> Option<Conversation> {
    let mut template = Conversation::deserialize(TEMPLATES.get(name)?).ok()?;
    name.clone_into(&mut template.name);
    let placeholders = [
        ("user", "{user_message}"),
        ("assistant", "{assistant_message}"),
        ("tool", "{tool_message}"),
    ];
    let own = std::mem::take(&mut template.role_templates);
    for (role, text) in placeholders {
        template.role_templates.insert(role.to_owned(), text.into());
    }
    template.role_templates.extend(own);
    Some(template)
}

#[cfg(test)]
mod tests {
    use super::{find, nearest, parse, template_names};
    use crate::model::ConvTemplate;
    use crate::stage_error::StageError as _;

    #[test]
    fn every_template_is_whole_and_they_are_sorted() {
        let names: Vec<_> = template_names().collect();
        assert!(names.is_sorted(), "{names:?}");
        // Those that a config may name.
        assert_eq!(names, ConvTemplate::NAMES);
        for name in names {
            let template = parse(name).unwrap_or_else(|| panic!("{name}"));
            assert!((1..=2).contains(&template.seps.len()), "{name}");
            assert!(template.roles.contains_key("user"), "{name}");
        }
    }

    #[test]
    fn a_misspelt_name_is_understood() {
        let nearest = |name| nearest(name, template_names());
        assert_eq!(nearest("llama3.1"), Some("llama-3_1"));
        assert_eq!(nearest("Qwen3"), Some("qwen3"));
        assert_eq!(nearest("something else entirely"), None);
        let help = find("gemma3-instructon").unwrap_err().help().unwrap();
        assert!(help.starts_with("did you mean `gemma3_instruction`? templates: LM, "), "{help}");
    }
}
