//! An asset of 1 GiB to a GitHub on loopback that reads and forgets it, against `curl -T`.
//!
//!     cargo bench --bench upload

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops with what went wrong"
)]
#![expect(clippy::disallowed_methods, reason = "programs are started, and files written")]
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "shared with tests/publish"
)]

#[path = "../tests/publish/github.rs"]
mod github;
#[path = "../tests/publish/http.rs"]
mod http;
#[path = "../tests/publish/routes.rs"]
mod routes;
#[path = "../tests/publish/shapes.rs"]
mod shapes;

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use camino::Utf8Path;
use mlc_package::github::api::ApiOptions;
use mlc_package::io::cancel::Cancel;
use mlc_package::io::http::Url;
use mlc_package::io::secret::Secret;
use mlc_package::publish::{ReleaseFile, ReleaseRequest, release};

const ROUNDS: usize = 5;
const BYTES: u64 = 1 << 30;
/// At once, for the last line: `publish` sends four.
const FILES: usize = 4;

/// The target: at least this of curl's speed.
const GOAL: f64 = 0.8;
/// The target: at most so much memory, in MiB.
const MEMORY: f64 = 64.0;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, verb, url, path, count] = &arguments[..]
        && verb == "send"
    {
        return send(url, path.as_str().into(), count.parse()?);
    }
    let dir = tempfile::tempdir()?;
    let path = Utf8Path::from_path(dir.path()).context("UTF-8")?.join("asset.tar.zst");
    write(&path)?;
    let (mut ours, mut curl, mut four, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0.0_f64);
    for _ in 0..ROUNDS {
        let (seconds, mib) = child(&path, 1)?;
        ours.push(seconds);
        peak = peak.max(mib);
        curl.push(by_curl(&path)?);
        let (seconds, mib) = child(&path, FILES)?;
        four.push(seconds);
        peak = peak.max(mib);
    }
    let speed = |seconds: f64, files: usize| (BYTES * files as u64) as f64 / 1e6 / seconds;
    let (ours, curl, four) = (median(ours), median(curl), median(four));
    println!("{:<28} {:>6.2} s {:>6.0} MB/s", "mlc-package, one asset", ours, speed(ours, 1));
    println!("{:<28} {:>6.2} s {:>6.0} MB/s", "curl -T", curl, speed(curl, 1));
    println!("{:<28} {:>6.2} s {:>6.0} MB/s", "mlc-package, four assets", four, speed(four, FILES));
    println!("\n  {:>5.2} of curl -T         (goal {GOAL})", curl / ours);
    println!("  {peak:>5.1} MiB at most       (goal {MEMORY})");
    Ok(())
}

/// Another process sends the file so many times at once, to a server that is new.
fn child(path: &Utf8Path, count: usize) -> anyhow::Result<(f64, f64)> {
    let github = github::Github::sink();
    let own = std::env::current_exe()?;
    let mut command = Command::new(own);
    command.args(["send", &github.url(), path.as_str(), &count.to_string()]);
    let said = run(&mut command)?;
    let (seconds, mib) = said.trim().split_once(' ').context("two numbers")?;
    Ok((seconds.parse()?, mib.parse()?))
}

fn send(url: &str, path: &Utf8Path, count: usize) -> anyhow::Result<()> {
    let token = Secret::new(github::TOKEN);
    let mut options = ApiOptions::new(Url::parse(url)?, "octo/app".parse()?, token);
    options.system_proxy = false;
    let file = |nth| ReleaseFile {
        name: format!("asset{nth}.tar.zst"),
        label: None,
        path: path.to_owned(),
        bytes: BYTES,
        // The server knows no digests; that of a package is known when it is packed.
        sha256: "0".repeat(64),
    };
    let request = ReleaseRequest {
        tag: "v1".to_owned(),
        files: (0..count).map(file).collect(),
        ..ReleaseRequest::default()
    };
    let begun = Instant::now();
    let published = release(&options, &request, &Cancel::default(), &|_| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(published.sent.len() == count, "not all was sent");
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let kib: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    println!("{seconds} {}", kib / 1024.0);
    Ok(())
}

fn by_curl(path: &Utf8Path) -> anyhow::Result<f64> {
    let github = github::Github::sink();
    github.store().release("v1", true);
    let url = format!("{}/repos/octo/app/releases/1/assets?name=asset.tar.zst", github.url());
    let begun = Instant::now();
    run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "-X", "POST", "-T"])
        .arg(path)
        .args(["-H", &format!("Authorization: Bearer {}", github::TOKEN)])
        .args(["-H", "Content-Type: application/octet-stream", &url]))?;
    Ok(begun.elapsed().as_secs_f64())
}

fn write(path: &Utf8Path) -> anyhow::Result<()> {
    use std::io::Write as _;
    let block: Vec<u8> =
        (0..1 << 20).map(|byte: u32| (byte.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut file = fs_err::File::create(path)?;
    for _ in 0..BYTES >> 20 {
        file.write_all(&block)?;
    }
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
