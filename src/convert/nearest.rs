/// The name that a misspelt one most likely means: `llama3` is `llama-3`.
pub(super) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let fold = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = fold(name);
    known
        .map(|known| (strsim::damerau_levenshtein(&wanted, &fold(known)), known))
        .filter(|(edits, known)| edits * 3 <= wanted.len().max(known.len()))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, known)| known)
}
