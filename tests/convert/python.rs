//! The program beside a slow implementation in numpy, and its result in TVM: `make test` runs
//! these with `MLC_PACKAGE_TEST_PYTHON`, a Python that has what `examples/tiny/requirements.txt`
//! names.

use std::process::Command;

fn script(name: &str) {
    let python = std::env::var("MLC_PACKAGE_TEST_PYTHON").expect("needs target/venv: make test");
    let scratch = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "Python is what it is compared with")]
    let output = Command::new(python)
        .arg(format!("{}/tests/convert/{name}", env!("CARGO_MANIFEST_DIR")))
        .arg(env!("CARGO_BIN_EXE_mlc-package"))
        .arg(scratch.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

#[test]
#[ignore = "needs numpy and ml_dtypes"]
fn every_scheme_and_architecture_is_bit_for_bit_the_references() {
    script("compare.py");
}

#[test]
#[ignore = "needs TVM and cc"]
fn a_converted_model_takes_steps_in_tvm_as_its_checkpoint_does_in_numpy() {
    script("forward.py");
}

#[test]
#[ignore = "needs TVM"]
fn fp8_is_what_tvm_casts_to() {
    script("fp8.py");
}

#[test]
#[ignore = "needs TVM"]
fn tvm_loads_the_result_and_the_values_are_within_the_bound() {
    script("load.py");
}
