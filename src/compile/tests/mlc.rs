use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

use super::{Cancel, Compiler, Failure, MlcCompiler, Workspace};
use crate::compile::scene::{Scene, job};
use crate::io::dir;
use crate::model::{Device, MacabiArch};
use crate::toolchain::Interpreter;

fn workspace(scene: &Scene) -> Workspace {
    let root: Utf8PathBuf = scene.root.join("space");
    let work = root.join("work");
    fs_err::create_dir_all(&work).unwrap();
    Workspace { library: root.join("lib.tar"), log: root.join("compile.log"), work }
}

fn compile(scene: &Scene, compiler: &MlcCompiler) -> Result<(), Failure> {
    compiler.compile(&job("tiny"), &workspace(scene), &Cancel::default())
}

#[test]
fn the_call_is_upstreams() {
    let scene = Scene::new();
    let mut compiler = scene.compiler(
        "for arg; do echo \"$arg\"; done > \"$HOME/args\"; \
         cp \"$4\" \"$HOME/config\"; pwd > \"$HOME/pwd\"; ls -A > \"$HOME/ls\"; \
         echo $MLC_MACABI_ARCH $TMPDIR $OURS $TVM_BACKTRACE > \"$HOME/vars\"; echo library > \"$output\"",
    );
    compiler.environment = scene.environment(&[("MLC_TEMP_DIR", "big"), ("OURS", "inherited")]);
    let mut job = job("tiny");
    job.inputs.device = Device::Macabi.into();
    job.inputs.macabi_arch = Some(MacabiArch::X86_64);
    let space = workspace(&scene);
    compiler.compile(&job, &space, &Cancel::default()).unwrap();
    let config = space.work.join("mlc-chat-config.json");
    let library = space.work.join("lib.tar");
    let expected = [
        "-m",
        "mlc_llm",
        "compile",
        config.as_str(),
        "--opt",
        "flashinfer=0",
        "--overrides",
        "context_window_size=128",
        "--device",
        "macabi",
        "--output",
        library.as_str(),
        "--system-lib-prefix",
        "tiny_",
    ];
    assert_eq!(scene.read("home/args").lines().collect::<Vec<_>>(), expected);
    assert_eq!(scene.read("home/config").as_bytes(), job.chat_config);
    let temporary = scene.root.join("big");
    assert_eq!(scene.read("home/vars").trim(), format!("x86_64 {temporary} inherited 1"));
    // An empty directory of ours: nothing there is taken for a module.
    assert!(scene.read("home/pwd").trim().starts_with(space.work.as_str()));
    assert_eq!(scene.read("home/ls"), "");
    assert_eq!(dir::names(&scene.root.join("space")).unwrap(), ["compile.log", "lib.tar", "work"]);
}

#[test]
fn every_way_to_fail_is_told_apart() {
    let scene = Scene::new();
    let fails = |script: &str| compile(&scene, &scene.compiler(script)).unwrap_err();
    assert!(matches!(fails("exit 3"), Failure::Exit(3)));
    assert!(matches!(fails("echo library > \"$output\"; exit 1"), Failure::Exit(1)));
    fs_err::remove_file(scene.root.join("space/work/lib.tar")).unwrap();
    assert!(matches!(fails("kill -KILL $$"), Failure::Signal(9)));
    assert!(matches!(fails("exit 0"), Failure::NoOutput));
    assert!(matches!(fails("mkdir \"$output\"; : > \"$output/x\""), Failure::NoOutput));
    fs_err::remove_dir_all(scene.root.join("space/work/lib.tar")).unwrap();
    assert!(matches!(fails(": > \"$output\""), Failure::EmptyOutput));

    let gone =
        MlcCompiler { python: Interpreter::Here(scene.root.join("gone")), ..scene.compiler("") };
    let error = compile(&scene, &gone).unwrap_err();
    assert!(error.to_string().starts_with("failed to start `"), "{error}");
}

#[test]
fn a_compiler_that_hangs_is_ended() {
    let scene = Scene::new();
    let limit = Duration::from_millis(200);
    let compiler = MlcCompiler { limit, ..scene.compiler("sleep 600") };
    let begun = Instant::now();
    let error = compile(&scene, &compiler).unwrap_err();
    assert_eq!(error.to_string(), "the compiler did not finish within 200 ms");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_flood_of_output_leaves_a_short_log() {
    let scene = Scene::new();
    let flood = "head -c 100000000 /dev/zero | tr '\\0' x; echo library > \"$output\"";
    compile(&scene, &scene.compiler(flood)).unwrap();
    let log = fs_err::metadata(scene.root.join("space/compile.log")).unwrap();
    assert!(log.len() < 6 << 20);
}
