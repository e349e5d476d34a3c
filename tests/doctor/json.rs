//! What programs read.

use serde_json::{Value, json};

use crate::machine::Machine;

fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["check"] == check).unwrap()
}

#[test]
fn programs_get_the_same_as_people() {
    let machine = Machine::good();
    machine.tool("cmake", "echo cmake version 3.10.2");
    let report = machine.doctor(&["--device", "android", "--format", "json"]).run().code(14).json();
    let keys: Vec<_> = report.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schema", "device", "ok", "findings", "devices"]);
    assert_eq!((&report["schema"], &report["device"]), (&json!(1), &json!("android")));
    let expected = json!({
        "check": "cmake",
        "status": "problem",
        "message": format!("{}/bin/cmake is cmake version 3.10.2, older than 3.24", machine.scene.root),
        "help": "python -m pip install 'cmake>=3.24,<4' (and its directory first on PATH)",
        "devices": ["android", "iphone", "macabi"],
        "phases": ["binding"],
    });
    assert_eq!(*finding(&report, "cmake"), expected);
    assert_eq!(finding(&report, "ndk")["help"], Value::Null);
    assert_eq!(
        report["devices"],
        json!([{"device": "android", "ok": false, "compile": true, "problems": ["cmake"]}])
    );
}

#[test]
fn without_a_device_all_are_judged_and_one_is_enough() {
    let report = Machine::good().doctor(&["--format", "json"]).ok().json();
    assert_eq!((&report["device"], &report["ok"]), (&Value::Null, &json!(true)));
    let devices = report["devices"].as_array().unwrap();
    let names: Vec<_> = devices.iter().map(|verdict| &verdict["device"]).collect();
    assert_eq!(names, ["android", "iphone", "macabi"]);
    assert_eq!(devices[0]["ok"], true);
}
