use camino::Utf8Path;

use super::{DigestNote, digest};
use crate::model::Digest;
use crate::toolchain::probe::Module;
use crate::toolchain::scene::{Scene, settle};

fn source(directory: &Utf8Path) -> Module {
    Module { directory: directory.to_owned(), distribution: None, version: None, from_index: false }
}

fn digested(scene: &Scene, tree: &str, remembered: Option<DigestNote>) -> Digest {
    let module = source(&scene.root.join(tree).join("python/tvm"));
    digest("tvm", &module, &scene.environment(&[]), remembered).unwrap().unwrap().files
}

#[test]
fn a_tree_has_one_digest_wherever_it_lies() {
    let scene = Scene::new();
    for tree in ["one", "two/deeper"] {
        scene.write(&format!("{tree}/python/tvm/__init__.py"), "a");
        scene.write(&format!("{tree}/python/tvm/ir/op.py"), "b");
        scene.write(&format!("{tree}/build/lib/libtvm.so"), "c");
    }
    let one = digested(&scene, "one", None);
    assert_eq!(digested(&scene, "two/deeper", None), one);
    for (path, content) in [
        ("one/python/tvm/__init__.py", "A"),
        ("one/python/tvm/ir/new.py", ""),
        ("one/python/tvm/native.cpython-311-darwin.so", "d"),
        ("one/build/lib/libtvm.so", "C"),
        ("one/build/libtvm_runtime.dylib", "e"),
    ] {
        let before = digested(&scene, "one", None);
        scene.write(path, content);
        assert_ne!(digested(&scene, "one", None), before, "{path}");
    }
    let before = digested(&scene, "one", None);
    for path in [
        "one/python/tvm/__pycache__/op.py",
        "one/python/tvm/README.md",
        "one/build/lib/libother.so",
        "one/build/CMakeFiles/libtvm.so",
    ] {
        scene.write(path, "x");
        assert_eq!(digested(&scene, "one", None), before, "{path}");
    }
    // A file that moves is another tree, also when all contents stay.
    fs_err::rename(
        scene.root.join("one/python/tvm/ir/new.py"),
        scene.root.join("one/python/tvm/ir/old.py"),
    )
    .unwrap();
    assert_ne!(digested(&scene, "one", None), before);
}

#[test]
fn only_what_is_settled_is_remembered_and_then_not_read_again() {
    let scene = Scene::new();
    scene.write("tree/python/tvm/__init__.py", "a");
    let module = source(&scene.root.join("tree/python/tvm"));
    let environment = scene.environment(&[]);
    let fresh = digest("tvm", &module, &environment, None).unwrap().unwrap();
    assert!(fresh.remember.is_none());
    settle();
    let settled = digest("tvm", &module, &environment, None).unwrap().unwrap();
    assert_eq!(settled.files, fresh.files);
    // A digest that the files do not have comes back: they were not read.
    let marked = DigestNote { files: Digest::of(b"marked"), ..settled.remember.unwrap() };
    assert_eq!(digested(&scene, "tree", Some(marked)), Digest::of(b"marked"));
    scene.write("tree/python/tvm/__init__.py", "b");
    assert_ne!(digested(&scene, "tree", Some(marked)), Digest::of(b"marked"));
}

#[test]
fn a_wheel_is_not_digested() {
    let scene = Scene::new();
    scene.write("tree/python/tvm/__init__.py", "a");
    let module = Module { from_index: true, ..source(&scene.root.join("tree/python/tvm")) };
    assert!(digest("tvm", &module, &scene.environment(&[]), None).unwrap().is_none());
}
