//! A memory cgroup of our own, of either version, for one process.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const V1: &str = "/sys/fs/cgroup/memory";
const V2: &str = "/sys/fs/cgroup";

/// A cgroup with a limit, removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// What the kernel counted for a cgroup.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Counted {
    /// Times that the limit was met.
    pub(crate) limit_hits: u64,
    /// Processes that were ended for lack of memory.
    pub(crate) oom_kills: u64,
    /// The most that was ever charged, page cache included.
    pub(crate) peak_bytes: u64,
    /// Bytes of files now.
    pub(crate) file_bytes: u64,
}

impl Cgroup {
    /// Makes a cgroup that may hold `limit` bytes.
    ///
    /// # Errors
    /// There is no memory controller, or it may not be used.
    pub(crate) fn create(limit: u64) -> Result<Self> {
        let version = if Path::new(V1).join("memory.limit_in_bytes").exists() {
            Version::One
        } else {
            Version::Two
        };
        let parent = Path::new(if version == Version::One { V1 } else { V2 });
        if version == Version::Two {
            delegate(parent).context("cannot have the memory controller for a cgroup v2")?;
        }
        let folder = parent.join(format!("vectorizer-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let group = Self { folder, version };
        let bounds: &[&str] = match version {
            Version::One => &["memory.limit_in_bytes"],
            Version::Two => &["memory.max"],
        };
        for name in bounds {
            group.write(name, &limit.to_string())?;
        }
        Ok(group)
    }

    /// The file that takes the number of a process that moves in.
    pub(crate) fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    pub(crate) fn read(&self) -> Result<Counted> {
        Ok(match self.version {
            Version::One => Counted {
                limit_hits: self.text("memory.failcnt")?.trim().parse()?,
                oom_kills: self.field("memory.oom_control", "oom_kill")?,
                peak_bytes: self.text("memory.max_usage_in_bytes")?.trim().parse()?,
                file_bytes: self.field("memory.stat", "cache")?,
            },
            Version::Two => Counted {
                limit_hits: self.field("memory.events", "max")?,
                oom_kills: self.field("memory.events", "oom_kill")?,
                peak_bytes: self.text("memory.peak")?.trim().parse()?,
                file_bytes: self.field("memory.stat", "file")?,
            },
        })
    }

    fn field(&self, file: &str, name: &str) -> Result<u64> {
        let text = self.text(file)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(key, _)| *key == name);
        let (_, value) = found.with_context(|| format!("{file} has no line {name}"))?;
        Ok(value.trim().parse()?)
    }

    fn text(&self, file: &str) -> Result<String> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that is being ended may still be in it.
        for _ in 0..50 {
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// Gives the memory controller to children of the root. A group with processes of its own cannot
/// give it, so they move into a child first.
fn delegate(root: &Path) -> Result<()> {
    let controllers = fs::read_to_string(root.join("cgroup.controllers"))?;
    ensure!(controllers.split_whitespace().any(|name| name == "memory"), "it is not there");
    let control = root.join("cgroup.subtree_control");
    if fs::read_to_string(&control)?.split_whitespace().any(|name| name == "memory") {
        return Ok(());
    }
    if fs::write(&control, "+memory").is_ok() {
        return Ok(());
    }
    let leaf = root.join("everything-else");
    fs::create_dir_all(&leaf)?;
    for process in fs::read_to_string(root.join("cgroup.procs"))?.lines() {
        // One that ended meanwhile is no loss.
        fs::write(leaf.join("cgroup.procs"), process).ok();
    }
    Ok(fs::write(&control, "+memory")?)
}
