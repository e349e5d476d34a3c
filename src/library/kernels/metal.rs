//! Metal source as clang can read it, in its mode of C++ for OpenCL.

/// What `#include <metal_stdlib>` finds.
pub(super) const STANDARD_LIBRARY: &str = include_str!("metal_stdlib.h");

/// The source with each vector made, or cast to, by a function of our standard library. Lines stay
/// what they are.
pub(super) fn translate(source: &str) -> String {
    let mut text = String::with_capacity(source.len() + source.len() / 8);
    let mut rest = source;
    // What ends a value makes the bracket after it a call's, else it is a cast's.
    let mut after_value = false;
    while let Some(first) = rest.chars().next() {
        let (word, after) = word(rest);
        if !word.is_empty() {
            let is_made = is_vector(word) && after.starts_with('(');
            text.push_str(if is_made { "metal_" } else { "" });
            text.push_str(word);
            after_value = word != "return";
            rest = after;
        } else if let Some((vector, value)) = cast(rest).filter(|_| !after_value) {
            text.push_str("metal_to_");
            text.push_str(vector);
            text.push_str("() ->* ");
            rest = value;
        } else {
            text.push(first);
            after_value = match first {
                ')' | ']' => true,
                space if space.is_whitespace() => after_value,
                _ => false,
            };
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
    text
}

/// The name or number that the text begins with, and the text after it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    text.split_at(end.unwrap_or(text.len()))
}

/// The vector of a cast that the text begins with, and the text after it.
fn cast(text: &str) -> Option<(&str, &str)> {
    let (vector, after) = word(text.strip_prefix('(')?);
    let value = after.strip_prefix(')').filter(|_| is_vector(vector))?;
    // `(float4)` alone is the type of an argument.
    let first = value.trim_start().chars().next()?;
    (first.is_ascii_alphanumeric() || "_(*&.+-~!".contains(first)).then_some((vector, value))
}

fn is_vector(word: &str) -> bool {
    let scalar = word.strip_suffix(['2', '3', '4']).unwrap_or_default();
    let of_sign = |name: &str| matches!(name, "char" | "short" | "int" | "long");
    matches!(scalar, "half" | "float") || of_sign(scalar.strip_prefix('u').unwrap_or(scalar))
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn vectors_are_made_and_cast_to_by_functions_and_nothing_else_changes() {
        for (metal, clang) in [
            ("half4(0.0h, x, y, z)", "metal_half4(0.0h, x, y, z)"),
            ("a = ((float4)b[i]) * c;", "a = (metal_to_float4() ->* b[i]) * c;"),
            ("return (uint2)(x + y);", "return metal_to_uint2() ->* (x + y);"),
            ("((half4)((float4)v))", "(metal_to_half4() ->* (metal_to_float4() ->* v))"),
            ("(half2)float2(1, 2)", "metal_to_half2() ->* metal_float2(1, 2)"),
            ("*(device half4*)(p + 4)", "*(device half4*)(p + 4)"),
            ("half4 v_; v_[0] = (half)1;", "half4 v_; v_[0] = (half)1;"),
            ("f(float4);\ng (float4)\n", "f(float4);\ng (float4)\n"),
            ("my_float4(1) float4x(2)", "my_float4(1) float4x(2)"),
            ("/* é */ (int3)-x", "/* é */ metal_to_int3() ->* -x"),
        ] {
            assert_eq!(translate(metal), clang);
        }
    }
}
