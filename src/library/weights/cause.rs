//! Why weights are not those of a library, guessed from how they differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, How, Kind, Size, Weights, resolve, stored_shape};
use crate::library::metadata::{Dimension, Metadata};
use crate::library::plural;
use crate::library::printable::printable;
use crate::model::ChatConfig;

/// What weights are cut by for the devices of a computer: `<name>_shard-1-of-2`.
const SHARD: &str = "_shard-";
/// The output layer, which models without one of their own share with the embedding.
const HEADS: [&str; 2] = ["lm_head", "embed_out"];
/// Sizes of a model by their names in its config, the likelier first where two are alike.
const SIZES: [&str; 11] = [
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "n_embd",
    "n_inner",
    "d_model",
    "ffn_dim",
    "ffn_hidden_size",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "head_dim",
];

/// Why they differ, where that can be told.
pub(super) fn guess(
    metadata: &Metadata,
    weights: Weights<'_>,
    differences: &[Difference],
) -> Option<String> {
    let records = || weights.tensor_cache.shards.iter().flat_map(|shard| &shard.records);
    if metadata.params.is_empty() {
        return Some("the library names no parameters at all".to_owned());
    }
    if records().next().is_none() {
        return Some("the tensor cache lists no tensors at all".to_owned());
    }
    if let Some(why) = divided(differences) {
        return Some(why);
    }
    let of_library = layers(metadata.params.iter().map(|param| param.name.as_str()));
    let of_weights = layers(records().map(|record| record.name.as_str()));
    let other_sizes = || sizes(weights.chat_config, differences);
    if of_library != of_weights {
        let of_library = plural(of_library, "1 layer", "layers");
        let why = format!("the library has {of_library}, the weights {of_weights}");
        return Some(other_sizes().map_or(why.clone(), |sizes| format!("{why}; {sizes}")));
    }
    if let Some(name) = differences.iter().find_map(Difference::unresolved) {
        let file = ChatConfig::FILE_NAME;
        return Some(format!("{file} has no number `{name}`, which the library asks it for"));
    }
    let several = other_sizes().filter(|sizes| sizes.contains(", "));
    layout(differences)
        .or(several)
        .or_else(|| vocabulary(metadata, weights, differences))
        .or_else(|| head(differences))
        .or_else(other_sizes)
        .or_else(|| prefixed(differences))
        .or_else(|| quantized(differences))
        .or_else(|| renamed(differences))
        .or_else(|| biases(differences))
        .or_else(|| one_type(differences))
}

/// Weights that were cut for several devices, as upstream's `--model-preshard` does it.
fn divided(differences: &[Difference]) -> Option<String> {
    let of = |difference: &Difference| {
        let (_, cut) = difference.name.rsplit_once(SHARD)?;
        let (_, count) = cut.split_once("-of-")?;
        count.parse::<u32>().ok()
    };
    let mut unknown = differences.iter().filter(|it| it.how == How::Unknown);
    let count = unknown.find_map(of)?;
    Some(format!(
        "the weights are cut for {}, and the library takes them whole (have them converted with \
         `tensor_parallel_shards` 1)",
        plural(count as usize, "1 device", "devices")
    ))
}

/// How many layers the names of tensors count: the numbers in the place of the first number.
fn layers<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let number = |name: &'a str| {
        name.split('.').find(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    names.filter_map(number).collect::<BTreeSet<_>>().len()
}

/// Tensors that differ in a dimension that `mlc-chat-config.json` has to know.
fn vocabulary(
    metadata: &Metadata,
    weights: Weights<'_>,
    differences: &[Difference],
) -> Option<String> {
    let difference = differences.iter().find(|difference| difference.how == How::Shape)?;
    let param = metadata.params.iter().find(|param| param.name == difference.name)?;
    let found = &difference.weights.as_ref()?.shape;
    let wanted = stored_shape(param);
    if wanted.len() != found.len() {
        return None;
    }
    let (name, found) =
        wanted.iter().zip(found).find_map(|(wanted, found)| match (wanted, found) {
            (Dimension::Named(name), Size::Known(found)) => Some((name, *found)),
            _ => None,
        })?;
    let said = resolve(name, weights.chat_config)?;
    (said != found).then(|| {
        format!("{} says `{name}` {said}, and the weights have {found}", ChatConfig::FILE_NAME)
    })
}

/// An output layer on one side only.
fn head(differences: &[Difference]) -> Option<String> {
    let how = differences.first()?.how;
    let is_head = |name: &str| name.split('.').any(|part| HEADS.contains(&part));
    let is_all = differences.iter().all(|it| it.how == how && is_head(&it.name));
    match how {
        How::Missing if is_all => Some(
            "the library takes an output layer of its own, and the weights share it with the \
             embedding (`tie_word_embeddings`)"
                .to_owned(),
        ),
        How::Unknown if is_all => Some(
            "the weights have an output layer of their own, and the library shares it with the \
             embedding (`tie_word_embeddings`)"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Sizes of the model that are others on both sides. Quantized tensors have a share of a size, so those
/// that are apart by the same factor are one, and its largest has its name in the config.
fn sizes(chat_config: &ChatConfig, differences: &[Difference]) -> Option<String> {
    let mut largest: BTreeMap<(u64, u64), (u64, u64)> = BTreeMap::new();
    for difference in differences.iter().filter(|difference| difference.how == How::Shape) {
        let (Some(wanted), Some(found)) = (&difference.library, &difference.weights) else {
            continue;
        };
        if wanted.shape.len() != found.shape.len() {
            continue;
        }
        for pair in wanted.shape.iter().zip(&found.shape) {
            let (Size::Known(wanted), Size::Known(found)) = pair else { continue };
            let shared = gcd(*wanted, *found);
            if wanted == found || shared == 0 {
                continue;
            }
            let known = largest.entry((wanted / shared, found / shared)).or_default();
            *known = (*known).max((*wanted, *found));
        }
    }
    let named = |(wanted, found): (u64, u64)| {
        let is = |name: &&&str| {
            let size = chat_config.number(name).and_then(|size| u64::try_from(size).ok());
            size == Some(found) || size == Some(wanted)
        };
        SIZES.iter().find(is).map(|name| (*name, wanted, found))
    };
    let mut named: Vec<_> = largest.into_values().filter_map(named).collect();
    let names: BTreeSet<_> = named.iter().map(|(name, ..)| *name).collect();
    // One size cannot be two others: something else is wrong.
    if names.len() < named.len() {
        return None;
    }
    named.sort_by_key(|(name, ..)| SIZES.iter().position(|size| size == name));
    let said = named.iter().map(|(name, wanted, found)| {
        format!("`{name}` is {wanted} in the library and {found} in the weights")
    });
    let said = said.collect::<Vec<_>>().join(", ");
    (!said.is_empty()).then_some(said)
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// Matrices that lie the other way round.
fn layout(differences: &[Difference]) -> Option<String> {
    let is_turned = |difference: &Difference| match (&difference.library, &difference.weights) {
        (Some(wanted), Some(found)) => {
            wanted.shape.len() == 2
                && wanted.shape != found.shape
                && wanted.shape.iter().eq(found.shape.iter().rev())
        }
        _ => false,
    };
    differences
        .iter()
        .any(is_turned)
        .then(|| "the layout is transposed, as that of q4f16_0 is against q4f16_1".to_owned())
}

/// Quantized on one side only, or with other words a row.
fn quantized(differences: &[Difference]) -> Option<String> {
    let stems = |how: How, ending: &'static str| {
        let names = differences.iter().filter(move |difference| difference.how == how);
        names.filter_map(move |it| it.name.strip_suffix(ending)).collect::<BTreeSet<_>>()
    };
    let same =
        |missing, unknown| !stems(How::Missing, missing).is_disjoint(&stems(How::Unknown, unknown));
    if same(".q_weight", ".weight") {
        return Some("the library takes quantized weights, and these are not".to_owned());
    }
    if same(".weight", ".q_weight") {
        return Some("the weights are quantized, and the library takes none that are".to_owned());
    }
    let words = |difference: &&Difference| {
        difference.how == How::Shape && difference.name.ends_with(".q_weight")
    };
    let difference = differences.iter().find(words)?;
    let last = |kind: &Option<Kind>| kind.as_ref().and_then(|kind| kind.shape.last().cloned());
    let first = |kind: &Option<Kind>| kind.as_ref().and_then(|kind| kind.shape.first().cloned());
    let same_rows = first(&difference.library) == first(&difference.weights);
    (same_rows && last(&difference.library) != last(&difference.weights))
        .then(|| "they are quantized to another number of bits, or have another width".to_owned())
}

/// As many tensors too few as too many, of the same kinds.
fn renamed(differences: &[Difference]) -> Option<String> {
    let kinds = |how: How| {
        let found = differences.iter().filter(|it| it.how == how);
        let found = found.filter_map(|it| it.library.as_ref().or(it.weights.as_ref()));
        let mut kinds: Vec<_> = found.map(ToString::to_string).collect();
        kinds.sort();
        kinds
    };
    let (missing, unknown) = (kinds(How::Missing), kinds(How::Unknown));
    if missing.len() * 2 != differences.len() || missing != unknown {
        return None;
    }
    Some(match missing.len() {
        1 => "a tensor has another name".to_owned(),
        count => format!("{count} tensors have other names"),
    })
}

/// Names that begin otherwise on one side, all in the same way.
fn prefixed(differences: &[Difference]) -> Option<String> {
    let of = |how: How| {
        let names = differences.iter().filter(move |it| it.how == how);
        names.map(|it| it.name.as_str()).collect::<BTreeSet<_>>()
    };
    let (missing, unknown) = (of(How::Missing), of(How::Unknown));
    let all = missing.len() > 1
        && missing.len() == unknown.len()
        && missing.len() * 2 == differences.len();
    let more = |long: &BTreeSet<&str>, short: &BTreeSet<&str>| {
        let first = short.first()?;
        let prefix = long.iter().find_map(|name| name.strip_suffix(first))?.to_owned();
        let cut: Option<BTreeSet<_>> = long.iter().map(|it| it.strip_prefix(&*prefix)).collect();
        (all && cut.as_ref() == Some(short)).then_some(prefix)
    };
    let (side, other, prefix) = match (more(&unknown, &missing), more(&missing, &unknown)) {
        (Some(prefix), _) => ("the weights", "the library", prefix),
        (_, Some(prefix)) => ("the library", "the weights", prefix),
        _ => return None,
    };
    let prefix = printable(&prefix);
    Some(format!("the names of tensors begin with `{prefix}` in {side}, and not in {other}"))
}

/// Biases on one side only.
fn biases(differences: &[Difference]) -> Option<String> {
    let how = differences.first()?.how;
    let is_all = differences.iter().all(|it| it.how == how && it.name.ends_with(".bias"));
    match how {
        How::Missing if is_all => Some("the library takes biases that the weights lack".to_owned()),
        How::Unknown if is_all => Some("the weights have biases that the library lacks".to_owned()),
        _ => None,
    }
}

/// One type instead of another, everywhere.
fn one_type(differences: &[Difference]) -> Option<String> {
    let of = |kind: &Option<Kind>| kind.as_ref().map(|kind| kind.dtype.clone());
    let types: BTreeSet<_> = differences
        .iter()
        .map(|difference| {
            (difference.how == How::Type)
                .then(|| (of(&difference.library), of(&difference.weights)))
        })
        .collect();
    match types.into_iter().collect::<Option<Vec<_>>>()?.as_slice() {
        [(Some(library), Some(weights))] if differences.len() > 1 => Some(format!(
            "the library takes {}, the weights are {}",
            printable(library),
            printable(weights)
        )),
        _ => None,
    }
}
