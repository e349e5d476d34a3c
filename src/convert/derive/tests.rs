use proptest::prelude::*;
use serde_json::{Map, Value};

use super::facts::{Beside, Facts};
use super::hints::LIKELY;
use super::judge::{judge, likely};
use super::rules::{RULES, Rule, Trained};
use crate::model::ConvTemplate;

/// Upstream stops and begins at tokens by their numbers: a checkpoint where one of them is another
/// token would never stop.
#[test]
fn a_rule_looks_at_every_token_that_its_template_names() {
    let templates: Map<String, Value> =
        serde_json::from_str(include_str!("../templates/templates.json")).unwrap();
    for rule in RULES {
        let template = &templates[rule.template];
        for field in ["stop_token_ids", "system_prefix_token_ids"] {
            for id in template[field].as_array().into_iter().flatten() {
                let id = id.as_u64().unwrap();
                let known = rule.tokens.iter().any(|(known, _)| *known == id);
                assert!(known, "{}: {field} {id}", rule.template);
            }
        }
        if let Trained::EndsWith(id) = rule.trained {
            assert!(rule.tokens.iter().any(|(known, _)| *known == id), "{}", rule.template);
        }
    }
}

#[test]
fn the_tables_name_templates_that_there_are() {
    let likely = LIKELY.iter().flat_map(|(_, _, templates)| templates.iter());
    for name in RULES.iter().map(|rule| &rule.template).chain(likely) {
        assert!(ConvTemplate::NAMES.contains(name), "{name}");
    }
    // A line behind one that always fits would say nothing.
    for (at, (model_type, mark, _)) in LIKELY.iter().enumerate() {
        let same = LIKELY[at + 1..].iter().filter(|(other, _, _)| other == model_type).count();
        assert_eq!(mark.is_empty(), same == 0, "{model_type} {mark}");
    }
}

/// What a checkpoint has of which a rule is certain.
fn perfect(rule: &Rule) -> Facts {
    let (stops, words) = match rule.trained {
        Trained::EndsWith(id) => (vec![id], vec![]),
        Trained::Named(words) => (vec![], vec![words[0].to_owned()]),
        Trained::Always => (vec![], vec![]),
    };
    let numbers = rule.numbers.iter().map(|(field, allowed)| ((*field).to_owned(), allowed[0]));
    Facts {
        model_type: rule.model_types[0].to_owned(),
        numbers: numbers.collect(),
        chat_template: Some(rule.has.concat()),
        tokens: rule.tokens.iter().map(|(id, token)| (*id, (*token).to_owned())).collect(),
        stops: stops.into_iter().collect(),
        words: words.into_iter().collect(),
        ..Facts::default()
    }
}

#[test]
fn each_rule_is_certain_alone_and_of_nothing_less() {
    for rule in RULES {
        let certain = |change: &dyn Fn(&mut Facts)| {
            let mut facts = perfect(rule);
            change(&mut facts);
            judge(&facts) == Ok(rule.template)
        };
        assert!(certain(&|_| ()), "{}: {:?}", rule.template, judge(&perfect(rule)));
        for mark in rule.has {
            let without = rule.has.concat().replace(mark, "");
            assert!(!certain(&|facts| facts.chat_template = Some(without.clone())), "{mark}");
        }
        for mark in rule.lacks {
            let with = rule.has.concat() + mark;
            assert!(!certain(&|facts| facts.chat_template = Some(with.clone())), "{mark}");
        }
        for (id, token) in rule.tokens {
            assert!(!certain(&|facts| drop(facts.tokens.remove(id))), "{token}");
        }
        for (field, _) in rule.numbers {
            assert!(!certain(&|facts| facts.numbers.extend([((*field).to_owned(), 7)])), "{field}");
        }
        let always = matches!(rule.trained, Trained::Always);
        let untrained = |facts: &mut Facts| {
            facts.stops.clear();
            facts.words.clear();
        };
        assert_eq!(certain(&untrained), always, "{}", rule.template);
    }
}

/// Words that the rules look for, and others.
fn text() -> impl Strategy<Value = String> {
    let marks: Vec<&'static str> =
        RULES.iter().flat_map(|rule| rule.has.iter().chain(rule.lacks)).copied().collect();
    let word = prop_oneof![
        4 => proptest::sample::select(marks).prop_map(str::to_owned),
        1 => ".{0,12}",
    ];
    proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
}

fn number() -> impl Strategy<Value = u64> {
    let known: Vec<u64> =
        RULES.iter().flat_map(|rule| rule.tokens.iter().map(|(id, _)| *id)).collect();
    prop_oneof![4 => proptest::sample::select(known), 1 => any::<u64>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    const FIELDS: [&str; 12] = [
        "architectures",
        "eos_token_id",
        "_name_or_path",
        "rope_parameters",
        "rope_theta",
        "vocab_size",
        "chat_template",
        "added_tokens_decoder",
        "content",
        "name",
        "template",
        "default",
    ];
    prop_oneof![
        4 => proptest::sample::select(&FIELDS[..]).prop_map(str::to_owned),
        1 => number().prop_map(|number| number.to_string()),
        1 => ".{0,6}",
    ]
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec((key(), value()), 0..6)
        .prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #[test]
    fn whatever_the_files_say_is_answered(
        model_type in proptest::sample::select(vec!["llama", "qwen2", "mistral", "phi3", "?"]),
        config in object(),
        generation in object(),
        tokenizer in object(),
        processor in object(),
        jinja in proptest::option::of(text()),
        added in proptest::collection::btree_map(number(), text(), 0..6),
    ) {
        let beside = Beside { generation, tokenizer, processor, jinja, added };
        let facts = Facts::of(model_type.to_owned(), &config, beside);
        match judge(&facts) {
            Ok(template) => {
                let rule = RULES.iter().find(|rule| rule.template == template).unwrap();
                let text = facts.chat_template.clone().unwrap_or_default();
                prop_assert!(rule.has.iter().all(|mark| text.contains(mark)));
                prop_assert!(rule.tokens.iter().all(|(id, token)| facts.tokens[id] == *token));
            }
            // However long the names in the files are, this is for a person to read.
            Err(why) => prop_assert!(why.to_string().len() < 1000, "{why}"),
        }
        prop_assert!(likely(&facts).len() < 8);
    }
}
