//! Words of MLC LLM's commands, and of tools like this one, that are no verb or option here: each gets
//! one sentence that says what to use.

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;
use crate::model::Overrides;

/// Verbs, and what to use.
const VERBS: [(&[&str], &str); 11] = [
    (
        &["convert_weight", "convert-weight", "convert_weights", "convert-weights", "quantize"],
        "use `mlc-package convert MODEL --quantization q4f16_1 -o DIR`, which also writes \
         mlc-chat-config.json and the tokenizer",
    ),
    (
        &["gen_config", "gen-config", "gen_mlc_chat_config"],
        "use `mlc-package convert MODEL --quantization q4f16_1 --conv-template auto -o DIR`, which \
         writes mlc-chat-config.json together with the weights",
    ),
    (&["chat", "run"], "use `mlc-package try MODEL` for one prompt, or `mlc_llm chat` to chat"),
    (&["serve"], "use `mlc_llm serve`: mlc-package only makes packages for phones"),
    (&["router"], "use `mlc_llm router`: mlc-package only makes packages for phones"),
    (&["calibrate"], "use `mlc_llm calibrate`"),
    (&["clean", "clear", "prune", "gc"], "use `mlc-package cache prune`"),
    (&["validate", "lint"], "use `mlc-package check`"),
    (&["size", "sizes", "diff"], "use `mlc-package report`"),
    (&["release", "upload", "deliver"], "use `mlc-package publish --tag TAG`"),
    (&["version"], "use `mlc-package --version`"),
];

/// The verbs that make a package of a config.
const PACKAGES: [&str; 5] = ["build", "package", "plan", "lock", "check"];

/// Options, the verbs at which they are meant (all with none), and what to use.
const OPTIONS: &[(&[&str], &[&str], &str)] = &[
    (&["--json"], &[], "use `--format json`"),
    (&["--help-all"], &[], "use `--help`, or `mlc-package help VERB`"),
    (&["--debug", "--log-level"], &[], "use `-v`, or `-vv` for every request and program"),
    (&["--no-color", "--no-colour"], &[], "use `--color never`"),
    (&["--silent"], &[], "use `-q`"),
    (
        &["--force", "--rebuild", "--no-cache"],
        &["build", "package", "compile", "try"],
        "set MLC_JIT_POLICY=REDO to compile again; `build --rebuild-binding` builds the binding again",
    ),
    (&["--force"], &["lock"], "use `--update` to move the pins"),
    (&["--force"], &[], "remove it: nothing here asks for confirmation"),
    (&["--config"], &["build", "package", "plan", "lock"], "use `--package-config FILE`"),
    (&["--config"], &["check"], "name the file without an option: `mlc-package check FILE`"),
    (
        &["--model"],
        &["compile", "convert", "try"],
        "name the model without an option, after the verb",
    ),
    (&["--model"], &PACKAGES, "use `--only MODEL_ID` for one model of the config"),
    (&["--device", "--target"], &PACKAGES, "set `device` in the package config"),
    (
        &["--overrides", "--opt"],
        &PACKAGES,
        "set `overrides` in the model's entry of the package config, `opt` among them",
    ),
    (
        &["--quantization", "--conv-template"],
        &PACKAGES,
        "set it in the model's entry of the package config, where `build` converts a raw checkpoint",
    ),
    (
        &["--system-lib-prefix"],
        &PACKAGES,
        "set `model_lib` in the model's entry of the package config",
    ),
    (
        &["--host", "--enable-subgroups", "--model-type", "--debug-dump"],
        &PACKAGES,
        "packages are compiled without it; `mlc-package compile --help` lists what one library takes",
    ),
    (
        &["--quantization", "--model-type"],
        &["compile"],
        "remove it: mlc-chat-config.json contains it, and `convert` writes that file",
    ),
    (&["--conv-template"], &["compile"], "use it with `mlc-package convert`"),
    (
        &["--source", "--source-format", "--lora-adapter"],
        &["compile", "build", "package", "plan"],
        "use it with `mlc-package convert`",
    ),
    (&["--debug-dump"], &["compile"], "use `python -m mlc_llm compile --debug-dump DIR`"),
    (
        &["--opt", "--host", "--system-lib-prefix"],
        &["convert"],
        "use it with `mlc-package compile`",
    ),
];

/// What to use for the word at which clap failed, if it is known elsewhere; a sentence.
pub(super) fn answer(error: &clap::Error, arguments: &[String]) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(error, ContextKind::InvalidSubcommand)?;
            Some(format!("there is no verb `{word}`: {}", of_verb(word)?))
        }
        ErrorKind::UnknownArgument => {
            let option = context(error, ContextKind::InvalidArg)?;
            let option = option.split(['=', ' ']).next()?;
            let command = Cli::command();
            let verb = arguments.iter().find(|word| command.find_subcommand(word).is_some())?;
            Some(format!("`{verb}` has no `{option}`: {}", of_option(verb, option, arguments)?))
        }
        _ => None,
    }
}

/// Replaces the usage line of an error: clap's own lists options that variables have set as required.
pub(super) fn say_usage(error: &mut clap::Error, arguments: &[String]) {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return;
    }
    let mut command = Cli::command();
    command.build();
    let mut command = &mut command;
    for word in arguments {
        if command.find_subcommand(word).is_none() {
            continue;
        }
        let Some(verb) = command.find_subcommand_mut(word) else { return };
        command = verb;
    }
    error.insert(ContextKind::Usage, ContextValue::StyledStr(command.render_usage()));
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

fn of_verb(word: &str) -> Option<&'static str> {
    VERBS.iter().find(|(words, _)| words.contains(&word)).map(|(_, says)| *says)
}

fn of_option(verb: &str, option: &str, arguments: &[String]) -> Option<String> {
    if override_of(option).is_some() {
        return of_override(verb, arguments);
    }
    let fits = |(options, verbs, _): &&(&[&str], &[&str], &str)| {
        options.contains(&option) && (verbs.is_empty() || verbs.contains(&verb))
    };
    OPTIONS.iter().find(fits).map(|(.., says)| (*says).to_owned())
}

/// `gen_config` has an option for each field that overrides have.
fn override_of(option: &str) -> Option<&'static str> {
    let name = option.strip_prefix("--")?.replace('-', "_");
    Overrides::NAMES.into_iter().find(|known| *known == name && name != "opt")
}

/// All of these options at once, with their values as far as they are given.
fn of_override(verb: &str, arguments: &[String]) -> Option<String> {
    let mut fields = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (argument.as_str(), arguments.get(index + 1).map(String::as_str)),
        };
        let Some(name) = override_of(option) else { continue };
        let is_plain = |text: &&str| text.chars().all(char::is_alphanumeric) && !text.is_empty();
        fields.push((name, value.filter(is_plain).unwrap_or("N")));
    }
    if PACKAGES.contains(&verb) {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        let fields = fields.join(", ");
        return Some(format!(
            "set `\"overrides\": {{ {fields} }}` in the model's entry of the package config"
        ));
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    match (verb, fields.as_slice()) {
        ("compile" | "convert", [one]) => Some(format!("use `--overrides {one}`")),
        ("compile" | "convert", several) => {
            Some(format!("use `--overrides '{}'`", several.join(";")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::super::Cli;
    use super::{OPTIONS, VERBS, of_option};

    /// The options of MLC LLM's commands (`python/mlc_llm/cli/`), beside the verb that replaces each.
    const OF_UPSTREAM: [(&str, &[&str]); 4] = [
        ("build", &["package-config", "mlc-llm-source-dir", "output"]),
        (
            "compile",
            &[
                "quantization",
                "model-type",
                "device",
                "host",
                "enable-subgroups",
                "opt",
                "system-lib-prefix",
                "output",
                "overrides",
                "debug-dump",
            ],
        ),
        (
            "convert",
            &[
                "quantization",
                "model-type",
                "device",
                "source",
                "source-format",
                "output",
                "lora-adapter",
            ],
        ),
        (
            "convert",
            &[
                "conv-template",
                "context-window-size",
                "sliding-window-size",
                "prefill-chunk-size",
                "attention-sink-size",
                "tensor-parallel-shards",
                "pipeline-parallel-stages",
                "disaggregation",
                "max-batch-size",
            ],
        ),
    ];

    fn takes(command: &Command, verb: &str, option: &str) -> bool {
        let verb = command.find_subcommand(verb).unwrap();
        let mut arguments = verb.get_arguments();
        arguments.any(|argument| {
            argument.get_long() == Some(option)
                || argument.get_all_aliases().unwrap_or_default().contains(&option)
        })
    }

    #[test]
    fn every_option_of_upstream_is_there_or_has_an_answer() {
        let command = Cli::command();
        for (verb, options) in OF_UPSTREAM {
            for option in options {
                let flag = format!("--{option}");
                let answer = of_option(verb, &flag, std::slice::from_ref(&flag));
                assert!(takes(&command, verb, option) || answer.is_some(), "{verb} {flag}");
            }
        }
    }

    /// An answer at a word that is known would never be given.
    #[test]
    fn no_answer_is_about_what_is_there() {
        let command = Cli::command();
        for (words, _) in VERBS {
            for word in words {
                assert!(command.find_subcommand(word).is_none(), "{word}");
            }
        }
        for (options, verbs, _) in OPTIONS {
            for (option, verb) in options.iter().flat_map(|o| verbs.iter().map(move |v| (o, v))) {
                let name = option.strip_prefix("--").unwrap();
                assert!(!takes(&command, verb, name), "{verb} {option}");
            }
        }
    }
}
