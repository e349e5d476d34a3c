//! Kernels that clang compiles before the phone does. The libraries are real TVM's, and so is clang.

use camino::Utf8PathBuf;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::call::{Call, wait_for};
use crate::scene::{Scene, is_alive};

/// A clang that notes each time that it compiles: the scene's own, around the machine's.
fn counting(scene: &Scene, more: &str) -> Utf8PathBuf {
    let names = std::iter::once("clang".to_owned());
    let mut names = names.chain((14..=21).rev().map(|version| format!("clang-{version}")));
    let clang = names.find_map(|name| which::which(name).ok());
    let clang = clang.expect("clang is missing: scripts/setup-cross.sh");
    let log = scene.root.join("clang-calls");
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) ;; *) echo >> {log};; esac\n{more}\nexec {} \"$@\"\n",
        clang.display()
    );
    let path = scene.write("bin/clang", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&path, mode).unwrap();
    path
}

/// How often it compiled since the last look.
fn compiled(scene: &Scene) -> usize {
    let log = scene.root.join("clang-calls");
    let calls = fs_err::read_to_string(&log).unwrap_or_default().lines().count();
    fs_err::write(log, "").unwrap();
    calls
}

fn checking<'a>(scene: &'a Scene, clang: &Utf8PathBuf, when: &str) -> Call<'a> {
    let call = scene.build(&["--check-kernels", when]);
    call.env("MLC_PACKAGE_CLANG", clang.as_str())
}

/// What the store remembers of the kernels of its one library.
fn remembered(scene: &Scene) -> Value {
    let [entry] = scene.entries().try_into().unwrap();
    let text = fs_err::read_to_string(entry.join("record.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["kernels"].clone()
}

/// A library of tests/data, unpacked, with something of it changed: as many bytes as before, so that
/// the objects stay whole.
fn spoilt(scene: &Scene, name: &str, changes: &[(&str, &str)]) -> Utf8PathBuf {
    let path = scene.library(name, &format!("app/{name}.tar"));
    let (packed, mut plain) = (fs_err::read(&path).unwrap(), Vec::new());
    let mut unpacked = flate2::read::GzDecoder::new(packed.as_slice());
    std::io::Read::read_to_end(&mut unpacked, &mut plain).unwrap();
    for (from, to) in changes {
        assert_eq!(from.len(), to.len());
        let places: Vec<_> = memchr::memmem::find_iter(&plain, from).collect();
        assert!(!places.is_empty(), "{from}");
        for at in places {
            plain[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    fs_err::write(&path, plain).unwrap();
    path
}

#[test]
fn inspect_compiles_each_kernel_of_a_library_and_of_a_package() {
    for device in ["android", "iphone", "macabi"] {
        let scene = Scene::with_models(device, &["one"]);
        let library = scene.library(device, "app/one.tar");
        let run = scene.call(&["inspect", library.as_str(), "--kernels"]).ok();
        run.says("2 of 2 kernels, by ").says("matmul_kernel").never_says("compile:");
        scene.build(&["--metal", "source"]).ok();
        scene.call(&["inspect", "dist", "--kernels"]).ok().says("2 of 2 kernels");
        let run = scene.call(&["inspect", "dist", "--kernels", "--format", "json"]).ok();
        let kernels = run.json()["libraries"][0]["kernels"].clone();
        assert!(kernels.as_array().unwrap().iter().all(|kernel| kernel["compiles"] == true));
    }
}

#[test]
fn what_no_phone_could_compile_is_named_with_its_line_and_clangs_word() {
    // Of each: the change, and the line and words of the message.
    let opencl = [
        ("x_ptr[", "y_ptr[", "line 15: use of undeclared identifier 'y_ptr'"),
        ("barrier(CLK", "bariere(CLK", "line 16: "),
        ("  half matmul_rf", "  hale matmul_rf", "line 12: use of undeclared identifier 'hale'"),
        (
            "  __local half red",
            "  __local half_red",
            "line 17: use of undeclared identifier 'red_buf0_ptr'",
        ),
    ];
    let metal = [
        ("x_ptr[(", "y_ptr[(", "line 17: use of undeclared identifier 'y_ptr'"),
        ("threadgroup_barrier(mem", "threadgroup_bareier(mem", "line 18: "),
        ("  thread half m", "  thread hale m", "line 14: unknown type name 'hale'"),
        ("uint2 threadIdx", "uint3 threadIdy", "use of undeclared identifier 'threadIdx'"),
    ];
    for (device, ways) in [("android", opencl), ("iphone", metal)] {
        for (from, to, said) in ways {
            let scene = Scene::with_models(device, &["one"]);
            let library = spoilt(&scene, device, &[(from, to)]);
            let run = scene.call(&["inspect", library.as_str(), "--kernels"]).fails(13);
            let run = run.says("[bad-kernel]").says("1 of its 2 kernels does not compile");
            run.says("`one_layer_matmul_kernel`").says(said).says("1 of 2 kernels");
            // Without the question nothing is wrong with it.
            scene.call(&["inspect", library.as_str()]).ok();
            scene.configure(|config| {
                let name = format!("{device}.tar");
                config["model_lib_path_for_prepare_libs"] = json!({"one_layer": name});
            });
            scene.build(&["--check-kernels", "auto"]).ok();
            let run = scene.build(&["--check-kernels", "always"]).fails(13);
            run.says("[bad-kernel]").says("`one_layer_matmul_kernel`").says(said);
        }
    }
}

#[test]
fn a_kernel_that_the_library_calls_and_does_not_have_is_missed() {
    let scene = Scene::with_models("android", &["one"]);
    let (from, to) = ("// Function: one_layer_matmul", "// Function: one_layer_matmal");
    let library = spoilt(&scene, "android", &[(from, to)]);
    let run = scene.call(&["inspect", library.as_str(), "--kernels"]).fails(13);
    run.says("`one_layer_matmul_kernel`: the library calls it, and has no source of that name");
    let from = "__kernel void one_layer_matmul_kernel(";
    let library = spoilt(&scene, "android", &[(from, &from.replace("matmul", "matmal"))]);
    let run = scene.call(&["inspect", library.as_str(), "--kernels"]).fails(13);
    run.says("`one_layer_matmul_kernel`: its source compiles, and defines no kernel of that name");
}

#[test]
fn a_new_library_with_a_bad_kernel_never_enters_the_store() {
    for device in ["android", "iphone"] {
        let scene = Scene::with_models(device, &["one"]);
        let clang = counting(&scene, "");
        for verb in [&["build", "--no-binding"][..], &["build", "--no-binding", "--libs-only"]] {
            let arguments = [verb, &["--metal", "source", "--check-kernels", "auto"]].concat();
            let run = scene.call(&arguments).env("STAND_IN", "broken-kernel").run().code(13);
            let run = run.says("model one-q0f16: failed to compile `one_layer`");
            run.says("`one_layer_matmul_kernel` line 1")
                .says("use of undeclared identifier 'y_ptr'");
            assert_eq!(scene.entries().len(), 0);
            assert_eq!(scene.leftovers(), [""; 0]);
        }
        let never = checking(&scene, &clang, "never").env("STAND_IN", "broken-kernel");
        never.env("MLC_PACKAGE_METAL", "source").ok();
        assert_eq!((compiled(&scene), scene.entries().len()), (0, 1));
        assert_eq!(remembered(&scene), Value::Null);
    }
}

#[test]
fn what_was_checked_is_remembered_and_always_checks_the_rest() {
    let scene = Scene::with_models("android", &["one"]);
    let clang = counting(&scene, "");
    let run = checking(&scene, &clang, "auto").ok();
    run.says("Kernels checked 2 kernels of 1 library, with ").says("clang version");
    let manifest = scene.read("app/dist/mlc-package-manifest.json");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let noted = &manifest["libraries"][0]["kernels_checked"];
    assert_eq!((noted, &noted["count"]), (&remembered(&scene), &json!(2)));
    let report = scene.call(&["report", "--manifest", "dist/mlc-package-manifest.json"]).ok();
    report.says("2 kernels checked by clang");
    // Two to see whether it can, a good one and a bad one, and each kernel.
    assert_eq!(compiled(&scene), 4);
    assert_eq!(remembered(&scene)["count"], 2);
    assert!(remembered(&scene)["clang"].as_str().unwrap().contains("clang version"));
    let run = checking(&scene, &clang, "auto").ok().says("1 cached");
    run.says("Kernels 1 library was checked in an earlier run");
    checking(&scene, &clang, "always").ok().says("1 cached");
    assert_eq!(compiled(&scene), 2, "always asks whether there is a clang that can");

    let scene = Scene::with_models("android", &["one"]);
    let clang = counting(&scene, "");
    checking(&scene, &clang, "never").ok().never_says("Kernels");
    checking(&scene, &clang, "auto").ok().says("not checked: nothing was compiled in this run");
    assert!(!scene.read("app/dist/mlc-package-manifest.json").contains("kernels_checked"));
    assert_eq!((compiled(&scene), remembered(&scene)), (0, Value::Null));
    checking(&scene, &clang, "always").ok().says("Kernels checked 2 kernels of 1 library");
    assert!(scene.read("app/dist/mlc-package-manifest.json").contains("kernels_checked"));
    assert_eq!((compiled(&scene), &remembered(&scene)["count"]), (4, &json!(2)));
    checking(&scene, &clang, "always").ok();
    assert_eq!(compiled(&scene), 2);
}

#[test]
fn without_a_clang_that_can_auto_goes_on_and_always_refuses_before_anything_is_compiled() {
    let scene = Scene::with_models("android", &["one"]);
    let cannot =
        scene.write("bin/cannot", "#!/bin/sh\necho 'clang: error: no OpenCL here'; exit 1\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&cannot, mode).unwrap();
    let run = checking(&scene, &cannot, "always").fails(14);
    run.says("does not compile OpenCL C: clang: error: no OpenCL here").says("MLC_PACKAGE_CLANG");
    assert_eq!(scene.compiled().len(), 0);
    let absent = "/nowhere/clang".into();
    checking(&scene, &absent, "always").fails(14).says("`/nowhere/clang`, which is not there");
    let run = checking(&scene, &absent, "auto").ok();
    run.says("Kernels not checked: MLC_PACKAGE_CLANG names `/nowhere/clang`, which is not there");
    assert_eq!(remembered(&scene), Value::Null);
    fs_err::remove_dir_all(scene.cache()).unwrap();
    let said = "not checked: MLC_PACKAGE_CLANG names `/nowhere/clang`, which is not there";
    let loud = scene.build(&["-v", "--check-kernels", "auto"]);
    loud.env("MLC_PACKAGE_CLANG", absent.as_str()).ok().says(said);
    let library = scene.library("android", "app/one.tar");
    let inspect = scene.call(&["inspect", library.as_str(), "--kernels"]);
    inspect
        .env("MLC_PACKAGE_CLANG", absent.as_str())
        .fails(14)
        .says("the kernels cannot be checked");
}

#[test]
fn ctrl_c_ends_clang_and_nothing_is_kept() {
    let scene = Scene::with_models("android", &["one"]);
    // The third time it compiles, it does not end.
    let log = scene.root.join("clang-calls");
    let hang =
        format!("if [ \"$(wc -l < {log} 2> /dev/null || echo 0)\" -gt 2 ]; then sleep 600; fi");
    let clang = counting(&scene, &hang);
    let run = checking(&scene, &clang, "auto").spawn();
    let calls = || fs_err::read_to_string(&log).unwrap_or_default().lines().count();
    wait_for("clang", || (calls() > 2).then_some(()));
    run.signal(Signal::INT);
    let run = run.wait().code(130);
    assert_eq!(run.stderr, "   Compiling 1 library\nerror: interrupted\n");
    assert_eq!((scene.entries().len(), scene.leftovers().len()), (0, 0), "{:?}", scene.leftovers());
}

#[test]
fn a_program_that_finds_no_mistake_is_no_clang() {
    let scene = Scene::with_models("android", &["one"]);
    let content = "/bin/true".into();
    let said = "it finds no mistake in a kernel that has one";
    checking(&scene, &content, "always").fails(14).says("`/bin/true`").says(said);
    // The good sample compiles, and of the bad one it says nothing.
    let log = scene.root.join("clang-calls");
    let silent =
        format!("if [ \"$(wc -l < {log} 2> /dev/null || echo 0)\" -gt 1 ]; then exit 1; fi");
    let clang = counting(&scene, &silent);
    let said = "it does not say in which line a mistake is";
    checking(&scene, &clang, "always").fails(14).says(said);
    assert_eq!(scene.compiled().len(), 0);
}

#[test]
fn a_clang_that_crashes_at_a_kernel_is_at_fault_and_not_the_kernel() {
    let scene = Scene::with_models("android", &["one"]);
    let library = scene.library("android", "app/one.tar");
    let log = scene.root.join("clang-calls");
    let crash = format!("if [ \"$(wc -l < {log})\" -gt 2 ]; then kill -SEGV $$; fi");
    let clang = counting(&scene, &crash);
    let inspect = scene.call(&["inspect", library.as_str(), "--kernels"]);
    let run = inspect.env("MLC_PACKAGE_CLANG", clang.as_str()).fails(14);
    run.says("was ended by SIGSEGV").says("at the kernel `one_layer_").never_says("bad-kernel");
    compiled(&scene);
    // A build that does not have to check goes on, and says so.
    checking(&scene, &clang, "auto").ok().says("the kernels are not checked: ");
    assert_eq!(remembered(&scene), Value::Null);
}

#[test]
fn a_signal_ends_the_clangs_of_inspect_too() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::with_models("android", &["one"]);
        let library = scene.library("android", "app/one.tar");
        let (log, pids) = (scene.root.join("clang-calls"), scene.root.join("pids"));
        let hang = format!(
            "if [ \"$(wc -l < {log} 2> /dev/null || echo 0)\" -gt 2 ]; then \
             echo $$ >> {pids}; exec sleep 600; fi"
        );
        let clang = counting(&scene, &hang);
        let inspect = scene.call(&["inspect", library.as_str(), "--kernels"]);
        let run = inspect.env("MLC_PACKAGE_CLANG", clang.as_str()).spawn();
        let waiting = || fs_err::read_to_string(&pids).ok().filter(|text| text.ends_with('\n'));
        let hanging = wait_for("clang", waiting);
        run.signal(signal);
        run.wait().code(130);
        for pid in hanging.lines() {
            assert!(!is_alive(pid.parse().unwrap()), "{pid}");
        }
        assert_eq!(scene.leftovers(), [""; 0]);
    }
}

#[test]
fn a_project_and_the_environment_say_what_is_checked() {
    let scene = Scene::with_models("android", &["one"]);
    let clang = counting(&scene, "");
    let project = "packages:\n  - name: android\n    config: mlc-package-config.json\n";
    scene.write("app/mlc-package.yml", format!("{project}    check-kernels: always\n"));
    let build = || scene.build(&[]).env("MLC_PACKAGE_CLANG", clang.as_str());
    build().without("MLC_PACKAGE_CHECK_KERNELS").ok();
    assert_eq!(compiled(&scene), 4);
    fs_err::remove_dir_all(scene.cache()).unwrap();
    build().ok();
    assert_eq!(compiled(&scene), 0, "the environment says never");
    scene.write("app/mlc-package.yml", format!("{project}    check-kernels: sometimes\n"));
    build().fails(10).says("write `auto`, `never` or `always`");
}
