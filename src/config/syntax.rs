use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, ParseStringErrorKind, parse_to_ast};

use super::lexical::{Fault, MAX_DEPTH, first_fault};
use super::quote::quote;
use super::tree::{Key, Node, Value};
use super::{Code, Diagnostic, Span};

const TRAILING_COMMA: &str = "a comma with nothing after it";
/// The text is read once more for each.
const MOST_COMMAS: usize = 20;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Parses strict JSON, with the place of every value.
pub(super) fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    let fault = first_fault(text);
    match (parse_to_ast(text, &CollectOptions::default(), &STRICT), fault) {
        (Err(error), Some((span, _))) if error.range().start < span.start => {
            Err(Box::new(explain(text, &error)))
        }
        (_, Some((span, fault))) => Err(Box::new(explain_fault(span, fault))),
        (Err(error), None) => Err(Box::new(explain(text, &error))),
        (Ok(parsed), None) => match &parsed.value {
            Some(value) => Ok(node(value)),
            None => Err(Box::new(empty(text))),
        },
    }
}

/// The same with every mistake that hides nothing behind it: a comma too many is taken for a blank, as
/// people mean it. There is no tree where something else is wrong.
pub(super) fn parse_on(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut read = text.to_owned();
    loop {
        let diagnostic = match parse(&read) {
            Ok(root) => return (Some(root), found),
            Err(diagnostic) => *diagnostic,
        };
        let comma = diagnostic.span.filter(|span| {
            diagnostic.message == TRAILING_COMMA && read.get(span.start..span.end) == Some(",")
        });
        found.push(diagnostic);
        match comma {
            Some(span) if found.len() < MOST_COMMAS => {
                read.replace_range(span.start..span.end, " ");
            }
            _ => return (None, found),
        }
    }
}

/// The depth is bounded: what is nested deeper was refused.
fn node(value: &ast::Value<'_>) -> Node {
    let key = |property: &ast::ObjectProp<'_>| Key {
        text: property.name.as_str().to_owned(),
        span: property.name.range().into(),
    };
    let properties = |object: &ast::Object<'_>| {
        object.properties.iter().map(|field| (key(field), node(&field.value))).collect()
    };
    Node {
        span: value.range().into(),
        value: match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(truth) => Value::Boolean(truth.value),
            ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
            ast::Value::StringLit(text) => Value::Text(text.value.as_ref().to_owned()),
            ast::Value::Array(array) => Value::List(array.elements.iter().map(node).collect()),
            ast::Value::Object(object) => Value::Map(properties(object)),
        },
    }
}

impl From<Range> for Span {
    fn from(range: Range) -> Self {
        Self { start: range.start, end: range.end }
    }
}

fn empty(text: &str) -> Diagnostic {
    let message = if text.is_empty() { "the file is empty" } else { "there is only white space" };
    let help = "a package config looks like {\"device\": \"android\", \"model_list\": [ … ]}";
    Diagnostic::new(Code::EmptyFile, None, message, help)
}

fn explain_fault(span: Span, fault: Fault) -> Diagnostic {
    let syntax = |message: String, help: &str| Diagnostic::new(Code::Syntax, span, message, help);
    match fault {
        Fault::OpenString => syntax(
            "this string is not closed on its line".to_owned(),
            "put a `\"` at its end; a line break within a string is written `\\n`",
        ),
        Fault::Control(character) => syntax(
            format!("a string holds the control character {}", code_point(character)),
            if character == '\t' { "write it as `\\t`" } else { "remove it" },
        ),
        Fault::Space(character) => syntax(
            format!("{} is not white space in JSON", code_point(character)),
            "replace it by a blank; such characters come in by copying from web pages",
        ),
        Fault::Depth => Diagnostic::new(
            Code::TooDeep,
            span,
            format!("arrays and objects are nested more than {MAX_DEPTH} deep"),
            "a package config needs three levels: the config, its models, their overrides",
        ),
    }
}

/// Says what the parser found in terms of what to change.
fn explain(text: &str, error: &ParseError) -> Diagnostic {
    let range = error.range();
    let span = Span { start: range.start, end: range.end };
    let found = text.get(span.start..span.end).unwrap_or_default();
    let at_end = found.is_empty() && text.get(span.start..).is_none_or(|rest| rest.is_empty());
    let one = |message: &str, help: &str| Diagnostic::new(Code::Syntax, span, message, help);
    let open = |bracket: char, close: char| {
        let first = Span { start: span.start, end: span.start + 1 };
        let end = Span { start: text.trim_end().len(), end: text.trim_end().len() };
        Diagnostic::new(
            Code::Syntax,
            first,
            format!("this `{bracket}` is never closed"),
            format!("add the `{close}` it lacks"),
        )
        .related(end, "the file ends here")
    };
    use ParseErrorKind as Kind;
    match error.kind() {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => {
            one("JSON has no comments", "remove it")
        }
        Kind::TrailingCommasNotAllowed => one(TRAILING_COMMA, "remove the comma"),
        Kind::ExpectedComma => one("a comma is missing here", "add a `,`"),
        Kind::ExpectedColonAfterObjectKey if at_end => file_ends(span),
        Kind::ExpectedColonAfterObjectKey => {
            one("a key is followed by `:` and its value", "add the `:`")
        }
        Kind::ExpectedObjectValue => file_ends(span),
        Kind::ExpectedStringObjectProperty | Kind::UnexpectedTokenInObject => in_object(found, one),
        Kind::SingleQuotedStringsNotAllowed => {
            one("strings are in double quotes", "write `\"` in place of `'`")
        }
        Kind::HexadecimalNumbersNotAllowed => {
            one("JSON has no hexadecimal numbers", "write the number in decimal digits")
        }
        Kind::UnaryPlusNumbersNotAllowed => {
            one("a number does not begin with `+`", "remove the `+`")
        }
        Kind::BareDecimalPointNumbersNotAllowed => {
            one("a decimal point stands between digits", "add a digit, or remove the point")
        }
        Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral => {
            one("this number is incomplete", "finish it, or put it in quotes to make it a string")
        }
        Kind::NonFiniteNumbersNotAllowed => {
            one("JSON has neither NaN nor Infinity", "write a number")
        }
        Kind::MultipleRootJsonValues => {
            one("the config has ended before this", "remove what follows the last `}`")
        }
        Kind::UnterminatedObject => open('{', '}'),
        Kind::UnterminatedArray => open('[', ']'),
        Kind::UnexpectedCloseBrace | Kind::UnexpectedCloseBracket => {
            one(&format!("a {} that closes nothing", quote(found)), "remove it, or add its opening")
        }
        Kind::UnexpectedComma => one("a value is missing before this comma", "remove the comma"),
        Kind::UnexpectedColon => {
            one("a `:` has no place here", "keys and values belong in an object: `{\"key\": 1}`")
        }
        Kind::UnexpectedWord | Kind::UnexpectedToken => word(found, one),
        Kind::NestingDepthExceeded => explain_fault(span, Fault::Depth),
        Kind::String(kind) => string(kind, one),
    }
}

fn file_ends(span: Span) -> Diagnostic {
    let message = "the file ends where a value should be";
    Diagnostic::new(Code::Syntax, span, message, "is the file complete?")
}

/// Something other than a key in an object.
fn in_object(found: &str, one: impl Fn(&str, &str) -> Diagnostic) -> Diagnostic {
    match found {
        "," => one("a key is missing before this comma", "remove the comma"),
        ":" => one("a key is missing before this `:`", "add the key, in double quotes"),
        "]" => one("this `]` does not fit the `{` it follows", "close the object with `}` first"),
        "{" | "[" => one("a value without a key", "put `\"key\":` before it"),
        _ => one("a key is a string in double quotes", &format!("write `\"{}\"`", unquoted(found))),
    }
}

fn unquoted(word: &str) -> String {
    quote(word).trim_matches('`').to_owned()
}

/// A word where a value should be.
fn word(found: &str, one: impl Fn(&str, &str) -> Diagnostic) -> Diagnostic {
    let help = match found {
        "True" => "write `true`",
        "False" => "write `false`",
        "None" | "nil" | "undefined" => "write `null`",
        _ if found.contains(['“', '”', '„', '‘', '’', '«', '»']) => {
            "use the straight double quote `\"`"
        }
        _ if found.contains(char::is_alphanumeric) => "a string is in double quotes",
        _ => "remove it",
    };
    one(&format!("{} is not a value of JSON", quote(found)), help)
}

fn string(kind: &ParseStringErrorKind, one: impl Fn(&str, &str) -> Diagnostic) -> Diagnostic {
    use ParseStringErrorKind as Kind;
    match kind {
        Kind::UnterminatedStringLiteral => {
            one("this string is never closed", "put a `\"` at its end")
        }
        Kind::InvalidUnicodeEscapeSequence(_) => one(
            "half of a surrogate pair is not a character",
            "write the character itself, or both halves: `\\ud83d\\ude00`",
        ),
        Kind::ExpectedFourHexDigits | Kind::ExpectedTwoHexDigits => {
            one("`\\u` is followed by four hexadecimal digits", "write `\\u0041`, for instance")
        }
        Kind::InvalidEscape
        | Kind::InvalidEscapeInDoubleQuoteString
        | Kind::InvalidEscapeInSingleQuoteString => one(
            "a `\\` that JSON does not know",
            "write `\\\\` for a backslash; paths are written with `/`",
        ),
    }
}

fn code_point(character: char) -> String {
    let name = match character {
        '\t' => " (tab)",
        '\0' => " (NUL)",
        '\u{b}' => " (vertical tab)",
        '\u{c}' => " (form feed)",
        '\u{a0}' => " (no-break space)",
        '\u{3000}' => " (ideographic space)",
        _ => "",
    };
    format!("U+{:04X}{name}", u32::from(character))
}
