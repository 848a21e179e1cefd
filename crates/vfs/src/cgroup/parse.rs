//! The texts of the kernel's cgroup files.

use std::io;

/// From here on a version 1 limit means none; the kernel writes the largest number of pages.
const V1_UNLIMITED: u64 = 1 << 62;

/// A file with one number.
pub(super) fn count(text: &str) -> io::Result<u64> {
    let text = text.trim();
    text.parse().map_err(|error: std::num::ParseIntError| unexpected(text, &error.to_string()))
}

/// `memory.max` or `memory.high`: a number, or the word `max` for none.
pub(super) fn v2_limit(text: &str) -> io::Result<Option<u64>> {
    if text.trim() == "max" { Ok(None) } else { count(text).map(Some) }
}

/// `memory.limit_in_bytes`: a number, a huge one for none.
pub(super) fn v1_limit(text: &str) -> io::Result<Option<u64>> {
    count(text).map(v1_real)
}

/// The limit, unless it stands for none.
pub(super) fn v1_real(limit: u64) -> Option<u64> {
    (limit < V1_UNLIMITED).then_some(limit)
}

/// The number in the line `<key> <number>`, if there is such a line.
pub(super) fn keyed(text: &str, key: &str) -> io::Result<Option<u64>> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    value.map(count).transpose()
}

/// The bytes in version 2's `memory.stat` that are neither anonymous nor page cache and that the
/// kernel cannot drop: shared memory, sockets, and kernel memory without reclaimable slabs.
pub(super) fn v2_beside(text: &str) -> io::Result<u64> {
    let sum = |keys: &[&str]| -> io::Result<u64> {
        keys.iter()
            .try_fold(0_u64, |sum, key| Ok(sum.saturating_add(keyed(text, key)?.unwrap_or(0))))
    };
    let kernel = match keyed(text, "kernel")? {
        Some(all) => all.saturating_sub(sum(&["slab_reclaimable"])?),
        // Kernels before 5.18 tell the parts alone.
        None => sum(&["kernel_stack", "pagetables", "percpu", "slab_unreclaimable"])?,
    };
    Ok(kernel.saturating_add(sum(&["sock", "shmem"])?))
}

/// The group's path in `/proc/self/cgroup` by version 1's memory controller, if it is in use.
pub(super) fn v1_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|controller| controller == "memory").then_some(path)
    })
}

/// The group's path in `/proc/self/cgroup` by version 2, if it is in use.
pub(super) fn v2_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// A cgroup hierarchy's place in the file system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The group that appears at the mount point.
    pub(super) group: String,
    /// The mount point.
    pub(super) point: String,
    /// The kind of file system.
    pub(super) kind: String,
    /// Options of the file system, the controllers of version 1 among them.
    pub(super) options: String,
}

/// The cgroup mounts in `/proc/self/mountinfo`. Fields, by blanks: id, parent, device, root,
/// mount point, options, optional ones, `-`, kind, source, options of the file system.
pub(super) fn mounts(text: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let (group, point) = (unescape(mount.next()?), unescape(mount.next()?));
        let (kind, options) = (system.next()?.to_owned(), system.nth(1).unwrap_or("").to_owned());
        kind.starts_with("cgroup").then_some(Mount { group, point, kind, options })
    };
    text.lines().filter_map(parse).collect()
}

/// Undoes the kernel's octal escapes of blank, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

fn unexpected(text: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{text:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_know_none() {
        assert_eq!(v2_limit("max\n").unwrap(), None);
        assert_eq!(v2_limit("1048576\n").unwrap(), Some(1 << 20));
        v2_limit("").unwrap_err();
        v2_limit("-1\n").unwrap_err();
        assert_eq!(v1_limit("9223372036854771712\n").unwrap(), None);
        assert_eq!(v1_limit("18446744073709551615\n").unwrap(), None);
        assert_eq!(v1_limit("1048576\n").unwrap(), Some(1 << 20));
    }

    #[test]
    fn keys_are_whole_words() {
        let text = "anon_thp 5\nanon 7\nfile 9\nfile_mapped x\n";
        assert_eq!(keyed(text, "anon").unwrap(), Some(7));
        assert_eq!(keyed(text, "slab").unwrap(), None);
        keyed(text, "file_mapped").unwrap_err();
    }

    #[test]
    fn groups_are_found_by_version() {
        let v1 = "9:name=systemd:/\n4:cpu,memory:/a/b:c\n0::/\n";
        assert_eq!(v1_group(v1), Some("/a/b:c"));
        assert_eq!(v2_group(v1), Some("/"));
        let v2 = "0::/user.slice/session\n";
        assert_eq!((v1_group(v2), v2_group(v2)), (None, Some("/user.slice/session")));
    }

    #[test]
    fn mounts_are_found_among_others() {
        let text = "22 1 0:20 / /proc rw - proc proc rw\n\
            30 25 0:26 /docker/x /sys/fs/cgroup/memory ro,nosuid master:9 - cgroup cgroup rw,memory\n\
            31 25 0:27 / /with\\040blank rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = mounts(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].group, "/docker/x");
        assert_eq!(found[0].options, "rw,memory");
        assert_eq!(found[1].point, "/with blank");
        assert_eq!(found[1].kind, "cgroup2");
    }
}
