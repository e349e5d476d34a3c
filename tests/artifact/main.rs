//! What an app depends on by a line, made by `mlc-package build --artifact` and read by the programs
//! of others: Maven's resolver, Java, Android's aapt, LLVM and lld. Where the binding is built, as in
//! tests/binding; all of that is `#[ignore]`d: `make test` runs it with `MLC_PACKAGE_TEST_CROSS` and
//! `MLC_PACKAGE_TEST_KOTLIN`, the directories of scripts/setup-cross.sh and scripts/setup-jvm.sh.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a scene needs and does not get fails the test"
)]

mod android;
mod apple;
#[path = "../it/call.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod call;
mod classes;
#[path = "../publish/github.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/publish")]
mod github;
#[path = "../publish/http.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/publish")]
mod http;
mod published;
mod refusals;
#[path = "../publish/routes.rs"]
#[allow(unreachable_pub, clippy::allow_attributes, reason = "shared with tests/publish")]
mod routes;
#[path = "../it/scene.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod scene;
#[path = "../publish/shapes.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/publish")]
mod shapes;
#[path = "../binding/site.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/binding")]
mod site;
#[path = "../it/tree.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod tree;

/// Runs a program of others; it must succeed. Gives what it printed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let path = which::which(program).unwrap_or_else(|_| panic!("{program}: make test installs it"));
    let output = assert_cmd::Command::new(path).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}\n{out}{err}");
    out
}
