//! The main job with everything cached, as a user runs it: real libraries that TVM compiled,
//! whole processes, each measured beside what limits it or what it replaces.
//!
//! Ends with exit code 1 if a target is missed. `scripts/bench.sh` makes the Python environment.

mod machine;
mod measure;
mod scene;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use mlc_package::model::LinkMode;

use measure::{disk_use, peak_memory, sample_in_turns};
use scene::{Scene, Shard};
use table::Table;

/// Whole runs of each program; enough for a median on a machine that has other work too.
const RUNS: usize = 40;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> Result<ExitCode> {
    let scene = Scene::prepare()?;
    let mut table = Table::new(machine::describe());
    cached(&scene, &mut table)?;
    let shard = scene.shard(1 << 30)?;
    large_shard(&scene, &shard, &mut table)?;
    disk(&scene, &shard, &mut table)?;
    table.print()?;
    Ok(if table.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Two models, both bundled, everything in the cache; beside the import that upstream cannot do
/// without.
fn cached(scene: &Scene, table: &mut Table) -> Result<()> {
    let mut build = scene.build(&scene.two_models(), LinkMode::Auto);
    let mut import = scene.import_tvm();
    let [ours, tvm] = sample_in_turns(RUNS, [&mut build, &mut import])?;
    table.section(format!("two bundled models, everything cached ({RUNS} runs in turns)"));
    table.time("mlc-package build", ours);
    table.time("python -c 'import tvm'", tvm);
    table.at_most("whole process, ms", ours.median * 1e3, 50.0);
    table.at_least("times faster than the import", tvm.median / ours.median, 20.0);
    Ok(())
}

/// A model with a shard of 1 GiB, everything cached; beside reading and hashing alone.
fn large_shard(scene: &Scene, shard: &Shard, table: &mut Table) -> Result<()> {
    let mut build = scene.build(&shard.config, LinkMode::Auto);
    let [ours] = sample_in_turns(RUNS / 4, [&mut build])?;
    let read = measure::read_only(&shard.weights, RUNS / 4)?;
    let hash = measure::hash_only(shard.bytes, RUNS / 4);
    table.section("a model with a shard of 1 GiB, everything cached".to_owned());
    table.time("mlc-package build", ours);
    table.time("reading the shard, no more", read);
    table.time("BLAKE3 of as many bytes in memory", hash);
    table.ratio("build / (read + hash)", ours.median / (read.median + hash.median));
    let peak = peak_memory(scene, &build)?;
    table.at_most("peak memory of the build, MiB", peak as f64 / MIB, 64.0);
    Ok(())
}

/// What bundling the same model adds to the disk.
fn disk(scene: &Scene, shard: &Shard, table: &mut Table) -> Result<()> {
    let measured = |mode| disk_use(scene, &mut scene.build(&shard.config, mode), &shard.model_dir);
    let copied = measured(LinkMode::Copy)?;
    let linked = measured(LinkMode::Auto)?;
    table.section("what bundling that model adds to the disk".to_owned());
    table.value("its files, MiB", linked.bundled as f64 / MIB);
    for (mode, used) in [("copy", &copied), ("auto", &linked)] {
        table.value(&format!("{mode}: blocks of new files, MiB"), used.own_blocks as f64 / MIB);
        table.value(&format!("{mode}: free space less, MiB"), used.space_taken as f64 / MIB);
    }
    // A hard link is seen by the first, a reflink by the second, which other programs disturb.
    let twice = (linked.own_blocks as f64).min(linked.space_taken.max(0) as f64);
    table.at_most("on the disk twice, % of its files", 100.0 * twice / linked.bundled as f64, 1.0);
    Ok(())
}
