//! `mlc-package cache` and kits.

use crate::site::Site;

#[test]
#[ignore = "needs scripts/setup-cross.sh: make test"]
fn kits_are_listed_verified_and_pruned() {
    let site = Site::new("android");
    site.build(&[]).ok();
    let [kit] = site.kits().try_into().unwrap();
    let list = site.call(&["cache", "list", "--format", "json"]).ok().json();
    assert_eq!(list["kits"][0]["device"], "android");
    assert_eq!(list["kits"][0]["path"], kit.as_str());
    assert!(list["build_dirs"].as_u64().unwrap() > 10_000, "{list}");
    let list = site.call(&["cache", "list"]).ok();
    list.says("binding kit").says("android").says("of directories that bindings are built in");
    site.call(&["cache", "verify"]).ok().says("ok: 2 libraries, 1 binding kit, 0 models");
    let path = kit.join("output/tvm4j_core.jar");
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[0] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    let run = site.call(&["cache", "verify"]).run().code(13);
    run.says("(android binding)").says("tvm4j_core.jar` is not what was stored");

    // What cannot be used at all goes without being asked for.
    site.build(&[]).ok();
    site.call(&["cache", "prune"]).ok().says("0 B");
    fs_err::write(kit.join("kit.json"), "{}").unwrap();
    site.call(&["cache", "list"]).ok().says("damaged: `kit.json` is not what was stored");
    site.call(&["cache", "prune", "--dry-run"]).ok().says("damaged binding kit");
    assert_eq!(site.kits().len(), 1);
    site.call(&["cache", "prune"]).ok().says("damaged binding kit");
    assert_eq!(site.kits().len(), 0);

    site.build(&[]).ok();
    let all = site.call(&["cache", "prune", "--max-size", "0B"]).ok();
    all.says("  binding kit  ").says("build directory");
    assert_eq!(site.kits().len(), 0);
    assert_eq!(crate::tree::names(&site.scene.cache().join("binding")), [""; 0]);
    site.build(&[]).ok().says("kit kept");
}
