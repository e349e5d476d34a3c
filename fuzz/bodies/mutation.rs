//! Changes of an input that follow from a number: of any bytes, and of the JSON documents in it,
//! which stay JSON. Both halves use them, the fuzzing engine and `cargo test`.

use serde_json::{Map, Value, json};

use crate::sections::Sections;

/// Numbers that look like chance and are the same for the same seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or_default()
    }
}

/// Changes some bytes: one becomes another, eight a number, a part is left out or doubled, it ends.
#[allow(dead_code, clippy::allow_attributes, reason = "the engine has its own")]
pub(crate) fn bytes(input: &mut Vec<u8>, chance: &mut Chance) {
    if input.is_empty() {
        return;
    }
    let start = chance.below(input.len());
    let end = input.len().min(start + chance.below(64));
    match chance.below(5) {
        0 => input[start] = chance.next().to_le_bytes()[0],
        1 => {
            let end = input.len().min(start + 8);
            let shift = chance.below(64);
            let number = (u64::MAX >> shift).wrapping_add(chance.next() % 3).to_le_bytes();
            input[start..end].copy_from_slice(&number[..end - start]);
        }
        2 => input.truncate(start),
        3 => drop(input.drain(start..end)),
        _ => {
            let twice = input[start..end].to_vec();
            input.splice(end..end, twice);
        }
    }
}

/// Changes one of the JSON documents of an input; none if it has none.
pub(crate) fn json(input: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let sections = Sections::of(input);
    let parsed: Vec<_> = sections
        .iter()
        .enumerate()
        .filter_map(|(at, (_, text))| Some((at, serde_json::from_slice::<Value>(text).ok()?)))
        .filter(|(_, value)| value.is_object() || value.is_array())
        .collect();
    let (at, mut document) = parsed.get(chance.below(parsed.len()))?.clone();
    let whole = document.clone();
    for _ in 0..=chance.below(3) {
        let count = count(&document);
        change(&mut document, &whole, &mut chance.below(count), chance);
    }
    Some(sections.with(at, document.to_string().as_bytes()))
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// A value and all below it.
fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

/// The value of that number, in the order in which they are written.
fn nth<'v>(value: &'v Value, number: &mut usize) -> Option<&'v Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    children(value).find_map(|child| nth(child, number))
}

/// Changes the value of that number; says whether it was there.
fn change(value: &mut Value, whole: &Value, number: &mut usize, chance: &mut Chance) -> bool {
    if *number == 0 {
        change_this(value, whole, chance);
        return true;
    }
    *number -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|child| change(child, whole, number, chance)),
        Value::Object(fields) => {
            fields.values_mut().any(|child| change(child, whole, number, chance))
        }
        _ => false,
    }
}

fn change_this(value: &mut Value, whole: &Value, chance: &mut Chance) {
    let choice = chance.below(6);
    match value {
        Value::Array(items) if choice < 3 && !items.is_empty() => {
            let at = chance.below(items.len());
            match choice {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                _ => items.push(hostile(chance)),
            }
        }
        Value::Object(fields) if choice < 3 && !fields.is_empty() => {
            let name = fields.keys().nth(chance.below(fields.len())).cloned().unwrap_or_default();
            let moved = fields.shift_remove(&name).unwrap_or_default();
            match choice {
                0 => {}
                1 => drop(fields.insert(text(chance), moved)),
                _ => drop(fields.insert(name, hostile(chance))),
            }
        }
        Value::String(found) if choice < 2 => {
            let at = found.char_indices().map(|(at, _)| at).nth(chance.below(found.len()));
            found.insert_str(at.unwrap_or_default(), &text(chance));
        }
        Value::Number(number) if choice < 3 => {
            let near = number.as_i64().unwrap_or_default();
            *value = match choice {
                0 => near.wrapping_add(1).into(),
                1 => near.wrapping_sub(1).into(),
                _ => near.wrapping_mul(2).into(),
            };
        }
        // Something from elsewhere in the document.
        _ if choice == 5 => {
            let count = count(whole);
            let other = nth(whole, &mut chance.below(count)).cloned();
            *value = other.unwrap_or_default();
        }
        _ => *value = hostile(chance),
    }
}

/// A value that a careless reader trips over.
fn hostile(chance: &mut Chance) -> Value {
    match chance.below(14) {
        0 => Value::Null,
        1 => Value::Bool(chance.below(2) == 0),
        2 => Value::Object(Map::new()),
        3 => Value::Array(Vec::new()),
        4 => 0.into(),
        5 => (-1).into(),
        6 => (1_u64 << chance.below(64)).into(),
        7 => (u64::MAX >> chance.below(64)).into(),
        8 => i64::MIN.into(),
        9 => json!(1e308),
        10 => json!(0.1),
        11 => json!([text(chance)]),
        12 => json!({text(chance): text(chance)}),
        _ => text(chance).into(),
    }
}

/// A name that is markup, a command, a path or a nuisance.
fn text(chance: &mut Chance) -> String {
    const TEXTS: [&str; 28] = [
        "",
        " ",
        "::error file=a::mine",
        "\u{a0}::add-mask::a",
        "##[error]mine",
        "a##[set-output name=x]y",
        "\n::stop-commands::x\r\n",
        "</script><script>alert(1)</script>",
        "<!--",
        "<img src=x onerror=alert(1)>",
        "a | b || c \\| d",
        "`code` ``more`` ```",
        "[link](https://example.com) @octocat #1",
        "</details>\n\n# heading",
        "\u{1b}[31m\u{7}",
        "\u{202e}\u{200b}\u{2028}\u{feff}",
        "{{ 7 * 7 }}{% raw %}",
        "../../evil",
        "/etc/passwd",
        "C:\\evil",
        "a/b",
        "A",
        "NUL",
        "\0",
        "%0A::error::x",
        "0",
        "é\u{308}模型",
        "q4f16_1",
    ];
    match chance.below(TEXTS.len() + 1) {
        at if at < TEXTS.len() => TEXTS[at].to_owned(),
        _ => "x".repeat(1 << chance.below(12)),
    }
}
