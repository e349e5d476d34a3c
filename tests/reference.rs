//! The generated parts of `docs/reference/`: what the program's `--help`, the JSON schemas and the exit
//! codes say, between `<!-- generated: NAME -->` and `<!-- end -->`. `UPDATE_DOCS=1` writes them again.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be read fails the test"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn the_command_line_is_that_of_help() {
    let mut text = String::new();
    for Help { words, shown } in every_help() {
        let name = ["mlc-package"].into_iter().chain(words.iter().map(String::as_str));
        let name = name.collect::<Vec<_>>().join(" ");
        // The options that every verb takes are shown once.
        let shown = if words.is_empty() {
            shown.as_str()
        } else {
            shown.split("\nMessages:\n").next().unwrap()
        };
        let shown: Vec<_> = shown.trim_end().lines().map(str::trim_end).collect();
        write!(text, "## `{name}`\n\n```text\n{}\n```\n\n", shown.join("\n")).unwrap();
    }
    hold("command-line.md", "help", &text);
}

#[test]
fn the_variables_are_those_of_help() {
    let wrapped = regex::Regex::new(r"\[env:\s+").unwrap();
    let mut found: BTreeMap<String, (BTreeSet<String>, Vec<String>)> = BTreeMap::new();
    for Help { words, shown } in every_help() {
        let mut argument = "";
        // A name that did not fit into its line is on the next.
        let shown = wrapped.replace_all(&shown, "[env: ");
        for line in shown.lines() {
            let trimmed = line.trim_start();
            if trimmed.starts_with("--") || trimmed.get(2..6) == Some(", --") {
                argument = trimmed.split("--").nth(1).unwrap();
                argument = argument.split([' ', '.', '<', '=', '[']).next().unwrap();
            }
            let Some((_, rest)) = line.split_once("[env: ") else { continue };
            let variable = rest.split([']', '=']).next().unwrap();
            let (arguments, verbs) = found.entry(variable.to_owned()).or_default();
            arguments.insert(format!("`--{argument}`"));
            if !words.is_empty() {
                verbs.push(format!("`{}`", words.join(" ")));
            }
        }
    }
    assert!(found.len() > 6, "{found:?}");
    let all = every_help().len() - 1;
    let mut text = "| variable | argument | verbs |\n|---|---|---|\n".to_owned();
    for (variable, (arguments, verbs)) in found {
        let arguments = arguments.into_iter().collect::<Vec<_>>().join(", ");
        let verbs = if verbs.len() == all { "all".to_owned() } else { verbs.join(", ") };
        writeln!(text, "| `{variable}` | {arguments} | {verbs} |").unwrap();
    }
    hold("environment.md", "variables", &text);
}

#[test]
fn every_variable_of_ours_is_in_the_reference() {
    let page = read(&docs().join("environment.md"));
    let mut named = BTreeSet::new();
    for entry in walkdir::WalkDir::new(root().join("src")) {
        let entry = entry.unwrap();
        let path = entry.path();
        let test = path.strip_prefix(root()).unwrap().to_string_lossy().contains("test");
        if test || path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = read(path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        for rest in code.split("\"MLC_PACKAGE_").skip(1) {
            let name = rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap();
            named.insert(format!("MLC_PACKAGE_{name}"));
        }
    }
    assert!(named.len() > 6, "{named:?}");
    for name in named {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in environment.md");
    }
}

#[test]
fn the_config_files_are_those_of_the_schemas() {
    for (page, schema) in [
        ("config.md", "schema/mlc-package-config.schema.json"),
        ("project.md", "schema/mlc-package.schema.json"),
    ] {
        let schema: Value = serde_json::from_str(&read(&root().join(schema))).unwrap();
        hold(page, "fields", &Fields::of(&schema));
    }
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let source = read(&root().join("src/exit.rs"));
    let body = source.split_once("pub enum Exit {").unwrap().1.split_once("\n}").unwrap().0;
    let mut text = "| code | meaning |\n|---|---|\n".to_owned();
    let mut says = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(line) = line.strip_prefix("/// ") {
            says.push(line);
        } else if let Some((_, code)) = line.trim_end_matches(',').split_once(" = ") {
            writeln!(text, "| {code} | {} |", says.join(" ")).unwrap();
            says.clear();
        }
    }
    assert!(text.lines().count() > 10, "{text}");
    hold("exit-codes.md", "codes", &text);
}

/// Each part of the page has a section for every code of one kind, and no other.
#[test]
fn every_code_has_a_section() {
    let page = read(&docs().join("codes.md"));
    let kebab = regex::Regex::new(r#""([a-z0-9]+(?:-[a-z0-9]+)*)""#).unwrap();
    let written = |file: &str, start: &str| -> BTreeSet<String> {
        let source = read(&root().join(file));
        let (_, code) = source.split_once(start).unwrap_or_else(|| panic!("{file}: no `{start}`"));
        let body = code.split("\n}").next().unwrap();
        kebab.captures_iter(body).map(|found| found[1].to_owned()).collect()
    };
    let parts = [
        (
            "In a package config or mlc-package.yml",
            mlc_package::config::Code::ALL.iter().map(|code| code.as_str().to_owned()).collect(),
        ),
        ("In a model library", written("src/library/validate.rs", "impl fmt::Display for Code {")),
        ("In what was linked", written("src/binding/checks/mod.rs", "impl LinkCode {")),
        ("On a machine", checks_of_doctor()),
    ];
    assert_eq!(page.matches("\n## ").count(), parts.len());
    for (part, codes) in parts {
        let (_, rest) = page.split_once(&format!("\n## {part}\n")).unwrap();
        let section = rest.split("\n## ").next().unwrap();
        let explained = section.lines().filter_map(|line| line.strip_prefix("### "));
        let explained: Vec<_> = explained.map(str::to_owned).collect();
        let once: BTreeSet<_> = explained.iter().cloned().collect();
        assert_eq!(explained.len(), once.len(), "{part}: a code is explained twice");
        assert!(codes.len() > 5, "{part}");
        assert_eq!(once, codes, "{part}");
    }
}

/// What the findings of `doctor` are about.
fn checks_of_doctor() -> BTreeSet<String> {
    let named = regex::Regex::new(r#"About::new\(\s*"([a-z0-9-]+)""#).unwrap();
    let mut checks = BTreeSet::new();
    for entry in fs_err::read_dir(root().join("src/doctor/rules")).unwrap() {
        let source = read(&entry.unwrap().path());
        checks.extend(named.captures_iter(&source).map(|found| found[1].to_owned()));
    }
    checks
}

#[test]
fn the_manifest_is_that_of_its_types() {
    let source = read(&root().join("src/manifest.rs"));
    let source = source.split("#[cfg(test)]").next().unwrap();
    let types: BTreeMap<_, _> =
        source.split("\npub ").skip(1).filter_map(|text| record(source, text)).collect();
    let mut text = String::new();
    let mut left = VecDeque::from([("Manifest", String::new())]);
    let mut seen = BTreeMap::new();
    while let Some((name, path)) = left.pop_front() {
        let Record { says, fields, .. } = &types[name];
        if !path.is_empty() {
            write!(text, "## `{path}`\n\n{says}\n\n").unwrap();
        }
        text += "| field | value | meaning |\n|---|---|---|\n";
        for Field { name, kind, says } in fields {
            let at = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            let value = match *kind {
                "u32" | "u64" => "integer".to_owned(),
                "f64" => "number".to_owned(),
                "bool" => "`true` or `false`".to_owned(),
                "CompilerIdentity" | "KernelsChecked" | "KitInputs" | "Overrides" => {
                    "object".to_owned()
                }
                "String" | "Utf8PathBuf" | "Device" | "MacabiArch" | "ArtifactKind" | "Metal"
                | "ModelId" | "LibraryName" | "Digest" | "Fingerprint" => "string".to_owned(),
                "Vec<String>" | "Vec<ModelId>" => "list of strings".to_owned(),
                kind => {
                    let (list, kind) = match kind.strip_prefix("Vec<") {
                        Some(of) => ("list of ", of.trim_end_matches('>')),
                        None => ("", kind),
                    };
                    let Some((name, found)) = types.get_key_value(kind) else {
                        panic!("the reference does not say what a `{kind}` is in JSON")
                    };
                    if found.choices.is_empty() {
                        let each = if list.is_empty() { "" } else { "[]" };
                        let section = seen.entry(*name).or_insert_with(|| {
                            left.push_back((name, format!("{at}{each}")));
                            at.clone()
                        });
                        let object = format!("[object](#{})", anchor(section));
                        if list.is_empty() { object } else { list.to_owned() + &several(&object) }
                    } else {
                        let choices = found.choices.iter().map(|choice| format!("`{choice}`"));
                        choices.collect::<Vec<_>>().join(", ")
                    }
                }
            };
            writeln!(text, "| `{name}` | {value} | {} |", cell(says)).unwrap();
        }
        text += "\n";
    }
    hold("manifest.md", "fields", &text);
}

#[test]
fn documented_configs_are_valid() {
    let mut found = 0;
    for page in [root().join("README.md"), docs().join("config.md")] {
        for block in read(&page).split("```json\n").skip(1) {
            let config = block.split("```").next().unwrap();
            check(config, |text, ok| assert!(ok, "{}: {text}", page.display()));
            found += 1;
        }
    }
    assert_eq!(found, 2);
}

#[test]
fn the_mistakes_are_what_check_prints() {
    let config = r#"{
  "device": "ios",
  "model_list": [
    {
      "model": "HF://mlc-ai/Qwen3-0.6B-q0f16-MLC",
      "model_id": "Qwen3",
      "estimated_vram_bytes": 3e9,
      "overrides": { "context_windw_size": 2048 }
    }
  ]
}
"#;
    check(config, |text, ok| {
        assert!(!ok);
        let shown = format!("```console\n$ mlc-package check bad.json\n{}\n```", text.trim());
        hold("../guide/verbs.md", "mistakes", &shown);
    });
}

fn program() -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program is run as a user runs it")]
    Command::new(env!("CARGO_BIN_EXE_mlc-package"))
}

/// What `check` prints of a config, and whether it is valid.
fn check(config: &str, judge: impl FnOnce(&str, bool)) {
    let name = format!("reference-{}", config.len());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs_err::create_dir_all(&dir).unwrap();
    fs_err::write(dir.join("bad.json"), config).unwrap();
    let run = program()
        .args(["check", "bad.json", "--color", "never"])
        .current_dir(&dir)
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap();
    let text = [run.stdout, run.stderr].concat();
    judge(std::str::from_utf8(&text).unwrap(), run.status.success());
}

/// A type of `src/manifest.rs`, with its doc comments.
struct Record<'a> {
    says: String,
    fields: Vec<Field<'a>>,
    /// An enumeration's values in JSON.
    choices: Vec<String>,
}

struct Field<'a> {
    name: &'a str,
    /// Its type; what is left out of the JSON is an `Option`, which is taken off.
    kind: &'a str,
    says: String,
}

/// Reads the type that stands at the beginning of `text`; its documentation stands before it.
fn record<'a>(source: &'a str, text: &'a str) -> Option<(&'a str, Record<'a>)> {
    let enumeration = text.starts_with("enum ");
    let rest = text.strip_prefix("struct ").or_else(|| text.strip_prefix("enum "))?;
    let (name, rest) = rest.split_once(" {\n")?;
    let start = text.as_ptr() as usize - source.as_ptr() as usize;
    let above: Vec<_> = source[..start - "\npub ".len()].lines().rev().collect();
    let above =
        above.into_iter().take_while(|line| line.starts_with("///") || line.starts_with('#'));
    let attributes: Vec<_> = above.collect();
    let says = attributes.iter().rev().filter_map(|line| line.strip_prefix("/// "));
    let says = prose(&says.collect::<Vec<_>>());
    let separator = if source.contains("kebab-case") && attributes.concat().contains("kebab-case") {
        "-"
    } else {
        "_"
    };
    let mut record = Record { says, fields: Vec::new(), choices: Vec::new() };
    let mut documented = Vec::new();
    for line in rest.split("\n}").next()?.lines().map(str::trim) {
        if let Some(line) = line.strip_prefix("/// ") {
            documented.push(line);
        } else if enumeration && line.ends_with(',') && !line.starts_with('#') {
            let mut choice = String::new();
            for letter in line.trim_end_matches(',').chars() {
                if letter.is_uppercase() && !choice.is_empty() {
                    choice += separator;
                }
                choice.extend(letter.to_lowercase());
            }
            record.choices.push(choice);
        } else if let Some((name, kind)) =
            line.strip_prefix("pub ").and_then(|line| line.split_once(": "))
        {
            let kind = kind.trim_end_matches(',');
            let kind = kind.strip_prefix("Option<").map_or(kind, |of| &of[..of.len() - 1]);
            record.fields.push(Field { name, kind, says: prose(&documented) });
            documented.clear();
        }
    }
    Some((name, record))
}

/// Lines of a doc comment as a page has them: what they link to in the code is only named.
fn prose(lines: &[&str]) -> String {
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}

/// A verb (or nothing, or a verb of a verb), and what its `--help` prints.
struct Help {
    words: Vec<String>,
    shown: String,
}

fn every_help() -> Vec<Help> {
    let mut found = Vec::new();
    let mut left = VecDeque::from([Vec::<String>::new()]);
    while let Some(words) = left.pop_front() {
        let run = program().args(&words).arg("--help").env_remove("COLUMNS").output().unwrap();
        assert!(run.status.success(), "{words:?}");
        let shown = String::from_utf8(run.stdout).unwrap();
        if let Some((_, list)) = shown.split_once("\nCommands:\n") {
            for line in list.lines().take_while(|line| !line.is_empty()) {
                // A description that goes on is indented further.
                let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))
                else {
                    continue;
                };
                let name = name.split(' ').next().unwrap();
                if name != "help" {
                    left.push_back([words.as_slice(), &[name.to_owned()]].concat());
                }
            }
        }
        found.push(Help { words, shown });
    }
    found.sort_by_key(|help| help.words.is_empty().then_some(0).or(Some(1)));
    assert!(found.len() > 10, "the verbs were not found in --help");
    found
}

/// The tables of a schema's objects, each under the path at which it is first met.
struct Fields<'a> {
    definitions: &'a Value,
    sections: BTreeMap<&'a str, String>,
    left: VecDeque<(String, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn of(schema: &'a Value) -> String {
        let mut fields = Self {
            definitions: &schema["definitions"],
            sections: BTreeMap::new(),
            left: VecDeque::from([(String::new(), schema)]),
        };
        let mut text = String::new();
        while let Some((path, object)) = fields.left.pop_front() {
            if !path.is_empty() {
                write!(text, "## `{path}`\n\n").unwrap();
                let description =
                    object["description"].as_str().expect("an object says what it is");
                write!(text, "{}\n\n", cell(description)).unwrap();
            }
            text += &fields.table(&path, object);
            text += "\n";
        }
        text
    }

    fn table(&mut self, path: &str, object: &'a Value) -> String {
        let required: Vec<_> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut text = "| field | value | meaning |\n|---|---|---|\n".to_owned();
        for (name, property) in object["properties"].as_object().unwrap() {
            let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let value = self.value(&at, property);
            let mut meaning = property["description"].as_str().unwrap_or_default().to_owned();
            if required.contains(&name.as_str()) {
                meaning.insert_str(0, "Required. ");
            }
            match &property["default"] {
                Value::Null | Value::Object(_) => {}
                default => write!(meaning, " Default: `{}`.", plain(default)).unwrap(),
            }
            writeln!(text, "| `{name}` | {} | {} |", value, cell(&meaning)).unwrap();
        }
        text
    }

    /// What a property holds; objects that are met for the first time get a section.
    fn value(&mut self, at: &str, property: &'a Value) -> String {
        for joined in ["allOf", "anyOf"] {
            let all = property[joined].as_array().into_iter().flatten();
            let known: Vec<_> = all.filter(|of| of.get("$ref").is_some()).collect();
            if let [one] = known[..] {
                return self.value(at, one);
            }
        }
        if let Some(reference) = property["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            let definition = &self.definitions[name];
            if definition["properties"].is_object() {
                let section = self.sections.entry(name).or_insert_with(|| {
                    self.left.push_back((at.to_owned(), definition));
                    at.to_owned()
                });
                return format!("[object](#{})", anchor(section));
            }
            return self.value(at, definition);
        }
        if let Some(choices) = property["oneOf"].as_array() {
            let choices: Vec<_> =
                choices.iter().map(|choice| format!("`{}`", plain(&choice["const"]))).collect();
            return choices.join(", ");
        }
        let choices = property["enum"].as_array().into_iter().flatten();
        let choices: Vec<_> =
            choices.filter(|c| !c.is_null()).map(|choice| format!("`{}`", plain(choice))).collect();
        if !choices.is_empty() {
            return choices.join(", ");
        }
        let types = match &property["type"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => Vec::from_iter(one.as_str()),
        };
        let types = types.into_iter().filter(|kind| *kind != "null").map(|kind| match kind {
            "boolean" => "`true` or `false`".to_owned(),
            "array" => {
                format!("list of {}", several(&self.value(&format!("{at}[]"), &property["items"])))
            }
            "object" => {
                let each = self.value(&format!("{at}.*"), &property["additionalProperties"]);
                format!("object of {}", several(&each))
            }
            kind => kind.to_owned(),
        });
        let types: Vec<_> = types.collect();
        if types.is_empty() {
            let any = property["anyOf"].as_array().into_iter().flatten();
            let any: BTreeSet<_> = any.map(|of| self.value(at, of)).collect();
            assert!(!any.is_empty(), "{at} has no type: {property}");
            return any.into_iter().collect::<Vec<_>>().join(" or ");
        }
        types.join(" or ")
    }
}

/// Several of a value.
fn several(value: &str) -> String {
    match value.strip_prefix("[object]") {
        Some(link) => format!("[objects]{link}"),
        None if value.ends_with(|last: char| last.is_alphabetic()) => format!("{value}s"),
        None => value.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The anchor of a heading that is a path of fields.
fn anchor(path: &str) -> String {
    path.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn docs() -> PathBuf {
    root().join("docs/reference")
}

fn read(path: &Path) -> String {
    fs_err::read_to_string(path).unwrap()
}

/// Holds the generated part of a page against what it should be, or writes it.
fn hold(page: &str, name: &str, text: &str) {
    let path = docs().join(page);
    let whole = read(&path);
    let start = format!("<!-- generated: {name} -->\n");
    let Some((before, rest)) = whole.split_once(&start) else {
        panic!("{page} has no part `{name}`")
    };
    let after = rest.split_once("<!-- end -->").expect("a generated part has an end").1;
    let expected = format!("{before}{start}\n{}\n\n<!-- end -->{after}", text.trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs_err::write(&path, &expected).unwrap();
    } else {
        let mut both = whole.lines().zip(expected.lines());
        let first = both.find(|(is, should)| is != should);
        assert!(
            whole == expected,
            "docs/reference/{page} is stale, `UPDATE_DOCS=1 cargo test --test reference` writes it again; \
             the first difference: {first:#?}"
        );
    }
}
