//! A memory cgroup of our own, of either version, for one process.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where the kernel shows cgroups of version 2, and those of version 1 in a folder for each
/// controller.
const ROOT: &str = "/sys/fs/cgroup";

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
        Self::create_below(Path::new(ROOT), limit)
    }

    fn create_below(root: &Path, limit: u64) -> Result<Self> {
        let of_memory = root.join("memory");
        let (version, parent) = if of_memory.join("memory.limit_in_bytes").exists() {
            (Version::One, of_memory)
        } else {
            delegate(root).context("cannot have the memory controller for a cgroup v2")?;
            (Version::Two, root.to_path_buf())
        };
        let folder = parent.join(format!("vectorizer-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let group = Self { folder, version };
        let bound = match version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        group.write(bound, &limit.to_string())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with files as the kernel would show them.
    fn shown(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn show(group: &Cgroup, files: &[(&str, &str)]) {
        for (name, text) in files {
            fs::write(group.folder.join(name), text).unwrap();
        }
    }

    const V2: [(&str, &str); 3] = [
        ("cgroup.controllers", "cpuset cpu io memory pids\n"),
        ("cgroup.subtree_control", "cpu pids\n"),
        ("cgroup.procs", "1\n77\n"),
    ];

    #[test]
    fn version_two_is_asked_for_memory_and_read() {
        let root = shown(&V2);
        let group = Cgroup::create_below(root.path(), 123 << 20).unwrap();
        let text = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(text("cgroup.subtree_control"), "+memory");
        assert_eq!(fs::read_to_string(group.folder.join("memory.max")).unwrap(), "128974848");
        assert_eq!(group.processes(), group.folder.join("cgroup.procs"));
        show(
            &group,
            &[
                ("memory.events", "low 0\nhigh 0\nmax 17\noom 1\noom_kill 2\noom_group_kill 9\n"),
                ("memory.peak", "120000000\n"),
                ("memory.stat", "anon 5\nfile 4096\nfile_mapped 7\nkernel 9\n"),
            ],
        );
        let Counted { limit_hits, oom_kills, peak_bytes, file_bytes } = group.read().unwrap();
        assert_eq!((limit_hits, oom_kills, peak_bytes, file_bytes), (17, 2, 120_000_000, 4096));
        fs::remove_file(group.folder.join("memory.peak")).unwrap();
        assert!(
            group.read().unwrap_err().to_string().contains("cannot read"),
            "no figure is made up"
        );
    }

    #[test]
    fn version_two_that_gives_memory_already_is_left_alone() {
        let given = ("cgroup.subtree_control", "memory pids\n");
        let root = shown(&[V2[0], given, V2[2]]);
        drop(Cgroup::create_below(root.path(), 1 << 20).unwrap());
        let control = fs::read_to_string(root.path().join(given.0)).unwrap();
        assert_eq!(control, given.1);
    }

    #[test]
    fn without_a_memory_controller_there_is_no_group() {
        let root = shown(&[("cgroup.controllers", "cpu io\n"), V2[1], V2[2]]);
        let error = format!("{:#}", Cgroup::create_below(root.path(), 1 << 20).unwrap_err());
        assert!(error.contains("cgroup v2: it is not there"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3, "nothing was made");
    }

    #[test]
    fn version_one_is_read_where_it_is() {
        let root = shown(&[("memory/memory.limit_in_bytes", "max\n"), V2[0]]);
        let group = Cgroup::create_below(root.path(), 1 << 20).unwrap();
        let limit = fs::read_to_string(group.folder.join("memory.limit_in_bytes")).unwrap();
        assert_eq!(limit, "1048576");
        show(
            &group,
            &[
                ("memory.failcnt", "3\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
                ("memory.max_usage_in_bytes", "1000\n"),
                ("memory.stat", "cache 8192\nrss 9\n"),
            ],
        );
        let Counted { limit_hits, oom_kills, peak_bytes, file_bytes } = group.read().unwrap();
        assert_eq!((limit_hits, oom_kills, peak_bytes, file_bytes), (3, 1, 1000, 8192));
    }
}
