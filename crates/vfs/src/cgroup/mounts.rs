//! Where the process's memory cgroup lies in the file system.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::CgroupVersion;
use super::parse::{Mount, mounts, v1_group, v2_group};
use crate::error::{Result, failed};

/// A memory cgroup.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) version: CgroupVersion,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The folder of the topmost group in sight, an ancestor or the same.
    top: PathBuf,
}

impl Group {
    /// The folders from the group up to the topmost in sight.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Path> {
        self.folder.ancestors().take_while(|folder| folder.starts_with(&self.top))
    }
}

/// Finds the group of this process; none if the kernel does not count memory by groups.
pub(super) fn locate(root: &Path) -> Result<Option<Group>> {
    let path = root.join("proc/self/cgroup");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && root.join("proc/self").is_dir() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed("read", &path)(error)),
    };
    // Where both versions are mounted, memory belongs to the one that names it.
    let (version, group) = match (v1_group(&text), v2_group(&text)) {
        (Some(group), _) => (CgroupVersion::V1, group),
        (None, Some(group)) => (CgroupVersion::V2, group),
        (None, None) => return Ok(None),
    };
    let path = root.join("proc/self/mountinfo");
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let found = mounts(&text).iter().find_map(|mount| place(root, mount, version, group));
    found.map(Some).ok_or_else(|| {
        let reason = format!("no mount shows the memory cgroup {group}");
        failed("find the cgroup in", &path)(io::Error::new(io::ErrorKind::NotFound, reason))
    })
}

/// The group's folder, if this mount shows the group.
fn place(root: &Path, mount: &Mount, version: CgroupVersion, group: &str) -> Option<Group> {
    let fits = match version {
        CgroupVersion::V1 => {
            mount.kind == "cgroup" && mount.options.split(',').any(|option| option == "memory")
        }
        CgroupVersion::V2 => mount.kind == "cgroup2",
    };
    let below = Path::new(group).strip_prefix(&mount.group).ok()?;
    let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
    if !fits || !inside {
        return None;
    }
    let top = root.join(Path::new(&mount.point).strip_prefix("/").ok()?);
    let folder = if below == Path::new("") { top.clone() } else { top.join(below) };
    Some(Group { version, folder, top })
}
