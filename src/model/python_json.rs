use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// JSON as Python's `json.dumps(value, indent=2)` writes it, character by character: upstream's
/// files and hashes are made of it. Keys keep the order they have in `value`.
pub fn to_python_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    to_python_json_with_indent(value, b"  ")
}

/// The same with another indent.
pub fn to_python_json_with_indent(
    value: &impl Serialize,
    indent: &[u8],
) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    let python = Python(PrettyFormatter::with_indent(indent));
    value.serialize(&mut Serializer::with_formatter(&mut text, python))?;
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

struct Python<'a>(PrettyFormatter<'a>);

impl Formatter for Python<'_> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(python_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if c.is_ascii() {
                write!(out, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// A float as Python's `repr` writes it: the shortest digits that read back, as Rust finds them,
/// with an exponent below 1e-4 and from 1e16 on.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{python_float, to_python_json};

    #[test]
    fn floats_are_pythons() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (123_456.0, "123456.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (-2.5, "-2.5"),
            (500_000.0, "500000.0"),
        ] {
            assert_eq!(python_float(value), text);
        }
    }

    proptest! {
        /// A model's config is read and written again, and named by what Python prints of it.
        #[test]
        fn a_float_that_is_read_is_the_one_that_was_written(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = python_float(value);
            let read: f64 = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.to_bits(), bits, "{}", text);
        }
    }

    #[test]
    fn factors_of_real_models_keep_their_last_digit() {
        // As longrope has them: 32-bit floats, printed as 64-bit ones. A reader that is fast and
        // not exact is off in the last bit.
        for text in ["1.0399999618530273", "1.2100000381469727", "1.9500000476837158", "0.1"] {
            let read: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(to_python_json(&read).unwrap(), text);
        }
    }

    #[test]
    fn strings_are_ascii() {
        let text = to_python_json(&serde_json::json!({"name": "é\"\n\u{2028}😀", "e": []}));
        assert_eq!(
            text.unwrap(),
            "{\n  \"name\": \"\\u00e9\\\"\\n\\u2028\\ud83d\\ude00\",\n  \"e\": []\n}"
        );
    }
}
