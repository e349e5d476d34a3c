//! The bodies of the fuzz targets, over their corpus and over mutations of it.

#[path = "../../fuzz/bodies/blob.rs"]
mod blob;
#[path = "../../fuzz/bodies/container.rs"]
mod container;
#[path = "../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/bodies/linked.rs"]
mod linked;
#[path = "../../fuzz/bodies/tar.rs"]
mod tar;

use corpus::corpus;
use proptest::prelude::*;
use proptest::sample::Index;

/// One change of a file.
#[derive(Clone, Debug)]
enum Mutation {
    /// A byte becomes another.
    Byte(Index, u8),
    /// Eight bytes become a number: a length, an offset, a count.
    Number(Index, u64),
    /// It ends here.
    Cut(Index),
    /// A part is left out.
    Drop(Index, u8),
    /// A part is there twice.
    Double(Index, u8),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let part = |at: &Index, len: u8| {
            let start = at.index(bytes.len());
            start..bytes.len().min(start + usize::from(len))
        };
        match self {
            Self::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Number(at, number) => {
                let part = part(at, 8);
                let number = number.to_le_bytes();
                let len = part.len();
                bytes[part].copy_from_slice(&number[..len]);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Drop(at, len) => drop(bytes.drain(part(at, *len))),
            Self::Double(at, len) => {
                let part = part(at, *len);
                let twice = bytes[part.clone()].to_vec();
                bytes.splice(part.end..part.end, twice);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let number = prop_oneof![
        any::<u64>(),
        0..64_u64,
        (0..64_u32).prop_map(|shift| 1 << shift),
        (0..64_u32).prop_map(|shift| u64::MAX >> shift),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (any::<Index>(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, len)| Mutation::Drop(at, len)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, len)| Mutation::Double(at, len)),
    ]
}

#[test]
fn the_corpus_is_of_good_files() {
    for (name, bytes) in corpus("blob") {
        assert!(blob::run(&bytes), "{name}");
    }
    for (name, bytes) in corpus("container") {
        assert!(container::run(&bytes), "{name}");
    }
    for (name, bytes) in corpus("linked") {
        assert!(linked::run(&bytes), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_blobs_are_read_or_refused(
        file in any::<Index>(),
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let corpus = corpus("blob");
        let (_, mut bytes) = file.get(&corpus).clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        blob::run(&bytes);
    }

    #[test]
    fn mutated_files_are_opened_or_refused(
        file in any::<Index>(),
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let corpus = corpus("container");
        let (_, mut bytes) = file.get(&corpus).clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        container::run(&bytes);
    }

    #[test]
    fn mutated_linked_files_are_checked_or_refused(
        file in any::<Index>(),
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let corpus = corpus("linked");
        let (_, mut bytes) = file.get(&corpus).clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        linked::run(&bytes);
    }
}
