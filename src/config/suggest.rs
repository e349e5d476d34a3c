/// Longer names are no misspellings of ours, and comparing takes time by their length.
const LONGEST: usize = 64;

/// Names that other tools give what we call otherwise.
const ALIASES: [(&str, &str); 14] = [
    ("models", "model_list"),
    ("platform", "device"),
    ("target", "device"),
    ("url", "model"),
    ("path", "model"),
    ("modelurl", "model"),
    ("modelpath", "model"),
    ("id", "model_id"),
    ("name", "model_id"),
    ("modelname", "model_id"),
    ("vramrequiredmb", "estimated_vram_bytes"),
    ("contextlength", "context_window_size"),
    ("maxseqlen", "context_window_size"),
    ("optlevel", "opt"),
];

/// The candidate that a misspelt or foreign name most likely means.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let folded = fold(name);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == folded).map(|(_, meant)| *meant);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&folded, candidate, alias)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How far a candidate is, if it may be meant at all.
fn distance(folded: &str, candidate: &str, alias: Option<&str>) -> Option<usize> {
    let other = fold(candidate);
    if folded == other || alias == Some(candidate) {
        return Some(0);
    }
    let edits = strsim::damerau_levenshtein(folded, &other);
    // One slip in three letters; or a part of the name.
    if edits * 3 <= folded.len().max(other.len()) {
        Some(edits)
    } else if folded.len() >= 4 && other.contains(folded) {
        Some(if other.starts_with(folded) { 1 } else { 2 })
    } else {
        None
    }
}

/// `modelId`, `model-id` and `Model ID` are all `modelid`.
fn fold(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const FIELDS: [&str; 6] =
        ["model", "model_id", "estimated_vram_bytes", "bundle_weight", "overrides", "model_lib"];

    #[test]
    fn slips_and_other_spellings_are_recognised() {
        assert_eq!(nearest("modelId", FIELDS), Some("model_id"));
        assert_eq!(nearest("bundle-weights", FIELDS), Some("bundle_weight"));
        assert_eq!(nearest("mdoel", FIELDS), Some("model"));
        assert_eq!(nearest("vram_bytes", FIELDS), Some("estimated_vram_bytes"));
        assert_eq!(nearest("cublas", ["cublas_gemm", "cutlass"]), Some("cublas_gemm"));
    }

    #[test]
    fn names_of_other_tools_are_recognised_where_ours_has_a_place() {
        assert_eq!(nearest("model_path", FIELDS), Some("model"));
        assert_eq!(nearest("vram_required_MB", FIELDS), Some("estimated_vram_bytes"));
        assert_eq!(nearest("platform", FIELDS), None);
    }

    #[test]
    fn other_words_are_left_alone() {
        for name in ["comment", "", "模", "-", &"model".repeat(100)] {
            assert_eq!(nearest(name, FIELDS), None, "{name}");
        }
    }
}
