/// The first version in a line: `cmake version 3.28.1` is 3, 28, 1.
pub(super) fn in_line(line: &str) -> Option<Vec<u32>> {
    line.split_whitespace().find_map(numbers)
}

/// The leading numbers of a version: `17.0.9+11` is 17, 0, 9. `1.8.0_392`, which is how Java 8
/// called itself, is 1, 8, 0.
pub(super) fn numbers(text: &str) -> Option<Vec<u32>> {
    let text = text.trim_start_matches(['v', '"']);
    let found: Vec<u32> = text
        .split('.')
        .map_while(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part.get(..digits)?.parse().ok()
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// The first number of a Java version, that of before 9 unwrapped.
pub(super) fn java_major(text: &str) -> Option<u32> {
    match *numbers(text)?.as_slice() {
        [1, major, ..] | [major, ..] => Some(major),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{in_line, java_major};

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (line, expected) in [
            ("cmake version 3.28.1", Some(vec![3, 28, 1])),
            ("cmake version 4.0.0-rc1", Some(vec![4, 0, 0])),
            ("1.11.1.git.kitware", Some(vec![1, 11, 1])),
            ("git version 2.39.5 (Apple Git-154)", Some(vec![2, 39, 5])),
            ("javac 21", Some(vec![21])),
            ("error: no such thing", None),
            ("", None),
        ] {
            assert_eq!(in_line(line), expected, "{line}");
        }
        let majors = ["17.0.9+11", "1.8.0_392", "21", "x"].map(java_major);
        assert_eq!(majors, [Some(17), Some(8), Some(21), None]);
    }
}
