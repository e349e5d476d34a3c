//! bf16 checkpoints shaped like Llama to q4f16_1, beside what the machine can do with as many
//! bytes, in turns: reading the file, one pass over memory, the bare arithmetic (quantization,
//! and MD5 of the result, which is one number after the other) on all processors, and writing the
//! result to the disk, synced. The goal: 0.7 of the slowest of these but the disk, 0.8 for the small
//! one, and a peak below 64 MiB. The small one is converted from `pytorch_model.bin` too, in turns:
//! the goal is 0.95 of the speed of safetensors.
//!
//! The files go to `MLC_PACKAGE_BENCH_DIR`, or `target/bench-convert`: 6 GB at a time.

#![expect(clippy::disallowed_methods, reason = "the program is what is measured")]
#![expect(clippy::print_stdout, reason = "the numbers are the result")]
#![allow(dead_code, unused_imports, reason = "of the arithmetic, one function is needed here")]

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use md5::Digest as _;
use mlc_package::io::positioned::PositionedFile;
use mlc_package::model;
use mlc_package::model::Quantization;

#[path = "../src/convert/weights"]
mod weights {
    use fearless_simd::Level;
    use mlc_package::model::{FloatType, GroupQuantization};

    mod kernel;

    /// Quantizes a piece of bf16 to f16; gives whether it is finite.
    pub(crate) fn quantize(
        group: &GroupQuantization,
        weights: &[u8],
        columns: usize,
        words: &mut [u32],
        scales: &mut [f32],
    ) -> bool {
        let (source, model) = (FloatType::Bf16, FloatType::F16);
        let rows =
            kernel::Groups { weights, source, columns, model, transposed: false, words, scales };
        kernel::quantize(Level::new(), group, rows)
    }
}

#[path = "../tests/convert/torch_archive.rs"]
#[expect(clippy::unwrap_used, reason = "sizes of this model fit")]
mod torch_archive;

const ROUNDS: usize = 5;
/// Conversions of the same weights out of each of two files.
const PAIRS: usize = 11;
const PIECE: usize = 512 << 10;
/// Columns of most of the model's tensors.
const COLUMNS: usize = 2048;
const INNER: usize = 5632;
const VOCAB: usize = 32000;
const KEYS: usize = 256;
/// Bytes of a piece's words: a quarter of its bf16; its scales are not hashed here.
const WORDS: usize = PIECE / 4;

fn main() -> anyhow::Result<()> {
    let dir = std::env::var("MLC_PACKAGE_BENCH_DIR")
        .map_or_else(|_| Utf8PathBuf::from("target/bench-convert"), Utf8PathBuf::from);
    for (layers, goal) in [(3, 0.8), (43, 0.7)] {
        let source = dir.join(format!("layers-{layers}"));
        let bytes = checkpoint(&source, layers)?;
        measure(&source, &dir.join("model"), bytes, goal)?;
        if layers == 3 {
            let torch = dir.join("torch");
            torch_checkpoint(&torch, &source, layers)?;
            compare(&source, &torch, &dir)?;
            fs_err::remove_dir_all(&torch)?;
        }
        fs_err::remove_dir_all(&source)?;
    }
    Ok(fs_err::remove_dir_all(&dir)?)
}

fn measure(source: &Utf8Path, output: &Utf8Path, bytes: u64, goal: f64) -> anyhow::Result<()> {
    let file = source.join("model.safetensors");
    let (mut ours, mut limits, mut peak) = (Vec::new(), [const { Vec::new() }; 4], 0);
    let written = output.with_file_name("written");
    for _ in 0..ROUNDS {
        limits[0].push(timed(|| read(&file, bytes))?);
        limits[1].push(timed(|| pass(bytes))?);
        limits[2].push(timed(|| arithmetic(bytes))?);
        limits[3].push(timed(|| write(&written, bytes * 9 / 32))?);
        fs_err::remove_dir_all(&written)?;
        let began = Instant::now();
        peak = peak.max(convert(source, output)?);
        ours.push(began.elapsed());
    }
    let rate = |seconds: f64| bytes as f64 / 1e9 / seconds;
    let ours = median(&mut ours);
    println!("{:.2} GB of bf16 to q4f16_1", bytes as f64 / 1e9);
    println!("  mlc-package convert  {ours:6.3} s  {:6.2} GB/s", rate(ours));
    let mut slowest: f64 = 0.0;
    let names = ["reading the file", "a pass of memory", "bare arithmetic", "writing the result"];
    for (row, (name, times)) in names.into_iter().zip(&mut limits).enumerate() {
        let seconds = median(times);
        // A disk that is slower than all else would make any conversion look fast.
        if row < 3 {
            slowest = slowest.max(seconds);
        }
        println!("  {name:<19}  {seconds:6.3} s  {:6.2} GB/s", rate(seconds));
    }
    println!("  {:.2} of the slowest but the disk; the goal is {goal}", slowest / ours);
    println!("  most memory {:.1} MiB; the goal is 64", peak as f64 / 1024.0);
    ensure!(peak < 64 << 10, "the conversion took {peak} KiB");
    Ok(())
}

/// The same weights in two formats, in turns.
fn compare(safetensors: &Utf8Path, torch: &Utf8Path, dir: &Utf8Path) -> anyhow::Result<()> {
    let outputs = [dir.join("model"), dir.join("model-of-torch")];
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..PAIRS {
        for ((source, output), times) in
            [safetensors, torch].into_iter().zip(&outputs).zip(&mut times)
        {
            times.push(timed(|| convert(source, output).map(drop))?);
        }
    }
    let index = |output: &Utf8PathBuf| fs_err::read(output.join("tensor-cache.json"));
    let [of_safetensors, of_torch] = outputs.each_ref().map(index);
    // Their tensors are in the same order, and so are those of the results.
    ensure!(of_safetensors? == of_torch?, "the two results differ");
    let [safetensors, torch] = times.each_mut().map(|times| median(times));
    println!("  of safetensors       {safetensors:6.3} s, {PAIRS} in turns with");
    println!("  of pytorch_model.bin {torch:6.3} s");
    println!("  {:.2} of the speed of safetensors; the goal is 0.95", safetensors / torch);
    Ok(())
}

fn timed(action: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    action()?;
    Ok(began.elapsed())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

/// The program; gives the most resident memory in KiB. It maps no files, so that all of it but
/// the program's own is anonymous.
fn convert(source: &Utf8Path, output: &Utf8Path) -> anyhow::Result<u64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mlc-package"))
        .args(["convert", source.as_str(), "--quantization", "q4f16_1", "-o", output.as_str()])
        .arg("--weights-only")
        .args(["--quiet", "--format", "json"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = fs_err::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            peak = peak.max(kib.unwrap_or(0));
        }
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "the conversion failed");
            return Ok(peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// On as many threads as there are processors, one piece after the other.
fn on_all(bytes: u64, action: impl Fn(u64) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let pieces = bytes / PIECE as u64;
    let next = std::sync::atomic::AtomicU64::new(0);
    let threads = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                let piece = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if piece >= pieces {
                    return Ok(());
                }
                action(piece)?;
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in running {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(bf16());
}

fn read(path: &Utf8Path, bytes: u64) -> anyhow::Result<()> {
    let file = PositionedFile::open_to_read(path)?;
    on_all(bytes, |piece| {
        BUFFER.with_borrow_mut(|buffer| file.read_exact_at(buffer, piece * PIECE as u64))?;
        Ok(())
    })
}

/// Writes so many bytes to files of a shard's size, and syncs each.
fn write(dir: &Utf8Path, bytes: u64) -> anyhow::Result<()> {
    const SHARD: u64 = 32 << 20;
    fs_err::create_dir_all(dir)?;
    for number in 0..bytes.div_ceil(SHARD) {
        let mut file = fs_err::File::create(dir.join(format!("{number}.bin")))?;
        BUFFER.with_borrow(|buffer| {
            (0..SHARD / PIECE as u64).try_for_each(|_| file.write_all(buffer))
        })?;
        file.sync_all()?;
    }
    Ok(())
}

/// Adds up as many bytes as there are, of a buffer that fits into no cache.
fn pass(bytes: u64) -> anyhow::Result<()> {
    static MEMORY: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| vec![1; 32 << 20]);
    let memory = &*MEMORY;
    on_all(bytes, |piece| {
        let start = piece as usize * (PIECE / 8) % memory.len();
        let sum: u64 = memory[start..start + PIECE / 8].iter().sum();
        ensure!(sum == PIECE as u64 / 8);
        Ok(())
    })
}

/// Quantizes a piece that stays in the cache, and hashes its words.
fn arithmetic(bytes: u64) -> anyhow::Result<()> {
    let quantization: Quantization = "q4f16_1".parse()?;
    let group = quantization.group().context("q4f16_1 has groups")?;
    on_all(bytes, |_| {
        BUFFER.with_borrow(|buffer| {
            let (mut words, mut scales) = (vec![0; WORDS / 4], vec![0.0; PIECE / 64]);
            let finite = weights::quantize(&group, buffer, COLUMNS, &mut words, &mut scales);
            ensure!(finite, "random weights are finite");
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            std::hint::black_box(md5::Md5::digest(&bytes));
            Ok(())
        })
    })
}

/// A piece of random weights.
fn bf16() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let weight = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let value = ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.1;
        ((value.to_bits() >> 16) as u16).to_le_bytes()
    };
    (0..PIECE / 2).flat_map(weight).collect()
}

/// Names and shapes of the tensors.
fn shapes(layers: usize) -> Vec<(String, Vec<usize>)> {
    let (hidden, inner, vocab, keys) = (COLUMNS, INNER, VOCAB, KEYS);
    let mut shapes = vec![
        ("lm_head.weight".to_owned(), vec![vocab, hidden]),
        ("model.embed_tokens.weight".to_owned(), vec![vocab, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..layers {
        for (name, shape) in [
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("self_attn.q_proj", vec![hidden, hidden]),
            ("self_attn.k_proj", vec![keys, hidden]),
            ("self_attn.v_proj", vec![keys, hidden]),
            ("self_attn.o_proj", vec![hidden, hidden]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    shapes
}

/// Writes a checkpoint; gives its bytes of weights.
fn checkpoint(dir: &Utf8Path, layers: usize) -> anyhow::Result<u64> {
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": COLUMNS, "intermediate_size": INNER,
        "num_attention_heads": 32, "num_key_value_heads": 4, "num_hidden_layers": layers,
        "vocab_size": VOCAB, "rms_norm_eps": 1e-5, "max_position_embeddings": 2048,
    });
    let mut header = serde_json::Map::new();
    let mut end = 0;
    let shapes = shapes(layers);
    for (name, shape) in &shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry =
            serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    // As safetensors writes it: what follows is read faster than from an odd place.
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    fs_err::create_dir_all(dir)?;
    fs_err::write(dir.join("config.json"), config.to_string())?;
    let mut file = std::io::BufWriter::new(fs_err::File::create(dir.join("model.safetensors"))?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, shape) in &shapes {
        write_weights(&mut file, 2 * shape.iter().product::<usize>())?;
    }
    // What the system has still to write would be written beside the conversion.
    file.into_inner()?.sync_all()?;
    Ok(end as u64)
}

/// The same model as `torch.save` writes it.
fn torch_checkpoint(dir: &Utf8Path, other: &Utf8Path, layers: usize) -> anyhow::Result<()> {
    fs_err::create_dir_all(dir)?;
    fs_err::copy(other.join("config.json"), dir.join("config.json"))?;
    let shapes = shapes(layers);
    let tensors = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
    let pickle = torch_archive::state_dict("BFloat16Storage", tensors);
    let file = std::io::BufWriter::new(fs_err::File::create(dir.join("pytorch_model.bin"))?);
    let mut zip = torch_archive::Zip::new(file, &pickle)?;
    for (number, (_, shape)) in shapes.iter().enumerate() {
        let bytes = 2 * shape.iter().product::<usize>();
        zip.storage(number, bytes, |out| write_weights(out, bytes))?;
    }
    let mut out = zip.end()?;
    out.flush()?;
    Ok(out.get_ref().sync_all()?)
}

/// So many bytes of weights.
fn write_weights(out: &mut impl Write, mut left: usize) -> std::io::Result<()> {
    let piece = bf16();
    while left > 0 {
        let length = left.min(piece.len());
        out.write_all(&piece[..length])?;
        left -= length;
    }
    Ok(())
}
