//! 2 GiB of weight shards from a hub on loopback: this program, verification included, against
//! `huggingface_hub.snapshot_download` and `curl` to /dev/null, in turns, and the ratios of the
//! medians: over a line of 10 Gbit/s, as fast as those of GitHub's runners, and as fast as loopback
//! is. The goals: 1.5 times snapshot_download, 0.8 of curl, a peak below 64 MiB.
//!
//! `scripts/setup-python.sh target/test-venv tests/requirements.txt` first. The files go to
//! `MLC_PACKAGE_BENCH_DIR`, or `target/bench-fetch`.

#![expect(clippy::disallowed_methods, reason = "the rivals are programs, and so is the hub")]
#![expect(clippy::print_stdout, reason = "the numbers are the result")]
#![allow(unreachable_pub, reason = "the hub is a part of the tests")]

#[expect(dead_code, reason = "the tests need faults, and speed does not")]
#[expect(clippy::unwrap_used, reason = "a hub that cannot serve ends the benchmark")]
#[path = "../tests/hub/server.rs"]
mod server;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::fetch::hub::{Hub, HubOptions};
use mlc_package::io::cancel::Cancel;

use server::{COMMIT, Fault, File, Line, REPO, Server};

const SHARDS: usize = 64;
const SHARD: usize = 32 << 20;
const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["serve", speed] => serve(speed.parse()?),
        ["fetch", endpoint, root] => fetch(endpoint, Utf8Path::new(root)),
        _ => {
            compare("a line of 10 Gbit/s", 10e9 / 8.0)?;
            compare("loopback", f64::INFINITY)
        }
    }
}

fn name(shard: usize) -> String {
    format!("params_shard_{shard}.bin")
}

/// The hub, in a process of its own: everything is in memory. `speed`: bytes a second.
fn serve(speed: f64) -> anyhow::Result<()> {
    let names: Vec<_> = (0..SHARDS).map(name).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut shard = || File::lfs((0..SHARD / 8).flat_map(|_| random()).collect());
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), shard())).collect();
    let line = speed.is_finite().then(|| Arc::new(Line::new(speed)));
    let hub = Server::new(&files, move |_, _| line.clone().map(Fault::Line));
    println!("{}", hub.url());
    // Until whoever started it closes the pipe.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// This program's turn, in a process of its own: says the seconds, and its peak in KiB.
fn fetch(endpoint: &str, root: &Utf8Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut options = HubOptions::new(endpoint.parse()?, root.join("hub"), root.join("listings"));
    options.system_proxy = false;
    let hub = Hub::new(options, Cancel::default());
    let repo = format!("HF://{REPO}").parse()?;
    let commit = hub.commit(&repo, "main")?;
    let listing = hub.listing(&repo, &commit)?;
    hub.fetch(&repo, &commit, &listing.files, &|_| {})?;
    println!("{}", begun.elapsed().as_secs_f64());
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.map_or("0", |peak| peak.trim_end_matches("kB").trim()));
    Ok(())
}

/// What ran, and how long; the sizes are the same.
struct Turns {
    what: &'static str,
    seconds: Vec<f64>,
}

impl Turns {
    fn median(&mut self) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        self.seconds.get(self.seconds.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn compare(over: &str, speed: f64) -> anyhow::Result<()> {
    let project = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = || project.join("target/bench-fetch");
    let dir = std::env::var("MLC_PACKAGE_BENCH_DIR").map_or_else(|_| own(), Utf8PathBuf::from);
    let python = project.join("target/test-venv/bin/python");
    ensure!(python.exists(), "scripts/setup-python.sh target/test-venv tests/requirements.txt");
    let (mut hub, endpoint) = start_hub(speed)?;
    let mut peak = 0;
    let mut turns = [
        Turns { what: "mlc-package", seconds: Vec::new() },
        Turns { what: "snapshot_download", seconds: Vec::new() },
        Turns { what: "curl to /dev/null", seconds: Vec::new() },
        Turns { what: "curl --parallel", seconds: Vec::new() },
    ];
    for _ in 0..ROUNDS {
        for turn in &mut turns {
            clear(&dir)?;
            let seconds = match turn.what {
                "mlc-package" => {
                    let own = std::env::current_exe()?;
                    let said = run(Command::new(own).args(["fetch", &endpoint, dir.as_str()]))?;
                    let (seconds, kib) = said.split_once('\n').context("two lines")?;
                    peak = peak.max(kib.trim().parse::<u64>()?);
                    seconds.parse()?
                }
                "snapshot_download" => snapshot_download(&python, &endpoint, &dir)?,
                "curl --parallel" => curl(&endpoint, &["--parallel", "--parallel-max", "8"])?,
                _ => curl(&endpoint, &[])?,
            };
            println!("{:<18} {:>6.2} s  {:>7.0} MB/s", turn.what, seconds, megabytes(seconds));
            turn.seconds.push(seconds);
        }
    }
    clear(&dir)?;
    drop(hub.stdin.take());
    hub.wait()?;
    let [ours, theirs, curl, parallel] = turns.each_mut().map(Turns::median);
    println!("\n{over}: medians of {ROUNDS}, {SHARDS} shards of {} MiB:", SHARD >> 20);
    println!("  {:>5.2} times snapshot_download  (goal 1.5)", theirs / ours);
    println!("  {:>5.2} of curl to /dev/null     (goal 0.8)", curl / ours);
    println!("  {:>5.2} of eight curls at once", parallel / ours);
    println!("  {:>5.1} MiB at most              (goal 64)\n", peak as f64 / 1024.0);
    Ok(())
}

fn megabytes(seconds: f64) -> f64 {
    (SHARDS * SHARD) as f64 / 1e6 / seconds
}

/// Nothing is there, and nothing of the turn before waits to be written.
fn clear(dir: &Utf8Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs_err::remove_dir_all(dir)?;
    }
    fs_err::create_dir_all(dir)?;
    run(&mut Command::new("sync"))?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

fn start_hub(speed: f64) -> anyhow::Result<(Child, String)> {
    let mut hub = Command::new(std::env::current_exe()?)
        .args(["serve", &speed.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(hub.stdout.take().context("a pipe")?).read_line(&mut line)?;
    Ok((hub, line.trim().to_owned()))
}

fn snapshot_download(python: &Utf8Path, endpoint: &str, dir: &Utf8Path) -> anyhow::Result<f64> {
    let script = format!(
        "import time
from huggingface_hub import snapshot_download
begun = time.perf_counter()
snapshot_download('{REPO}')
print(time.perf_counter() - begun)"
    );
    let said = run(Command::new(python)
        .args(["-I", "-c", &script])
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", dir)
        .env("HF_HUB_CACHE", dir.join("hub"))
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1"))?;
    Ok(said.trim().parse()?)
}

fn curl(endpoint: &str, options: &[&str]) -> anyhow::Result<f64> {
    let urls = (0..SHARDS).flat_map(|shard| {
        let url = format!("{endpoint}/{REPO}/resolve/{COMMIT}/{}", name(shard));
        ["-o".to_owned(), "/dev/null".to_owned(), url]
    });
    let begun = Instant::now();
    run(Command::new("curl").args(["--silent", "--fail"]).args(options).args(urls))?;
    Ok(begun.elapsed().as_secs_f64())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
