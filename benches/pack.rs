//! A `dist/` of 2 GiB into release archives and back, against the tools that people would use:
//! `tar | zstd -1 -T2 | tee >(sha256sum)` and `zstd -d | tar -x` beside `sha256sum`, in turns, and
//! the ratios of the medians. The goals: 0.8 of the former's throughput, a peak below 64 MiB.
//!
//! Needs `tar`, `zstd`, `sha256sum` and `openssl`. The files go to `MLC_PACKAGE_BENCH_DIR`, or
//! `target/bench-pack`; they take some 8 GB. Ends with exit code 1 if a goal is missed.

#![expect(clippy::disallowed_methods, reason = "the rivals are programs")]
#![expect(clippy::print_stdout, reason = "the numbers are the result")]

use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::github::api::ApiOptions;
use mlc_package::io::cancel::Cancel;
use mlc_package::publish::pack::{self, PackOptions};
use mlc_package::publish::unpack::{Source, UnpackRequest, unpack};
use serde_json::json;

const SHARDS: usize = 64;
const SHARD: usize = 32 << 20;
const MIB: f64 = (1 << 20) as f64;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["pack", dir] => turn(|| pack_turn(Utf8Path::new(dir))),
        ["unpack", dir] => turn(|| unpack_turn(Utf8Path::new(dir))),
        _ => compare(),
    }
}

/// One turn of ours, in a process of its own: says the seconds, and its peak in KiB.
fn turn(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    work()?;
    println!("{}", begun.elapsed().as_secs_f64());
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("0", |peak| peak.trim_end_matches("kB").trim()));
    Ok(ExitCode::SUCCESS)
}

fn pack_turn(dir: &Utf8Path) -> anyhow::Result<()> {
    let plan = pack::plan(&dir.join("dist"), &PackOptions::new("bench".parse()?))?;
    pack::write(&plan, &dir.join("packed"), &Cancel::default(), &|_| {})?;
    Ok(())
}

fn unpack_turn(dir: &Utf8Path) -> anyhow::Result<()> {
    let request = UnpackRequest {
        source: Source::find(dir.join("packed").as_str())?,
        output: dir.join("out"),
        github: ApiOptions::without_repository(&|_| None)?,
    };
    unpack(&request, &Cancel::default(), &|_| {})?;
    Ok(())
}

/// What others do. The digest is made beside, as `tee >(sha256sum)` would, and waited for; `$DIGEST`
/// is one of [`DIGESTS`].
const TAR_ZSTD: &str = "set -e; rm -f pipe; mkfifo pipe; $DIGEST < pipe > theirs.sha256 &
    tar -C dist -cf - . | zstd -q -1 -T2 | tee pipe > theirs.tar.zst; wait";
const ZSTD_TAR: &str = "set -e; rm -f pipe; mkfifo pipe; mkdir out; $DIGEST < pipe > read.sha256 &
    tee pipe < theirs.tar.zst | zstd -q -d | tar -C out -xf -; wait
    cmp theirs.sha256 read.sha256";

/// Not every `sha256sum` uses the processor's own instructions, and one that does not is what its
/// whole pipe waits for; `openssl` does.
const DIGESTS: [&str; 2] = ["sha256sum", "openssl dgst -sha256 -r"];

fn compare() -> anyhow::Result<ExitCode> {
    let own = || Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-pack");
    let dir = std::env::var("MLC_PACKAGE_BENCH_DIR").map_or_else(|_| own(), Utf8PathBuf::from);
    let rounds = std::env::var("MLC_PACKAGE_BENCH_ROUNDS").map_or(Ok(3), |text| text.parse())?;
    for tool in ["tar", "zstd", "sha256sum", "openssl"] {
        ensure!(which::which(tool).is_ok(), "this benchmark needs `{tool}`");
    }
    if dir.exists() {
        fs_err::remove_dir_all(&dir)?;
    }
    let bytes = lay_out(&dir.join("dist"))?;
    let (mut packing, mut unpacking) = ([(); 3].map(|()| Vec::new()), [(); 3].map(|()| Vec::new()));
    let (mut packing_peak, mut unpacking_peak) = (0.0_f64, 0.0_f64);
    for _ in 0..rounds {
        let (seconds, peak) = ours(&dir, "pack", &["packed"])?;
        packing[0].push(seconds);
        packing_peak = packing_peak.max(peak);
        let (seconds, peak) = ours(&dir, "unpack", &["out"])?;
        unpacking[0].push(seconds);
        unpacking_peak = unpacking_peak.max(peak);
        for (turn, digest) in DIGESTS.into_iter().enumerate() {
            packing[turn + 1].push(theirs(&dir, TAR_ZSTD, digest, &["theirs.tar.zst"])?);
            unpacking[turn + 1].push(theirs(&dir, ZSTD_TAR, digest, &["out"])?);
        }
        let last =
            [&packing, &unpacking].map(|runs| runs.each_ref().map(|run| run.last().copied()));
        println!("{last:.2?} s");
    }
    let size = |path: &str| fs_err::metadata(dir.join(path)).map(|file| file.len() as f64);
    let archive = size("packed/bench-android-model.tar.zst")?;
    let their_archive = size("theirs.tar.zst")?;
    fs_err::remove_dir_all(&dir)?;
    let speed = |seconds: f64| bytes as f64 / 1e6 / seconds;
    println!("\nmedians of {rounds}, {:.0} MiB in {SHARDS} shards:", bytes as f64 / MIB);
    let mut ratios = Vec::new();
    for (work, runs, peak) in
        [("pack", packing, packing_peak), ("unpack", unpacking, unpacking_peak)]
    {
        let [own, others @ ..] = runs.map(median);
        println!("{work:<8}{own:>6.2} s  {:>5.0} MB/s  peak {peak:.1} MiB", speed(own));
        for (digest, other) in DIGESTS.into_iter().zip(others) {
            let ratio = other / own;
            println!(
                "  theirs{other:>6.2} s  {:>5.0} MB/s  ours {ratio:.2} of it, {digest}",
                speed(other)
            );
            ratios.push((work, ratio));
        }
    }
    println!(
        "  {:.3} of the bytes; theirs {:.3}",
        archive / bytes as f64,
        their_archive / bytes as f64
    );
    println!("  the goal for packing is 0.8");
    let peak = packing_peak.max(unpacking_peak);
    println!("  {peak:.1} MiB at most                   (goal 64)");
    let slow = ratios.iter().any(|(work, ratio)| *work == "pack" && *ratio < 0.8);
    let met = !slow && peak < 64.0;
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ours(dir: &Utf8Path, verb: &str, makes: &[&str]) -> anyhow::Result<(f64, f64)> {
    clear(dir, makes)?;
    let said = run(Command::new(std::env::current_exe()?).args([verb, dir.as_str()]))?;
    let (seconds, kib) = said.split_once('\n').context("two lines")?;
    Ok((seconds.parse()?, kib.trim().parse::<f64>()? / 1024.0))
}

fn theirs(dir: &Utf8Path, script: &str, digest: &str, makes: &[&str]) -> anyhow::Result<f64> {
    clear(dir, makes)?;
    let begun = Instant::now();
    run(Command::new("sh").args(["-c", script]).env("DIGEST", digest).current_dir(dir))?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Nothing is there, and nothing of the turn before waits to be written.
fn clear(dir: &Utf8Path, makes: &[&str]) -> anyhow::Result<()> {
    for name in makes {
        let path = dir.join(name);
        if path.is_dir() {
            fs_err::remove_dir_all(path)?;
        } else if path.exists() {
            fs_err::remove_file(path)?;
        }
    }
    run(&mut Command::new("sync"))?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A package of one model in 64 shards, and its manifest; gives the size of all its files.
fn lay_out(dist: &Utf8Path) -> anyhow::Result<u64> {
    let weights = weights();
    let model = dist.join("bundle/model");
    fs_err::create_dir_all(&model)?;
    fs_err::create_dir_all(dist.join("lib"))?;
    let mut outputs = Vec::new();
    let mut add = |path: &str, pieces: &[&[u8]]| -> anyhow::Result<u64> {
        let mut file = fs_err::File::create(dist.join(path))?;
        let mut hasher = blake3::Hasher::new();
        for piece in pieces {
            file.write_all(piece)?;
            hasher.update(piece);
        }
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let digest = format!("blake3:{}", hasher.finalize());
        outputs.push(json!({"path": path, "bytes": bytes, "digest": digest}));
        Ok(bytes as u64)
    };
    let mut bytes = add("lib/libmodel_android.a", &[weights.get(..4 << 20).context("4 MiB")?])?;
    for shard in 0..SHARDS {
        // Each begins elsewhere in the same weights: further away than a compressor looks.
        let (end, start) = weights.split_at(shard * (SHARD / SHARDS) / 4096 * 4096);
        bytes += add(&format!("bundle/model/params_shard_{shard}.bin"), &[start, end])?;
    }
    let none = format!("blake3:{}", "0".repeat(64));
    let manifest = json!({
        "schema": 1, "tool": "bench", "device": "android",
        "config": {"name": "mlc-package-config.json", "digest": none}, "compiler": null,
        "models": [{
            "model_id": "model", "model_lib": "llama_q4f16_1", "model": "model",
            "model_type": "llama", "quantization": "q4f16_1", "overrides": {},
            "chat_config": none, "bundled": true,
            "sizes": {"weights": bytes, "tokenizer": 0, "other": 0},
            "estimated_vram_bytes": 1, "memory": null,
        }],
        "libraries": [], "stages": [], "outputs": outputs,
    });
    fs_err::write(dist.join("mlc-package-manifest.json"), manifest.to_string())?;
    Ok(bytes)
}

/// A shard as q4f16_1 has it: normally distributed weights in groups of 32, each scaled by its
/// largest to 0 … 14 and packed in four bits; and after every 4 MiB the groups' scales, in
/// half precision.
fn weights() -> Vec<u8> {
    const GROUPS: usize = (4 << 20) / 16;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut normal = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The sum of four uniform numbers is near enough.
        (0..4).map(|part| ((state >> (16 * part)) & 0xFFFF) as f32 / 32768.0 - 1.0).sum::<f32>()
    };
    let mut bytes = Vec::with_capacity(SHARD + (5 << 20));
    while bytes.len() < SHARD {
        let mut scales = Vec::with_capacity(GROUPS * 2);
        for _ in 0..GROUPS {
            let group: [f32; 32] = std::array::from_fn(|_| normal());
            let scale = group.iter().fold(1e-3_f32, |most, weight| most.max(weight.abs())) / 7.0;
            let quantized = group.map(|weight| (weight / scale + 7.0).round() as u8);
            let (pairs, _) = quantized.as_chunks::<2>();
            bytes.extend(pairs.iter().map(|[low, high]| high << 4 | low));
            scales.extend(half(scale * 0.02));
        }
        bytes.append(&mut scales);
    }
    bytes.truncate(SHARD);
    bytes
}

/// A small positive number in half precision, cut off.
fn half(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let exponent = (bits >> 23).saturating_sub(127 - 15).min(30);
    ((exponent << 10 | (bits >> 13) & 0x3FF) as u16).to_le_bytes()
}
