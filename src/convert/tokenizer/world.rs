//! RWKV's own tokenizer: a list of tokens as Python's literals, or a JSON object of them, and out of
//! it the `tokenizer_model` that MLC LLM's runtime reads: a map of numbers and bytes in MessagePack,
//! as upstream's `gen_config` writes it.

use serde_json::{Map, Value};

/// The file that is made.
pub(super) const FILE_NAME: &str = "tokenizer_model";

/// Whether a file of a checkpoint is such a list: `rwkv_vocab_v20230424.txt`.
pub(super) fn is_list(name: &str) -> bool {
    let rest = name.strip_prefix("rwkv_vocab_v").unwrap_or_default();
    let Some((date, ending)) = rest.split_once('.') else { return false };
    let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    is_date && matches!(ending, "txt" | "json")
}

/// Why a list of tokens cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListFault {
    /// It is not an object in JSON.
    #[error("it is not a list of tokens: {0}")]
    NotJson(serde_json::Error),
    /// A token whose id is none.
    #[error("the id of the token {0:?} is not a number")]
    Id(String),
    /// A line that says something else.
    #[error("line {0} is not a token: a number, a literal of Python, its length")]
    Line(usize),
    /// A literal that has another length than its line says.
    #[error("line {line}: the token has {found} bytes, not {said}")]
    Length {
        /// The line.
        line: usize,
        /// How many bytes it has.
        found: usize,
        /// What the line says.
        said: String,
    },
}

/// The `tokenizer_model` of a list; `name` says which of the two it is.
pub(super) fn model(name: &str, text: &str) -> Result<Vec<u8>, ListFault> {
    let tokens = match name.ends_with(".json") {
        true => of_json(text)?,
        false => of_lines(text)?,
    };
    Ok(packed(&tokens))
}

fn of_json(text: &str) -> Result<Vec<(u32, Vec<u8>)>, ListFault> {
    let tokens: Map<String, Value> = serde_json::from_str(text).map_err(ListFault::NotJson)?;
    let token = |(token, number): (String, Value)| {
        let whole = number.as_u64().and_then(|number| u32::try_from(number).ok());
        match whole {
            Some(number) => Ok((number, token.into_bytes())),
            None => Err(ListFault::Id(token)),
        }
    };
    tokens.into_iter().map(token).collect()
}

/// Lines of a number, a literal, and its length in bytes.
fn of_lines(text: &str) -> Result<Vec<(u32, Vec<u8>)>, ListFault> {
    let mut tokens = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let wrong = || ListFault::Line(at);
        let (number, rest) = line.split_once(' ').ok_or_else(wrong)?;
        let (literal, length) = rest.rsplit_once(' ').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let token = literal_bytes(literal.trim()).ok_or_else(wrong)?;
        if length.trim().parse() != Ok(token.len()) {
            let (found, said) = (token.len(), length.to_owned());
            return Err(ListFault::Length { line: at, found, said });
        }
        tokens.push((number, token));
    }
    Ok(tokens)
}

/// The bytes of a text or bytes of Python: `'a\n'`, `b'\xff'`.
fn literal_bytes(literal: &str) -> Option<Vec<u8>> {
    let (is_bytes, quoted) = match literal.strip_prefix('b') {
        Some(quoted) => (true, quoted),
        None => (false, literal),
    };
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let push = |bytes: &mut Vec<u8>, value: u32| {
        match is_bytes {
            true => bytes.push(u8::try_from(value).ok()?),
            false => bytes.extend(char::from_u32(value)?.encode_utf8(&mut [0; 4]).bytes()),
        }
        Some(())
    };
    let mut rest = inner.chars();
    while let Some(next) = rest.next() {
        if next == quote || (is_bytes && !next.is_ascii()) {
            return None;
        }
        if next != '\\' {
            push(&mut bytes, next.into())?;
            continue;
        }
        let escaped = rest.next()?;
        let mut hexadecimal = |digits: usize| {
            let text: String = rest.by_ref().take(digits).collect();
            let whole = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(&text, 16).ok().filter(|_| whole)
        };
        let value = match escaped {
            '\\' | '\'' | '"' => escaped.into(),
            'a' => 7,
            'b' => 8,
            't' => 9,
            'n' => 10,
            'v' => 11,
            'f' => 12,
            'r' => 13,
            '0'..='7' => {
                let mut value = escaped.to_digit(8)?;
                for _ in 0..2 {
                    let Some(digit) = rest.clone().next().and_then(|next| next.to_digit(8)) else {
                        break;
                    };
                    rest.next();
                    value = value * 8 + digit;
                }
                value
            }
            'x' => hexadecimal(2)?,
            'u' if !is_bytes => hexadecimal(4)?,
            'U' if !is_bytes => hexadecimal(8)?,
            // Python leaves others as they are, with a warning; no list has them.
            _ => return None,
        };
        push(&mut bytes, value)?;
    }
    Some(bytes)
}

/// A map in MessagePack, as Python's writes it: the shortest form of everything.
fn packed(tokens: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    match tokens.len() {
        len @ ..=15 => out.push(0x80 | len as u8),
        len @ ..=0xffff => {
            out.push(0xde);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0xdf);
            out.extend((len as u32).to_be_bytes());
        }
    }
    for (number, token) in tokens {
        match *number {
            number @ ..=0x7f => out.push(number as u8),
            number @ ..=0xff => out.extend([0xcc, number as u8]),
            number @ ..=0xffff => {
                out.push(0xcd);
                out.extend((number as u16).to_be_bytes());
            }
            number => {
                out.push(0xce);
                out.extend(number.to_be_bytes());
            }
        }
        match token.len() {
            len @ ..=0xff => out.extend([0xc4, len as u8]),
            len @ ..=0xffff => {
                out.push(0xc5);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(0xc6);
                out.extend((len as u32).to_be_bytes());
            }
        }
        out.extend(token);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{is_list, literal_bytes, model};

    #[test]
    fn literals_are_pythons() {
        for (literal, bytes) in [
            (r"'\x00'", &b"\0"[..]),
            (r"'\x80'", "\u{80}".as_bytes()),
            (r"b'\x80'", b"\x80"),
            (r#"'\'"'"#, b"'\""),
            (r#""'""#, b"'"),
            (r"'\\n\n'", b"\\n\n"),
            (r"'\101\0'", b"A\0"),
            ("'ä\\u00e4'", "ää".as_bytes()),
        ] {
            assert_eq!(literal_bytes(literal).as_deref(), Some(bytes), "{literal}");
        }
        for literal in ["", "a", "'", "'''", "b'ä'", r"'\x8'", r"'\q'", r"b'\u0041'", "u'a'"] {
            assert_eq!(literal_bytes(literal), None, "{literal}");
        }
    }

    #[test]
    fn a_list_is_packed() {
        let packed = model("x.txt", "1 'a' 1\n255 b'\\xff' 1\n300 ' é' 3\n").unwrap();
        assert_eq!(packed, b"\x83\x01\xc4\x01a\xcc\xff\xc4\x01\xff\xcd\x01\x2c\xc4\x03 \xc3\xa9");
        assert_eq!(model("x.json", r#"{"a": 1}"#).unwrap(), b"\x81\x01\xc4\x01a");
        assert!(model("x.txt", "1 'ab' 1").unwrap_err().to_string().contains("2 bytes, not 1"));
        assert!(
            model("x.txt", "1 os.system('x') 1")
                .unwrap_err()
                .to_string()
                .contains("line 1 is not a token")
        );
    }

    #[test]
    fn lists_have_a_date_in_their_names() {
        assert!(is_list("rwkv_vocab_v20230424.txt") && is_list("rwkv_vocab_v20230424.json"));
        for name in
            ["rwkv_vocab_v2023.txt", "rwkv_vocab_v20230424.bin", "vocab.txt", "rwkv_vocab_v"]
        {
            assert!(!is_list(name), "{name}");
        }
    }
}
