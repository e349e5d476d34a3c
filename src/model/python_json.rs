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

/// A float as Python's `repr` writes it: the shortest digits that read back, the even ones where two
/// are as near, with an exponent below 1e-4 and from 1e16 on. `core` takes the upper of two.
fn python_float(value: f64) -> String {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    let (sign, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // 0.digits times ten to the power of `point`, without zeros at either end.
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = all.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return format!("{sign}0.0");
    }
    let point = exponent + position(whole.len()) - position(zeros);
    let count = position(digits.len());
    if !(-3..=16).contains(&point) {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let exponent = point - 1;
        let sign_of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{dot}{rest}e{sign_of_exponent}{:02}", exponent.abs());
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", zeros_of(-point));
    }
    if point >= count {
        return format!("{sign}{digits}{}.0", zeros_of(point - count));
    }
    let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
    format!("{sign}{whole}.{fraction}")
}

/// A place among the digits of a double, of which there are at most some 330.
fn position(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn zeros_of(count: i32) -> String {
    "0".repeat(count.unsigned_abs() as usize)
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

    /// Written by Python: doubles that are 32-bit floats, as the factors of longrope are. Half of
    /// them lie in the middle between the two shortest decimals.
    #[test]
    fn ties_are_rounded_to_even() {
        let vectors = include_str!("../../tests/data/floats/floats.txt");
        for line in vectors.lines() {
            let (bits, text) = line.split_once(' ').unwrap();
            let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            assert_eq!(python_float(value), text);
        }
        assert_eq!(vectors.lines().count(), 2000);
    }

    /// The digits of a decimal and the exponent of the first one.
    fn decimal(text: &str) -> (String, i32) {
        let (digits, exponent) = text.split_once('e').unwrap();
        (digits.replace(['.', '-'], ""), exponent.parse().unwrap())
    }

    fn float(digits: &str, exponent: i32) -> f64 {
        format!("{digits}e{}", exponent + 1 - i32::try_from(digits.len()).unwrap()).parse().unwrap()
    }

    proptest! {
        /// By the definition: no shorter decimal reads back, none of the length is nearer, and of
        /// two that are as near it is the even one.
        #[test]
        fn a_32_bit_float_is_printed_by_the_nearest_of_the_shortest(bits: u32) {
            let value = f64::from(f32::from_bits(bits)).abs();
            prop_assume!(value.is_finite() && value > 0.0);
            let text: f64 = python_float(value).parse().unwrap();
            prop_assert_eq!(text, value);
            let found: String = python_float(value)
                .split('e').next().unwrap().replace('.', "")
                .trim_matches('0').to_owned();
            let (exact, exponent) = decimal(&format!("{value:.800e}"));
            let length = found.len();
            // Truncated, and one more in the last place.
            let candidates = |length: usize| {
                let below: u128 = exact[..length].parse().unwrap();
                [below, below + 1].map(|digits| digits.to_string())
            };
            if length > 1 {
                for shorter in candidates(length - 1) {
                    let carried = i32::from(shorter.len() == length);
                    prop_assert_ne!(float(&shorter, exponent + carried), value);
                }
            }
            let rest = exact[length..].trim_end_matches('0');
            let [below, above] = candidates(length);
            let even = below.ends_with(['0', '2', '4', '6', '8']);
            let takes_below = rest < "5" || rest == "5" && even;
            let (nearest, other) = if takes_below { (&below, &above) } else { (&above, &below) };
            let is = |digits: &str| digits.trim_end_matches('0') == found;
            // Where a power of two has its nearer neighbour below, the nearest may not read back.
            prop_assert!(is(nearest) || float(nearest, exponent) != value && is(other));
        }

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
