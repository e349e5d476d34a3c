//! Any package comes back as it was.

use mlc_package::github::api::ApiOptions;
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{Compression, Level};
use mlc_package::publish::unpack::{Source, UnpackRequest, unpack};
use proptest::prelude::*;

use crate::scene::{Scene, Tree, lay_out, noise, options, pack, read};

/// Part of a path: plain, with spaces, in other scripts, long.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9_]{1,12}",
        1 => "[a-z]{1,3}[ '\"&$*?~#%][a-z]{1,3}",
        1 => "[äß模型μ🦀]{1,8}",
        1 => "[a-z]{90,110}",
        1 => "[a-zé]{60,120}",
    ]
}

/// A path of up to some 600 bytes, in the library or one of two models.
fn path() -> impl Strategy<Value = String> {
    let root = prop_oneof![
        Just("lib".to_owned()),
        Just("bundle/phi-2".to_owned()),
        Just("bundle/Modell Ä".to_owned())
    ];
    (root, prop::collection::vec(part(), 1..5))
        .prop_map(|(root, parts)| format!("{root}/{}", parts.join("/")))
}

/// Sizes around blocks of a tar, and up to some parts.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![Just(0), 1_usize..20, 510_usize..515, 1020_usize..1030, 0_usize..40_000];
    (any::<u64>(), size, any::<bool>())
        .prop_map(|(seed, size, zeros)| if zeros { vec![0; size] } else { noise(seed, size) })
}

fn package() -> impl Strategy<Value = Tree> {
    let files = prop::collection::btree_map(path(), (bytes(), any::<bool>()), 0..12);
    files.prop_map(|files| {
        let mut kept = Tree::new();
        let mut seen: Vec<String> = Vec::new();
        for (path, file) in files {
            // No file is another one's directory, also where case does not count.
            let lower = path.to_lowercase();
            let clash = |other: &String| {
                lower == *other
                    || lower.starts_with(&format!("{other}/"))
                    || other.starts_with(&format!("{lower}/"))
            };
            if !seen.iter().any(clash) {
                seen.push(lower);
                kept.insert(path, file);
            }
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn packing_and_unpacking_changes_nothing(
        files in package(),
        part_bytes in prop_oneof![2_000_u64..9_000, Just(4096), Just(2000 << 20)],
        gzip in any::<bool>(),
        level in 1_u8..4,
    ) {
        let scene = Scene::new();
        let models = ["phi-2", "Modell Ä"];
        let tree = lay_out(&scene.path("built"), &files, &models);
        let total: usize = tree.values().map(|(bytes, _)| bytes.len() + 2048).sum();
        let mut options = options();
        // At most 99 parts.
        options.part_bytes = part_bytes.max(total as u64 / 90);
        options.compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        options.level = Level::new(level).unwrap();
        let packed = pack(&scene.path("built"), &options, &scene.path("packed"));
        for asset in &packed.assets[..packed.assets.len() - 2] {
            prop_assert!(asset.bytes <= options.part_bytes);
        }
        let request = UnpackRequest {
            source: Source::find(scene.path("packed").as_str()).unwrap(),
            output: scene.path("dist"),
            github: ApiOptions::without_repository(&|_| None).unwrap(),
        };
        unpack(&request, &Cancel::default(), &|_| {}).unwrap();
        prop_assert!(read(&scene.path("dist")) == tree);
    }
}
