//! Readings of the memory cgroup that holds this process, version 1 or 2.
//!
//! The limit in force is the smallest on the way from the process's own group up to the topmost
//! group in sight. An absent limit is told by the kernel; what cannot be found or read is an error
//! and never taken for "unlimited".

mod mounts;
mod parse;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::mounts::{Group, locate};
use crate::error::{Result, failed};
use crate::process::process_memory;

/// The kernel's interface of a memory cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// Files such as `memory.limit_in_bytes`.
    V1,
    /// Files such as `memory.max`.
    V2,
}

/// The memory cgroup of this process, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupMemory {
    /// The interface it was read through.
    pub version: CgroupVersion,
    /// The folder of the process's own group.
    pub folder: PathBuf,
    /// The smallest limit in force; none means the kernel says there is none.
    pub limit: Option<CgroupLimit>,
    /// The smallest `memory.high` in force (version 2): above it the kernel slows the process.
    pub throttle: Option<u64>,
    /// What the own group holds, page cache included; the topmost group of all does not tell.
    pub usage: Option<u64>,
    /// The part of `usage` that belongs to no file.
    pub anonymous: Option<u64>,
    /// The part of `usage` that is page cache.
    pub file: Option<u64>,
    /// How often the own group met its limit, if told.
    pub limit_hits: Option<u64>,
    /// How many processes of the own group the kernel killed for memory, if told.
    pub kills: Option<u64>,
}

/// A limit and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupLimit {
    /// Bytes that the group and all below it may hold.
    pub bytes: u64,
    /// What they hold now, if told.
    pub usage: Option<u64>,
    /// The group's folder.
    pub folder: PathBuf,
}

/// Reads the memory cgroup of this process below `root`, which is `/` in production; none if the
/// kernel has no cgroups or does not count memory.
///
/// # Errors
/// The group or its mount cannot be found, or one of its files cannot be read or understood.
pub fn cgroup_memory(root: &Path) -> Result<Option<CgroupMemory>> {
    let Some(group) = locate(root)? else { return Ok(None) };
    let mut limit: Option<CgroupLimit> = None;
    let mut throttle: Option<u64> = None;
    for folder in group.levels() {
        fs::metadata(folder).map_err(failed("stat", folder))?;
        if let Some(bytes) = level_limit(&group, folder)?
            && limit.as_ref().is_none_or(|smallest| bytes < smallest.bytes)
        {
            let usage = level_usage(&group, folder)?;
            limit = Some(CgroupLimit { bytes, usage, folder: folder.to_path_buf() });
        }
        if group.version == CgroupVersion::V2 {
            let high = number(&folder.join("memory.high"), parse::v2_limit)?.flatten();
            throttle = [throttle, high].into_iter().flatten().min();
        }
    }
    own_readings(group, limit, throttle).map(Some)
}

impl CgroupMemory {
    /// What the kernel charges to the own group beside anonymous memory and page cache, and cannot
    /// drop by itself: shared memory, files of a tmpfs among it; sockets; page tables and what else
    /// it keeps. None if it is not this process's alone to answer for: nobody bounds the group, or
    /// other processes are in it.
    ///
    /// # Errors
    /// One of the group's files, or of `proc/self` below `root` in version 1, is gone or cannot be
    /// understood.
    pub fn beside(&self, root: &Path) -> Result<Option<u64>> {
        let members = read(&self.folder.join("cgroup.procs"))?;
        if self.limit.is_none() || members.lines().count() != 1 {
            return Ok(None);
        }
        let path = self.folder.join("memory.stat");
        let stat = read(&path)?;
        let bytes = match self.version {
            CgroupVersion::V2 => parse::v2_beside(&stat).map_err(failed("parse", &path))?,
            CgroupVersion::V1 => {
                let shared = parse::keyed(&stat, "total_shmem").map_err(failed("parse", &path))?;
                let sockets = self.folder.join("memory.kmem.tcp.usage_in_bytes");
                let sockets = number(&sockets, parse::count)?;
                // Its count of kernel memory holds what can be dropped too, and does not say how
                // much; page tables are most of the rest.
                let tables = process_memory(root)?.page_tables;
                [shared, sockets, tables].into_iter().flatten().fold(0, u64::saturating_add)
            }
        };
        Ok(Some(bytes))
    }
}

/// The limit of one group, itself and, in version 1, of the groups above that the kernel sums up.
fn level_limit(group: &Group, folder: &Path) -> Result<Option<u64>> {
    match group.version {
        CgroupVersion::V2 => Ok(number(&folder.join("memory.max"), parse::v2_limit)?.flatten()),
        CgroupVersion::V1 => {
            let own = number(&folder.join("memory.limit_in_bytes"), parse::v1_limit)?.flatten();
            let stat = folder.join("memory.stat");
            let above = number(&stat, |text| parse::keyed(text, "hierarchical_memory_limit"))?;
            let above = above.flatten().and_then(parse::v1_real);
            Ok([own, above].into_iter().flatten().min())
        }
    }
}

fn level_usage(group: &Group, folder: &Path) -> Result<Option<u64>> {
    let name = match group.version {
        CgroupVersion::V1 => "memory.usage_in_bytes",
        CgroupVersion::V2 => "memory.current",
    };
    number(&folder.join(name), parse::count)
}

fn own_readings(
    group: Group,
    limit: Option<CgroupLimit>,
    throttle: Option<u64>,
) -> Result<CgroupMemory> {
    let usage = level_usage(&group, &group.folder)?;
    let read = |file: &str, key: &str| {
        let path = group.folder.join(file);
        number(&path, |text| parse::keyed(text, key)).map(Option::flatten)
    };
    let (anonymous, file, limit_hits, kills) = match group.version {
        CgroupVersion::V1 => (
            read("memory.stat", "total_rss")?,
            read("memory.stat", "total_cache")?,
            number(&group.folder.join("memory.failcnt"), parse::count)?,
            read("memory.oom_control", "oom_kill")?,
        ),
        CgroupVersion::V2 => (
            read("memory.stat", "anon")?,
            read("memory.stat", "file")?,
            read("memory.events", "max")?,
            read("memory.events", "oom_kill")?,
        ),
    };
    let Group { version, folder, .. } = group;
    Ok(CgroupMemory { version, folder, limit, throttle, usage, anonymous, file, limit_hits, kills })
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// What `parse` finds in the file; none if the group has no such file.
fn number<T>(path: &Path, parse: impl FnOnce(&str) -> io::Result<T>) -> Result<Option<T>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map(Some).map_err(failed("parse", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

#[cfg(test)]
mod tests;
