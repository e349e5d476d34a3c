//! `examples/tiny` built by real TVM, end to end: `make test` runs these with
//! `MLC_PACKAGE_TEST_PYTHON`, a Python that has what `examples/tiny/requirements.txt` names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a package needs and does not get fails the test"
)]

#[path = "answer/real_tvm.rs"]
mod answer;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny");
const MODELS: [&str; 2] = ["tiny-llama-q4f16_1", "tiny-gpt_neox-q0f16"];
const SKIPPED: &str = "needs target/venv: make test";

fn python() -> String {
    std::env::var("MLC_PACKAGE_TEST_PYTHON").expect(SKIPPED)
}

/// A package of `examples/tiny`, with an empty cache.
struct Package {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    config: Value,
}

impl Package {
    fn new(device: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let example = if device == "android" { "android" } else { "iphone" };
        let text = fs_err::read(format!("{TINY}/{example}/mlc-package-config.json")).unwrap();
        let mut package = Self { _dir: dir, root, config: serde_json::from_slice(&text).unwrap() };
        for model in MODELS {
            let to = package.root.join("models").join(model);
            fs_err::create_dir_all(&to).unwrap();
            for entry in fs_err::read_dir(format!("{TINY}/models/{model}")).unwrap() {
                let entry = entry.unwrap();
                fs_err::copy(entry.path(), to.as_std_path().join(entry.file_name())).unwrap();
            }
        }
        package.configure(|config| config["device"] = device.into());
        package
    }

    fn configure(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        fs_err::create_dir_all(self.root.join("app")).unwrap();
        let text = self.config.to_string();
        fs_err::write(self.root.join("app/mlc-package-config.json"), text).unwrap();
    }

    /// Runs the program with nothing of this process's environment but `PATH`; gives the JSON
    /// that it prints.
    fn run(&self, arguments: &[&str]) -> Value {
        let run = self.command(arguments).args(["--format", "json"]).assert().success();
        serde_json::from_slice(&run.get_output().stdout).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("mlc-package");
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", &self.root)
            .env("PYTHONPATH", format!("{TINY}/compiler"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("MLC_PACKAGE_PYTHON", python())
            .current_dir(self.root.join("app"));
        command
    }

    fn build(&self) -> Value {
        self.run(&["build", "--no-binding"])
    }
}

/// Changes the tensors that the tensor cache of the first model lists.
fn edit_tensors(package: &Package, change: impl FnOnce(&mut Vec<Value>)) {
    let path = package.root.join("models").join(MODELS[0]).join("tensor-cache.json");
    let original = fs_err::read(format!("{TINY}/models/{}/tensor-cache.json", MODELS[0])).unwrap();
    let mut cache: Value = serde_json::from_slice(&original).unwrap();
    change(cache["records"][0]["records"].as_array_mut().unwrap());
    fs_err::write(path, cache.to_string()).unwrap();
}

#[test]
#[ignore = "needs target/venv: make test"]
fn weights_that_are_not_the_librarys_are_named() {
    type Change = fn(&mut Vec<Value>);
    let ways: [(Change, &str); 8] = [
        (
            |tensors| tensors.retain(|tensor| !name(tensor).starts_with("model.layers.1.")),
            "the library has 2 layers, the weights 1|`model.layers.1.self_attn.qkv_proj.q_weight`: library \
             uint32 [128, 8], missing from the weights",
        ),
        (
            |tensors| find(tensors, "model.norm.weight")["name"] = "model.ln.weight".into(),
            "a tensor has another name|`model.norm.weight`: library float16 [64]",
        ),
        (
            |tensors| tensors.retain(|tensor| name(tensor) != "model.embed_tokens.q_scale"),
            "`model.embed_tokens.q_scale`: library float16 [384, 2], missing from the weights",
        ),
        (
            |tensors| find(tensors, "model.norm.weight")["shape"] = json!([8, 8]),
            "`model.norm.weight`: library float16 [64], weights float16 [8, 8]",
        ),
        (
            |tensors| find(tensors, "lm_head.q_weight")["dtype"] = "int32".into(),
            "`lm_head.q_weight`: library uint32 [384, 8], weights int32 [384, 8]",
        ),
        (
            |tensors| {
                let mut more = tensors[0].clone();
                more["name"] = "model.bias".into();
                more["nbytes"] = 0.into();
                tensors.push(more);
            },
            "`model.bias`: weights uint32 [384, 8], unknown to the library",
        ),
        (
            |tensors| find(tensors, "lm_head.q_weight")["shape"] = json!([400, 8]),
            "`vocab_size`|384|400|`lm_head.q_weight`",
        ),
        (
            |tensors| {
                let turned = find(tensors, "model.layers.0.mlp.down_proj.q_weight");
                turned["shape"] = json!([20, 64]);
            },
            "the layout is transposed, as that of q4f16_0 is against q4f16_1|\
             `model.layers.0.mlp.down_proj.q_weight`",
        ),
    ];
    let mut package = Package::new("android");
    package.configure(|config| drop(config["model_list"].as_array_mut().unwrap().pop()));
    for (change, says) in ways {
        edit_tensors(&package, change);
        let run = package.command(&["build", "--no-binding"]).assert().code(13);
        let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        let says_all = says.split('|').all(|part| told.contains(part));
        assert!(told.contains("[wrong-weights]") && says_all, "{says}: {told}");
    }
    edit_tensors(&package, |_| {});
    package.build();
}

fn name(tensor: &Value) -> &str {
    tensor["name"].as_str().unwrap()
}

fn find<'a>(tensors: &'a mut [Value], wanted: &str) -> &'a mut Value {
    tensors.iter_mut().find(|tensor| tensor["name"] == wanted).unwrap()
}

/// One field of each library of a manifest or a plan.
fn each(value: &Value, field: &str) -> Vec<Value> {
    value["libraries"].as_array().unwrap().iter().map(|library| library[field].clone()).collect()
}

/// Builds a package cold and warm, and looks into what came out.
fn build_and_inspect(device: &str) -> (Package, Value) {
    let package = Package::new(device);
    let cold = package.build();
    assert_eq!(each(&cold, "origin"), ["compiled", "compiled"]);
    assert_eq!(cold["compiler"]["tvm"]["distribution"], "apache-tvm");
    let warm = package.build();
    assert_eq!(each(&warm, "origin"), ["cached", "cached"]);
    assert_eq!(warm["outputs"], cold["outputs"]);

    let inspection = package.run(&["inspect", "dist"]);
    assert_eq!(inspection["device"], device);
    for (index, (model_type, quantization)) in
        [("llama", "q4f16_1"), ("gpt_neox", "q0f16")].into_iter().enumerate()
    {
        let name = each(&cold, "model_lib")[index].clone();
        let library = library(&inspection, &name);
        assert_eq!(library["prefix"], format!("{}_", name.as_str().unwrap()));
        assert_eq!(library["metadata"]["model_type"], model_type);
        assert_eq!(library["metadata"]["quantization"], quantization);
        let functions = library["functions"].as_array().unwrap();
        let has = |name: &str| functions.iter().any(|function| function["name"] == name);
        assert!(["embed", "prefill", "decode", "batch_decode"].into_iter().all(has));
        let kernels = library["kernels"].as_array().unwrap();
        assert!(kernels.len() > 50, "{} kernels", kernels.len());
        assert!(kernels.iter().all(|kernel| kernel["bytes"].as_u64().unwrap() > 0));
        assert!(library["memory"]["total"].as_u64().unwrap() > 100_000, "{}", library["memory"]);
    }
    for model in MODELS {
        assert!(package.root.join("app/dist/bundle").join(model).is_dir());
    }
    (package, inspection)
}

/// Each library of the store, and what is remembered of its kernels.
fn stored(package: &Package) -> Vec<(Utf8PathBuf, Value)> {
    let libs = package.root.join(".cache/mlc-package/libs");
    let mut found = Vec::new();
    for entry in libs.read_dir_utf8().unwrap() {
        let entry = entry.unwrap().into_path();
        if let Ok(record) = fs_err::read(entry.join("record.json")) {
            let record: Value = serde_json::from_slice(&record).unwrap();
            found.push((entry.join("lib.tar"), record["kernels"].clone()));
        }
    }
    found
}

/// Every kernel that was generated compiled before the library was kept, and one with a fault is found.
fn kernels_compile(package: &Package, inspection: &Value, change: (&str, &str), says: &str) {
    // On a Mac clang may not know OpenCL, and Metal kernels are compiled already.
    if !cfg!(target_os = "linux") {
        return;
    }
    let libraries = stored(package);
    let counted = libraries.iter().map(|(_, kernels)| kernels["count"].as_u64().unwrap());
    let inspected = inspection["libraries"].as_array().unwrap().iter();
    let inspected = inspected.map(|library| library["kernels"].as_array().unwrap().len() as u64);
    assert_eq!(counted.sum::<u64>(), inspected.sum::<u64>());
    let (library, kernels) = &libraries[0];
    let mut bytes = fs_err::read(library).unwrap();
    let (from, to) = change;
    // Of as many bytes: the object stays whole.
    assert_eq!(from.len(), to.len());
    let source = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let start = source(b"// Function: ").or_else(|| source(b"#include <metal_stdlib>")).unwrap();
    let length = from.len();
    let found = bytes[start..].windows(length).position(|window| window == from.as_bytes());
    let at = start + found.unwrap();
    bytes[at..at + length].copy_from_slice(to.as_bytes());
    let path = package.root.join("app/broken.tar");
    fs_err::write(&path, bytes).unwrap();
    let run = package.command(&["inspect", path.as_str(), "--kernels"]).assert().code(13);
    let told = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    let of = format!("1 of its {} kernels does not compile: `", kernels["count"]);
    assert!(told.contains("[bad-kernel]") && told.contains(&of) && told.contains(says), "{told}");
}

fn library<'a>(inspection: &'a Value, model_lib: &Value) -> &'a Value {
    let mut libraries = inspection["libraries"].as_array().unwrap().iter();
    libraries.find(|library| library["model_lib"] == *model_lib).unwrap()
}

/// What the library of an architecture says of its context.
fn context(inspection: &Value, model_type: &str) -> Value {
    let mut libraries = inspection["libraries"].as_array().unwrap().iter();
    let found = libraries.find(|library| library["metadata"]["model_type"] == model_type);
    found.unwrap()["metadata"]["context_window_size"].clone()
}

/// What the package's libraries say of their contexts.
fn contexts(inspection: &Value) -> [Value; 2] {
    ["llama", "gpt_neox"].map(|model_type| context(inspection, model_type))
}

#[test]
#[ignore = "needs target/venv: make test"]
fn android_and_a_changed_override() {
    let (mut package, inspection) = build_and_inspect("android");
    assert_eq!(inspection["objects"][0]["format"], "elf");
    assert_eq!(contexts(&inspection), [json!(256), json!(256)]);
    let change = ("get_local_id(0)", "get_locol_id(0)");
    kernels_compile(&package, &inspection, change, "'get_locol_id'");
    package.configure(|config| {
        config["model_list"][1]["overrides"] = json!({"context_window_size": 128});
    });
    let plan = package.run(&["plan"]);
    assert_eq!(each(&plan, "cache"), ["hit", "miss"]);
    let changes = &plan["libraries"][1]["changes"];
    assert_eq!(changes[0]["what"], "overrides", "{changes}");
    let manifest = package.build();
    assert_eq!(each(&manifest, "origin"), ["cached", "compiled"]);
    let inspection = package.run(&["inspect", "dist"]);
    assert_eq!(contexts(&inspection), [json!(256), json!(128)]);
}

#[test]
#[ignore = "needs target/venv: make test"]
fn iphone() {
    let (package, inspection) = build_and_inspect("iphone");
    assert_eq!(library(&inspection, &json!("tiny_llama"))["metadata"]["model_type"], "llama");
    assert_eq!(inspection["objects"][0]["format"], "macho");
    // Written by us: TVM names none.
    assert_eq!(inspection["objects"][0]["platform"], "ios");
    assert_eq!(context(&inspection, "gpt_neox"), 128);
    assert!(package.root.join("app/dist/lib/libmodel_iphone.a").is_file());
    let change = ("(int)threadIdx", "(int)threadIdy");
    kernels_compile(&package, &inspection, change, "use of undeclared identifier 'threadIdy'");
}

#[test]
#[ignore = "needs target/venv: make test"]
fn mac_catalyst() {
    let (package, inspection) = build_and_inspect("macabi");
    assert_eq!(inspection["objects"][0]["platform"], "mac_catalyst");
    assert!(package.root.join("app/dist/lib/libmodel_iphone.a").is_file());
}

#[test]
#[ignore = "needs target/venv: make test"]
fn one_library_for_this_machine_and_one_for_android() {
    let package = Package::new("android");
    let compile = |device: &str, more: &[&str]| {
        let output = format!("{device}.tar");
        let call = ["compile", "../models/tiny-llama-q4f16_1", "--device", device, "-o", &output];
        package.run(&[&call[..], more].concat())
    };
    for device in ["cpu", "android"] {
        let cold = compile(device, &[]);
        assert_eq!((&cold["cache"], &cold["reason"]), (&json!("miss"), &json!("new")), "{cold}");
        let warm = compile(device, &[]);
        assert_eq!((&warm["cache"], &warm["digest"]), (&json!("hit"), &cold["digest"]));
        let size = fs_err::metadata(package.root.join("app").join(format!("{device}.tar")));
        assert_eq!(warm["bytes"], size.unwrap().len());
    }
    let inspection = package.run(&["inspect", "android.tar"]);
    let found = library(&inspection, &json!("llama_q4f16_1"));
    assert_eq!(found["metadata"]["model_type"], "llama");
    let changed = compile("android", &["--overrides", "context_window_size=128"]);
    assert_eq!(changed["changes"][0]["what"], "overrides", "{changed}");
    let inspection = package.run(&["inspect", "android.tar"]);
    assert_eq!(context(&inspection, "llama"), 128);
}

#[test]
#[ignore = "needs target/venv: make test"]
fn the_committed_models_are_what_the_script_makes() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("{TINY}/generate_models.py");
    let mut generate = assert_cmd::Command::new(python());
    generate.arg(script).arg("--output").arg(dir.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    generate.assert().success();
    for model in MODELS {
        let committed = Utf8PathBuf::from(format!("{TINY}/models/{model}"));
        let mut names = Vec::new();
        for entry in fs_err::read_dir(dir.path().join(model)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let same =
                fs_err::read(entry.path()).unwrap() == fs_err::read(committed.join(&name)).unwrap();
            assert!(same, "{model}/{name}");
            names.push(name);
        }
        assert_eq!(names.len(), fs_err::read_dir(&committed).unwrap().count(), "{model}");
    }
}
