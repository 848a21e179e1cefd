//! Random reads of 4 KiB rows of a 1 GiB file: governed frames against a mapped file.
//!
//! `residency FOLDER [governed|mapped]`. The page cache is bounded only from outside: to compare
//! at equal memory, run `mapped` in a memory cgroup of the pool's size.

#![expect(clippy::print_stdout, reason = "prints a table")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, thread};

use vectorizer_memory::{Governor, Limits};
use vectorizer_pages::{Config, Open, Pool, Region, Residency};
use vectorizer_vfs::{Access, Directory, OsDirectory, SequentialWriter};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ROW: usize = 4096;
const ROWS: u32 = 1 << 18;
const FILE: u64 = ROWS as u64 * ROW as u64;
/// Rows of one step of a search.
const STEP: usize = 32;
const WARMED: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(2);
const ROWS_DRAWN: usize = 1 << 20;
/// Rows of the set that is always resident.
const HOT: u32 = 1 << 12;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let folder = arguments.get(1).ok_or("usage: residency FOLDER [governed|mapped]")?;
    let only = arguments.get(2).map(String::as_str);
    let directory = OsDirectory::open(Path::new(folder))?;
    if directory.open("rows", Access::Read).is_err() {
        write_rows(&*directory)?;
    }
    println!("residency  pool  extent  rows     threads  kops/s  hit%   evictions");
    if only != Some("mapped") {
        for (part, extent) in [(25, 4), (25, 16), (25, 64), (100, 4)] {
            governed(&*directory, part, extent << 10)?;
        }
    }
    if only != Some("governed") {
        let governor = Governor::new(Limits::of_root(FILE));
        let pool = Pool::new(&governor, Config::default())?;
        let file = directory.open("rows", Access::Read)?;
        let region = pool.open(file, &Open::whole(Residency::Mapped))?;
        table("mapped        -       -", &pool, &region)?;
        hits("mapped", &pool, &region)?;
    }
    Ok(())
}

fn governed(directory: &dyn Directory, part: u64, extent_bytes: usize) -> Outcome<()> {
    let governor = Governor::new(Limits::of_root(2 * FILE));
    // Tables are charged to the pool; all of the file and its tables fit at 100 percent.
    let tables = if part == 100 { FILE / 256 } else { 0 };
    let capacity = FILE / 100 * part + tables;
    let pool = Pool::new(&governor, Config { capacity, extent_bytes, ..Config::default() })?;
    let file = directory.open("rows", Access::ReadDirect)?;
    let region = pool.open(file, &Open::whole(Residency::Governed))?;
    let name = format!("governed   {part:>3}%  {:>2} KiB", extent_bytes >> 10);
    table(&name, &pool, &region)?;
    hits(&name, &pool, &region)
}

fn table(name: &str, pool: &Arc<Pool>, region: &Region) -> Outcome<()> {
    walk(pool, region)?;
    for (law, exponent) in [("zipf 0.9", 0.9), ("uniform", 0.0)] {
        let draws = draw(exponent);
        run(pool, region, &draws, (2, 0, WARMED))?;
        for threads in [1, 2] {
            let before = pool.stats();
            let kops = run(pool, region, &draws, (threads, threads, MEASURED))?;
            let after = pool.stats();
            let (hits, misses) = (after.hits - before.hits, after.misses - before.misses);
            let ratio = 100.0 * hits as f64 / (hits + misses).max(1) as f64;
            let evictions = after.evictions - before.evictions;
            println!("{name}  {law:<8} {threads:>7}  {kops:>7.1}  {ratio:>5.1}  {evictions:>9}");
        }
    }
    Ok(())
}

/// Reads all rows once, in their order.
fn walk(pool: &Pool, region: &Region) -> Outcome<()> {
    let mut reader = pool.reader()?;
    for start in (0..region.len()).step_by(STEP * ROW) {
        let mut guard = reader.enter();
        guard.pin_range(region, start..start + STEP * ROW)?;
        black_box(sum(&guard.bytes(region)[start..start + STEP * ROW]));
    }
    Ok(())
}

/// Thousands of rows per second, each pinned and read whole. No two rounds of the same draws
/// begin at the same row.
fn run(
    pool: &Arc<Pool>,
    region: &Region,
    draws: &[u32],
    (threads, round, time): (usize, usize, Duration),
) -> Outcome<f64> {
    let began = Instant::now();
    let rows = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|at| {
                let draws = draws.iter().cycle().skip((2 * round + at) * draws.len() / 6);
                scope.spawn(move || read_until(pool, region, draws, began + time))
            })
            .collect();
        readers.into_iter().try_fold(0, |rows, reader| {
            let more = reader.join().map_err(|_panic| "a reader panicked")?;
            Outcome::Ok(rows + more?)
        })
    })?;
    Ok(rows as f64 / began.elapsed().as_secs_f64() / 1000.0)
}

fn read_until<'d>(
    pool: &Pool,
    region: &Region,
    mut draws: impl Iterator<Item = &'d u32>,
    end: Instant,
) -> Outcome<usize> {
    let mut reader = pool.reader()?;
    let mut rows = 0;
    while Instant::now() < end {
        let mut guard = reader.enter();
        let starts: [usize; STEP] =
            std::array::from_fn(|_| draws.next().map_or(0, |row| *row as usize * ROW));
        guard.pin(region, starts.iter().map(|start| *start..start + ROW))?;
        for start in starts {
            black_box(sum(&guard.bytes(region)[start..start + ROW]));
        }
        rows += STEP;
    }
    Ok(rows)
}

fn sum(row: &[u8]) -> u64 {
    row.as_chunks::<8>().0.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// Nanoseconds per row of a set that stays resident: pinned only, and with a byte read.
fn hits(name: &str, pool: &Arc<Pool>, region: &Region) -> Outcome<()> {
    let draws: Vec<usize> = draw(0.0).into_iter().map(|row| (row % HOT) as usize * ROW).collect();
    let mut reader = pool.reader()?;
    let mut measured = [f64::MAX; 2];
    for _ in 0..5 {
        for (looks, best) in measured.iter_mut().enumerate() {
            let began = Instant::now();
            for step in draws.chunks_exact(STEP) {
                let mut guard = reader.enter();
                guard.pin(region, step.iter().map(|start| *start..start + ROW))?;
                for start in step.iter().take(looks * STEP) {
                    black_box(guard.bytes(region)[*start]);
                }
            }
            *best = best.min(began.elapsed().as_secs_f64() * 1e9 / draws.len() as f64);
        }
    }
    println!("{name}  hit: {:.1} ns a pin, {:.1} ns with a byte read", measured[0], measured[1]);
    Ok(())
}

/// Rows by a power law of their rank; ranks are scattered over the file.
fn draw(exponent: f64) -> Vec<u32> {
    let mut total = 0.0;
    let weight = |rank: u32| f64::from(rank + 1).powf(-exponent);
    let until: Vec<f64> = (0..ROWS).map(weight).map(|weight| (total += weight, total).1).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut drawn = Vec::with_capacity(ROWS_DRAWN);
    for _ in 0..ROWS_DRAWN {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let wanted = (state >> 11) as f64 / (1_u64 << 53) as f64 * total;
        let rank = until.partition_point(|sum| *sum < wanted);
        let rank = u32::try_from(rank).unwrap_or(ROWS).min(ROWS - 1);
        drawn.push(rank.wrapping_mul(0x9e37_79b1) % ROWS);
    }
    drawn
}

fn write_rows(directory: &dyn Directory) -> Outcome<()> {
    let mut writer = SequentialWriter::new(directory.create("rows")?);
    for row in 0..ROWS {
        writer.write(&row.to_le_bytes().repeat(ROW / size_of::<u32>()))?;
    }
    writer.finish()?;
    Ok(())
}
