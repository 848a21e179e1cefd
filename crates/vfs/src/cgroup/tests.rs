//! Made-up trees of cgroups.

use super::*;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(cgroup: &str, mountinfo: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.put("proc/self/cgroup", cgroup).put("proc/self/mountinfo", mountinfo);
        tree
    }

    fn put(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn read(&self) -> Result<Option<CgroupMemory>> {
        cgroup_memory(self.0.path())
    }
}

const V2_MOUNT: &str = "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const V1_MOUNT: &str = "30 25 0:26 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

#[test]
fn the_smallest_limit_on_the_way_up_counts() {
    let tree = Tree::new("0::/pod/box\n", V2_MOUNT);
    tree.put("sys/fs/cgroup/pod/box/memory.max", "max\n")
        .put("sys/fs/cgroup/pod/box/memory.current", "100\n")
        .put("sys/fs/cgroup/pod/box/memory.stat", "anon 60\nfile 40\n")
        .put("sys/fs/cgroup/pod/box/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n")
        .put("sys/fs/cgroup/pod/memory.max", "5000\n")
        .put("sys/fs/cgroup/pod/memory.high", "4000\n")
        .put("sys/fs/cgroup/pod/memory.current", "300\n");
    let memory = tree.read().unwrap().unwrap();
    assert_eq!(memory.version, CgroupVersion::V2);
    let limit = memory.limit.unwrap();
    assert_eq!((limit.bytes, limit.usage), (5000, Some(300)));
    assert!(limit.folder.ends_with("pod"));
    assert_eq!(memory.throttle, Some(4000));
    assert_eq!((memory.usage, memory.anonymous, memory.file), (Some(100), Some(60), Some(40)));
    assert_eq!((memory.limit_hits, memory.kills), (Some(3), Some(1)));
}

#[test]
fn the_topmost_group_has_no_files_and_no_limit() {
    let tree = Tree::new("0::/\n", V2_MOUNT);
    tree.put("sys/fs/cgroup/cgroup.procs", "");
    let memory = tree.read().unwrap().unwrap();
    assert_eq!((memory.limit, memory.usage), (None, None));
}

#[test]
fn version_1_is_read_through_the_containers_mount() {
    let tree = Tree::new("4:memory:/docker/x\n0::/\n", &format!("{V2_MOUNT}{V1_MOUNT}"));
    let stat = "rss 1\nhierarchical_memory_limit 7000\ntotal_rss 60\ntotal_cache 40\n";
    tree.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        .put("sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n")
        .put("sys/fs/cgroup/memory/memory.stat", stat)
        .put("sys/fs/cgroup/memory/memory.failcnt", "2\n")
        .put("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\noom_kill 4\n");
    let memory = tree.read().unwrap().unwrap();
    assert_eq!(memory.version, CgroupVersion::V1);
    assert_eq!(memory.limit.unwrap().bytes, 7000);
    assert_eq!((memory.usage, memory.anonymous, memory.file), (Some(100), Some(60), Some(40)));
    assert_eq!((memory.limit_hits, memory.kills), (Some(2), Some(4)));
}

#[test]
fn what_cannot_be_read_is_not_unlimited() {
    let garbled = Tree::new("0::/box\n", V2_MOUNT);
    garbled.put("sys/fs/cgroup/box/memory.max", "lots\n");
    garbled.read().unwrap_err();

    let gone = Tree::new("0::/box\n", V2_MOUNT);
    gone.put("sys/fs/cgroup/cgroup.procs", "");
    gone.read().unwrap_err();

    Tree::new("0::/box\n", "").read().unwrap_err();
    Tree::new("0::/../box\n", V2_MOUNT).read().unwrap_err();
    cgroup_memory(Path::new("/nowhere")).unwrap_err();
}

#[test]
fn a_kernel_without_cgroups_has_no_reading() {
    let tree = Tree(tempfile::tempdir().unwrap());
    tree.put("proc/self/status", "");
    assert_eq!(tree.read().unwrap(), None);
    assert_eq!(Tree::new("9:name=systemd:/\n", "").read().unwrap(), None);
}
