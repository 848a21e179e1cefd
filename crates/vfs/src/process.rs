//! Readings of this process and of the machine it runs on.
//!
//! Every function takes the root of the file system it reads (`/` in production), so that a
//! made-up tree can be read too. What is there but cannot be read or understood is an error.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::error::{Result, failed};

/// Memory that the kernel charges to this process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// All resident bytes (`VmRSS`).
    pub resident: u64,
    /// The most that was ever resident (`VmHWM`).
    pub resident_peak: Option<u64>,
    /// Resident bytes of no file (`RssAnon`): only the process can give them back.
    pub anonymous: Option<u64>,
    /// Resident bytes of mapped files (`RssFile`): the kernel can take them.
    pub file: Option<u64>,
    /// Bytes of its page tables (`VmPTE`), which count as none of the others.
    pub page_tables: Option<u64>,
}

/// Memory of the machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineMemory {
    /// All that the kernel may use.
    pub total: u64,
    /// What could be had without swapping.
    pub available: Option<u64>,
}

/// What this process holds now.
///
/// # Errors
/// `proc/self/status` is unreadable, or tells no `VmRSS`.
pub fn process_memory(root: &Path) -> Result<ProcessMemory> {
    let path = root.join("proc/self/status");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    parse_status(&text).map_err(failed("parse", &path))
}

/// What the machine has.
///
/// # Errors
/// `proc/meminfo` is unreadable, or tells no `MemTotal`.
pub fn machine_memory(root: &Path) -> Result<MachineMemory> {
    let path = root.join("proc/meminfo");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    parse_meminfo(&text).map_err(failed("parse", &path))
}

/// How many files this process may hold open at once; none means no limit.
pub fn open_file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of open files to the highest that the process may ask for; what holds then.
pub fn raise_open_file_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Who may not raise it lives with what there is.
        setrlimit(Resource::Nofile, limit).ok();
    }
    open_file_limit()
}

fn parse_status(text: &str) -> io::Result<ProcessMemory> {
    Ok(ProcessMemory {
        resident: kilobytes(text, "VmRSS")?.ok_or_else(|| absent("VmRSS"))?,
        resident_peak: kilobytes(text, "VmHWM")?,
        anonymous: kilobytes(text, "RssAnon")?,
        file: kilobytes(text, "RssFile")?,
        page_tables: kilobytes(text, "VmPTE")?,
    })
}

fn parse_meminfo(text: &str) -> io::Result<MachineMemory> {
    Ok(MachineMemory {
        total: kilobytes(text, "MemTotal")?.ok_or_else(|| absent("MemTotal"))?,
        available: kilobytes(text, "MemAvailable")?,
    })
}

/// The bytes in the line `<name>: <n> kB`, if there is such a line.
fn kilobytes(text: &str, name: &'static str) -> io::Result<Option<u64>> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let Some(value) = value else { return Ok(None) };
    let count = value.trim().strip_suffix("kB").and_then(|count| count.trim().parse::<u64>().ok());
    match count.and_then(|count| count.checked_mul(1024)) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is not in kB"))),
    }
}

fn absent(name: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tvectorizer\nVmPeak:\t  999 kB\nVmHWM:\t    3000 kB\n\
        VmRSS:\t    2000 kB\nRssAnon:\t    1200 kB\nRssFile:\t     800 kB\nRssShmem:\t       0 kB\nVmPTE:\t      36 kB\n";

    #[test]
    fn a_status_is_read_in_bytes() {
        let memory = parse_status(STATUS).unwrap();
        assert_eq!(memory.resident, 2000 << 10);
        assert_eq!(memory.resident_peak, Some(3000 << 10));
        assert_eq!(memory.anonymous, Some(1200 << 10));
        assert_eq!(memory.file, Some(800 << 10));
        assert_eq!(memory.page_tables, Some(36 << 10));
    }

    #[test]
    fn what_is_absent_is_not_zero() {
        let memory = parse_status("VmRSS: 4 kB\n").unwrap();
        assert_eq!(memory.anonymous, None);
        parse_status("VmSize: 4 kB\n").unwrap_err();
        parse_status("VmRSS: many kB\n").unwrap_err();
        parse_status("VmRSS: 4 kB\nRssAnon: 4 MB\n").unwrap_err();
        parse_meminfo("").unwrap_err();
    }

    #[test]
    fn a_meminfo_is_read_in_bytes() {
        let text = "MemTotal:       16303428 kB\nMemFree: 1 kB\nMemAvailable:   12000000 kB\n";
        let memory = parse_meminfo(text).unwrap();
        assert_eq!(memory.total, 16_303_428 << 10);
        assert_eq!(memory.available, Some(12_000_000 << 10));
    }

    #[test]
    fn this_process_is_readable() {
        let root = Path::new("/");
        let memory = process_memory(root).unwrap();
        assert!(memory.resident > 0);
        assert!(machine_memory(root).unwrap().total > memory.resident);
        let before = open_file_limit();
        assert!(before.is_none_or(|limit| limit > 0));
        let raised = raise_open_file_limit();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
        assert!(process_memory(Path::new("/nowhere")).unwrap_err().is_not_found());
    }
}
