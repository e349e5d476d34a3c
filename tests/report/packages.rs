//! Manifests to report on, in the shape and the sizes of real ones.

use serde_json::{Value, json};

const DIGEST: &str = "blake3:0000000000000000000000000000000000000000000000000000000000000000";

const NAMES: [&str; 6] = [
    "Qwen3-1.7B-q4f16_1",
    "Llama-3.2-3B-Instruct-q4f16_0",
    "gemma-2-2b-it-q4f16_1",
    "Phi-3.5-mini-instruct-q4f16_0",
    "Mistral-7B-Instruct-v0.3-q4f16_1",
    "Qwen3-0.6B-q0f16",
];

/// A package of so many models, none bundled. Sizes differ from model to model, not from run to
/// run.
pub(crate) fn package(device: &str, models: usize) -> Value {
    let records: Vec<_> = (0..models).map(model).collect();
    let libraries: Vec<_> = records.iter().enumerate().map(|(n, it)| library(n, it)).collect();
    let version = |version: &str| json!({ "version": version });
    json!({
        "schema": 1,
        "tool": "0.1.0",
        "device": device,
        "config": {"name": "mlc-package-config.json", "digest": DIGEST},
        "compiler": {
            "mlc_llm": version("0.20.0"), "tvm": version("0.26.0"), "tvm_ffi": version("0.1.13")
        },
        "models": records,
        "libraries": libraries,
        "stages": [],
        "outputs": []
    })
}

pub(crate) fn model(n: usize) -> Value {
    let name = match n / NAMES.len() {
        0 => NAMES[n].to_owned(),
        round => format!("{}-v{round}", NAMES[n % NAMES.len()]),
    };
    let weights = (700 + 137 * (n as u64 % 13)) << 20;
    let tensor = |layer: u64| {
        let name = format!("model.layers.{layer}.mlp.gate_up_proj.q_weight");
        json!({"name": name, "bytes": weights / 60 - layer * 1000})
    };
    json!({
        "model_id": name,
        "model_lib": format!("lib_{n}"),
        "model": format!("HF://mlc-ai/{name}-MLC"),
        "commit": format!("{n:040x}"),
        "model_type": "llama",
        "quantization": "q4f16_1",
        "overrides": {"context_window_size": 4096, "prefill_chunk_size": 128},
        "chat_config": DIGEST,
        "bundled": false,
        "sizes": {"weights": weights, "tokenizer": 9_500_000, "other": 60_000},
        "estimated_vram_bytes": weights + weights / 2,
        "memory": {
            "parameters": weights, "temporary": 200 << 20, "kv_cache_per_token": 114_688,
            "context": 4096, "total": weights + (200 << 20) + 114_688 * 4096
        },
        "largest_tensors": (0..10).map(tensor).collect::<Vec<_>>()
    })
}

pub(crate) fn library(n: usize, model: &Value) -> Value {
    let kernels = (2 << 20) + (n as u64 % 7) * 300_000;
    let kernel = |k: u64| {
        let name = format!("fused_fused_dequantize{k}_NT_matmul{k}_kernel");
        json!({"name": name, "bytes": kernels / 20 - k * 500})
    };
    json!({
        "model_lib": model["model_lib"],
        "models": [model["model_id"]],
        "origin": "compiled",
        "digest": DIGEST,
        "sizes": {
            "file": kernels + 900_000, "host_code": 500_000, "kernels": kernels,
            "blob": kernels + 150_000, "archive": kernels + 900_000
        },
        "largest_kernels": (0..10).map(kernel).collect::<Vec<_>>()
    })
}

/// What a pull request does to a package: a model grows with its kernels, one shrinks, one is
/// dropped, one comes, and the compiler changes.
pub(crate) fn changed(package: &Value) -> Value {
    let mut now = package.clone();
    add(&mut now["models"][0]["sizes"]["weights"], 412 << 20);
    add(&mut now["models"][0]["memory"]["total"], 412 << 20);
    now["models"][0]["commit"] = "f".repeat(40).into();
    now["models"][0]["overrides"]["context_window_size"] = 8192.into();
    for part in ["archive", "kernels"] {
        add(&mut now["libraries"][0]["sizes"][part], (1 << 20) + 100_000);
    }
    add(&mut now["models"][2]["sizes"]["weights"], -(150 << 20));
    now["compiler"]["tvm"]["version"] = "0.27.0".into();
    let fresh = model(53);
    let fresh_library = library(53, &fresh);
    for (list, new) in [("models", fresh), ("libraries", fresh_library)] {
        if let Some(list) = now[list].as_array_mut() {
            list.remove(4);
            list.push(new);
        }
    }
    now["duplicates"] = json!([{
        "kind": "kernel", "name": "softmax_kernel", "bytes": 12_000, "owners": ["lib_0", "lib_1"]
    }]);
    now
}

/// Changes a number.
pub(crate) fn add(number: &mut Value, bytes: i64) {
    *number = (number.as_i64().unwrap_or_default() + bytes).into();
}
