//! Seconds, bytes in memory, bytes on the disk.

use std::hint::black_box;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use camino::Utf8Path;

use crate::scene::{Scene, program, succeed};

/// Seconds of many runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) median: f64,
    pub(crate) least: f64,
}

impl Sample {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { median: seconds[seconds.len() / 2], least: seconds[0] }
    }
}

/// Runs programs in turns, so that whatever else the machine does meets all of them. Each runs
/// once before: the files are in memory then.
pub(crate) fn sample_in_turns<const N: usize>(
    runs: usize,
    mut commands: [&mut Command; N],
) -> Result<[Sample; N]> {
    let mut seconds = [(); N].map(|()| Vec::with_capacity(runs));
    for run in 0..=runs {
        for (command, seconds) in commands.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            succeed(command)?;
            if run > 0 {
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(seconds.map(Sample::of))
}

/// Reads a file from start to end and does nothing with it.
pub(crate) fn read_only(path: &Utf8Path, runs: usize) -> Result<Sample> {
    let mut block = vec![0; 1 << 20];
    let mut once = || -> Result<f64> {
        let start = Instant::now();
        let mut file = fs_err::File::open(path)?;
        while file.read(black_box(&mut block))? > 0 {}
        Ok(start.elapsed().as_secs_f64())
    };
    once()?;
    Ok(Sample::of((0..runs).map(|_| once()).collect::<Result<_>>()?))
}

/// Hashes so many bytes, on all processors, without a file.
pub(crate) fn hash_only(bytes: u64, runs: usize) -> Sample {
    let block = vec![0x5a; 4 << 20];
    let once = || {
        let start = Instant::now();
        let mut hasher = blake3::Hasher::new();
        for _ in 0..bytes / block.len() as u64 {
            hasher.update_rayon(black_box(&block));
        }
        black_box(hasher.finalize());
        start.elapsed().as_secs_f64()
    };
    once();
    Sample::of((0..runs).map(|_| once()).collect())
}

/// Runs its arguments and prints the most memory they had, in bytes.
const PEAK: &str = "\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak if sys.platform == 'darwin' else peak * 1024)
";

/// The most memory that a program had at one time, in bytes, mapped files and all.
pub(crate) fn peak_memory(scene: &Scene, command: &Command) -> Result<u64> {
    // Python's own few megabytes are the least this can say: a child begins as its parent.
    let mut python = program(scene.python.as_str());
    python.args(["-I", "-S", "-c", PEAK]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let output = python.stdout(Stdio::piped()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let peak = String::from_utf8(output.stdout)?;
    peak.trim().parse().context("a number of bytes")
}

/// What a package takes.
pub(crate) struct DiskUse {
    /// The bytes of the model's files in the package.
    pub(crate) bundled: u64,
    /// The blocks, in bytes, of those that are files of their own: none that is a second name of the
    /// model directory's file. A reflink is a file of its own, whatever it shares.
    pub(crate) own_blocks: u64,
    /// How much less the file system had free afterwards; whatever else the machine writes or
    /// removes meanwhile is in it.
    pub(crate) space_taken: i64,
}

/// Builds a package that was not there, and sees what it takes.
pub(crate) fn disk_use(scene: &Scene, build: &mut Command, model: &Utf8Path) -> Result<DiskUse> {
    let output = scene.output();
    if output.exists() {
        fs_err::remove_dir_all(&output)?;
    }
    let free = || -> Result<i64> {
        rustix::fs::sync();
        let fs = rustix::fs::statvfs(model.as_std_path())?;
        Ok(i64::try_from(fs.f_bfree * fs.f_frsize)?)
    };
    let before = free()?;
    succeed(build)?;
    let space_taken = before - free()?;
    let (mut bundled, mut own_blocks) = (0, 0);
    for entry in fs_err::read_dir(output.join("bundle/large"))? {
        let entry = entry?;
        let (own, source) =
            (entry.metadata()?, fs_err::metadata(model.as_std_path().join(entry.file_name()))?);
        if entry.file_name() == "mlc-chat-config.json" {
            continue; // written anew, with the overrides
        }
        bundled += own.len();
        if (own.dev(), own.ino()) != (source.dev(), source.ino()) {
            own_blocks += own.blocks() * 512;
        }
    }
    Ok(DiskUse { bundled, own_blocks, space_taken })
}
