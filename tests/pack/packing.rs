//! What `publish` gets: names, bytes, what is not done twice, and what is refused.

use std::cell::RefCell;
use std::num::NonZeroU32;

use camino::Utf8Path;
use mlc_package::io::cancel::Cancel;
use mlc_package::model::Sha256;
use mlc_package::publish::pack::{self, Compression, PackError, PackEvent};
use mlc_package::stage_error::StageError as _;
use serde_json::Value;

use crate::scene::{
    Scene, Tree, asset_names, finish, lay_out, noise, options, pack, read, try_pack,
};

#[test]
fn a_package_becomes_an_archive_of_its_library_and_one_of_each_model() {
    let (scene, tree) = Scene::with_package();
    fs_err::write(scene.path("built/notes.txt"), "not built").unwrap();
    let plan = pack::plan(&scene.path("built"), &options()).unwrap();
    let planned: Vec<_> = plan.assets.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(
        planned,
        [
            "chat-android-lib.tar.zst",
            "chat-android-phi-2.tar.zst",
            "chat-android-my.model-906ce4d3.tar.zst"
        ]
    );
    assert_eq!(plan.left_out, ["notes.txt"]);
    let files: Vec<_> = plan.assets[0].files.iter().map(|file| file.path.as_str()).collect();
    let library = [
        "bundle/mlc-app-config.json",
        "lib/libmodel_android.a",
        "lib/run.sh",
        "mlc-package-manifest.json",
    ];
    assert_eq!(files, library);
    assert_eq!(plan.assets[1].bytes, 300_002);

    let packed = pack(&scene.path("built"), &options(), &scene.path("packed"));
    let names: Vec<_> = packed.assets.iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(names, [&planned[..], &["chat-android-assets.json", "SHA256SUMS"]].concat());
    for asset in &packed.assets {
        let bytes = fs_err::read(&asset.path).unwrap();
        assert_eq!((asset.bytes, asset.sha256), (bytes.len() as u64, Sha256::of(&bytes)));
    }
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(asset_names(&scene.path("packed")).join(" "), sorted(names));
    let listed: usize = packed.list.archives.iter().map(|archive| archive.files.len()).sum();
    assert_eq!(listed, tree.len());
}

#[test]
fn the_same_package_gives_the_same_bytes_anywhere_with_any_number_of_threads() {
    let (scene, tree) = Scene::with_package();
    // Other times, another place, another order of making.
    let elsewhere = Scene::new();
    let mut files = tree.clone();
    files.remove(crate::scene::MANIFEST);
    files.insert("lib/large.a".to_owned(), (noise(9, 5 << 20), false));
    let models = ["phi-2", "my model"];
    lay_out(&scene.path("built"), &files, &models);
    for path in ["z", "bundle/my model", "lib"] {
        fs_err::create_dir_all(elsewhere.path("built").join(path)).unwrap();
    }
    lay_out(&elsewhere.path("built"), &files, &models);
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut options = options();
        options.compression = compression;
        let one = pack(&scene.path("built"), &options, &scene.path("packed"));
        for workers in [1, 4] {
            options.workers = NonZeroU32::new(workers).unwrap();
            let staging = elsewhere.path(&format!("{compression:?}-{workers}"));
            let other = pack(&elsewhere.path("built"), &options, &staging);
            let sums = |packed: &pack::PackedAssets| {
                packed.assets.iter().map(|a| (a.name.clone(), a.sha256)).collect::<Vec<_>>()
            };
            assert_eq!(sums(&one), sums(&other), "{compression:?} with {workers} workers");
        }
    }
}

/// Whoever has no `mlc-package` needs cat, tar and sha256sum.
#[test]
fn other_tools_check_and_unpack_it() {
    let (scene, tree) = Scene::with_package();
    let mut options = options();
    options.compression = Compression::Gzip;
    options.part_bytes = 123_456;
    let packed = pack(&scene.path("built"), &options, &scene.path("packed"));
    assert!(packed.assets.iter().any(|asset| asset.name.as_str().ends_with("lib.tar.gz")));
    assert!(packed.assets.iter().any(|asset| asset.name.as_str().ends_with("tar.gz.part02")));
    #[expect(clippy::disallowed_methods, reason = "other people's tools")]
    let mut shell = std::process::Command::new("sh");
    let script = "set -e; sha256sum --check --quiet --strict SHA256SUMS; mkdir dist
        for first in *.tar.gz *.part01; do cat \"${first%.part01}\"* | tar -xzf - -C dist; done";
    let (code, _, stderr) = finish(shell.args(["-c", script]).current_dir(scene.path("packed")));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(read(&scene.path("packed/dist")), tree);
}

/// The names of what was packed and of what was kept.
fn pack_again(scene: &Scene, options: &pack::PackOptions) -> (Vec<String>, Vec<String>) {
    let plan = pack::plan(&scene.path("built"), options).unwrap();
    let (packed, kept) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    pack::write(&plan, &scene.path("packed"), &Cancel::default(), &|event| match event {
        PackEvent::Started { name, .. } => packed.borrow_mut().push(name.to_string()),
        PackEvent::Kept { name } => kept.borrow_mut().push(name.to_string()),
        _ => {}
    })
    .unwrap();
    (packed.into_inner(), kept.into_inner())
}

#[test]
fn what_is_packed_is_packed_again_only_where_something_changed() {
    let (scene, mut tree) = Scene::with_package();
    let (packed, kept) = pack_again(&scene, &options());
    assert_eq!((packed.len(), kept.len()), (3, 0));
    let before = read(&scene.path("packed"));
    let (packed, kept) = pack_again(&scene, &options());
    assert_eq!((packed.len(), kept.len()), (0, 3));
    assert_eq!(read(&scene.path("packed")), before);

    // A model changes, and with it the manifest, which is the library's.
    let phi = "chat-android-phi-2.tar.zst";
    tree.remove(crate::scene::MANIFEST);
    tree.insert("bundle/phi-2/empty".to_owned(), (b"no more".to_vec(), false));
    lay_out(&scene.path("built"), &tree, &["phi-2", "my model"]);
    let (packed, kept) = pack_again(&scene, &options());
    assert_eq!(packed, ["chat-android-lib.tar.zst", phi]);
    assert_eq!(kept, ["chat-android-my.model-906ce4d3.tar.zst"]);

    // Somebody touches an archive, another one is gone.
    fs_err::OpenOptions::new().append(true).open(scene.path("packed").join(phi)).unwrap();
    fs_err::write(scene.path("packed").join(phi), "damaged").unwrap();
    fs_err::remove_file(scene.path("packed/chat-android-lib.tar.zst")).unwrap();
    let (packed, _) = pack_again(&scene, &options());
    assert_eq!(packed, ["chat-android-lib.tar.zst", phi]);

    // In smaller parts; the whole archives are gone then.
    let mut small = options();
    small.part_bytes = 200_000;
    let (packed, _) = pack_again(&scene, &small);
    assert_eq!(packed.len(), 3);
    let names = asset_names(&scene.path("packed"));
    let of_phi: Vec<_> = names.iter().filter(|name| name.contains("phi-2")).collect();
    assert_eq!(of_phi, [&format!("{phi}.part01"), &format!("{phi}.part02")]);
}

#[test]
fn a_package_that_is_not_what_was_built_is_refused_by_file() {
    type Change = fn(&Utf8Path);
    let cases: [(&str, Change, &str); 8] = [
        (
            "same size",
            |dist| fs_err::write(dist.join("bundle/phi-2/mlc-chat-config.json"), "[]").unwrap(),
            "bundle/phi-2/mlc-chat-config.json` was changed after the build",
        ),
        (
            "another size",
            |dist| fs_err::write(dist.join("lib/libmodel_android.a"), "short").unwrap(),
            "lib/libmodel_android.a` was changed after the build",
        ),
        (
            "gone",
            |dist| fs_err::remove_file(dist.join("lib/run.sh")).unwrap(),
            "lib/run.sh` is in the manifest, and not there",
        ),
        (
            "a link",
            |dist| {
                fs_err::rename(dist.join("lib/run.sh"), dist.join("run.sh")).unwrap();
                std::os::unix::fs::symlink("../run.sh", dist.join("lib/run.sh")).unwrap();
            },
            "lib/run.sh` is in the manifest, and no regular file",
        ),
        (
            "a linked directory",
            |dist| {
                fs_err::rename(dist.join("lib"), dist.join("elsewhere")).unwrap();
                std::os::unix::fs::symlink("elsewhere", dist.join("lib")).unwrap();
            },
            "is in the manifest, and not there",
        ),
        (
            "names that differ in case",
            |dist| {
                let path = dist.join(crate::scene::MANIFEST);
                let text = fs_err::read_to_string(&path).unwrap();
                fs_err::write(path, text.replace("lib/run.sh", "LIB/run.sh")).unwrap();
            },
            "is in upper and lower case",
        ),
        (
            "no manifest",
            |dist| fs_err::remove_file(dist.join(crate::scene::MANIFEST)).unwrap(),
            "is not a dist/: it has no mlc-package-manifest.json",
        ),
        (
            "a hostile manifest",
            |dist| {
                let path = dist.join(crate::scene::MANIFEST);
                let text = fs_err::read_to_string(&path).unwrap();
                fs_err::write(path, text.replace("lib/run.sh", "../run.sh")).unwrap();
            },
            "it lists `../run.sh`, and that has a `.` or `..`",
        ),
    ];
    for (what, change, words) in cases {
        let (scene, _) = Scene::with_package();
        change(&scene.path("built"));
        let error = try_pack(&scene.path("built"), &options(), &scene.path("packed")).unwrap_err();
        assert!(error.to_string().contains(words), "{what}: {error}");
        assert!(error.help().is_some(), "{what}");
        assert!(!scene.path("packed/.packing").exists(), "{what}");
        let there = if scene.path("packed").exists() {
            asset_names(&scene.path("packed"))
        } else {
            Vec::new()
        };
        assert!(!there.iter().any(|name| name.ends_with("assets.json")), "{what}: {there:?}");
    }
}

#[test]
fn a_manifest_of_a_later_version_and_too_many_parts_are_refused() {
    let (scene, _) = Scene::with_package();
    let mut small = options();
    small.part_bytes = 1000;
    let error = try_pack(&scene.path("built"), &small, &scene.path("packed")).unwrap_err();
    assert!(matches!(&error, PackError::TooManyParts(_)), "{error}");

    let path = scene.path("built").join(crate::scene::MANIFEST);
    let mut manifest: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    manifest["schema"] = 2.into();
    fs_err::write(&path, manifest.to_string()).unwrap();
    let error = try_pack(&scene.path("built"), &options(), &scene.path("packed")).unwrap_err();
    assert!(error.to_string().contains("schema 2, and this version reads 1"), "{error}");
}

#[test]
fn an_interrupted_run_leaves_no_asset_that_is_not_whole() {
    let (scene, _) = Scene::with_package();
    let plan = pack::plan(&scene.path("built"), &options()).unwrap();
    let cancel = Cancel::default();
    let error = pack::write(&plan, &scene.path("packed"), &cancel, &|event| {
        if let PackEvent::Started { name, .. } = event
            && name.as_str().contains("phi")
        {
            cancel.cancel();
        }
    })
    .unwrap_err();
    assert!(matches!(error, PackError::Interrupted), "{error}");
    assert_eq!(asset_names(&scene.path("packed")), ["chat-android-lib.tar.zst"]);
    let (packed, kept) = pack_again(&scene, &options());
    assert_eq!((packed.len(), kept), (2, vec!["chat-android-lib.tar.zst".to_owned()]));
    let _: Tree = scene.unpack();
}

#[test]
fn of_two_runs_at_once_the_second_waits_and_keeps_what_the_first_made() {
    let (scene, tree) = Scene::with_package();
    let plan = pack::plan(&scene.path("built"), &options()).unwrap();
    let (staging, cancel) = (scene.path("packed"), Cancel::default());
    let (begun, second_may) = std::sync::mpsc::channel();
    let (waits, first_may) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let first_may = RefCell::new(Some(first_may));
            pack::write(&plan, &staging, &cancel, &move |event| {
                if let PackEvent::Started { .. } = event
                    && let Some(first_may) = first_may.take()
                {
                    begun.send(()).unwrap();
                    first_may.recv().unwrap();
                }
            })
            .unwrap();
        });
        second_may.recv().unwrap();
        let kept = RefCell::new(0);
        pack::write(&plan, &staging, &cancel, &|event| match event {
            PackEvent::Waiting => waits.send(()).unwrap(),
            PackEvent::Kept { .. } => *kept.borrow_mut() += 1,
            _ => {}
        })
        .unwrap();
        assert_eq!(kept.into_inner(), 3);
    });
    assert_eq!(scene.unpack(), tree);
}
