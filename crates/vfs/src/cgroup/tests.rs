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

/// A group of version 2 with a limit, and this process alone in it.
fn own_group() -> Tree {
    let tree = Tree::new("0::/box\n", V2_MOUNT);
    tree.put("sys/fs/cgroup/box/memory.max", "5000\n").put("sys/fs/cgroup/box/cgroup.procs", "7\n");
    tree
}

fn beside(tree: &Tree) -> Result<Option<u64>> {
    tree.read().unwrap().unwrap().beside(tree.0.path())
}

#[test]
fn what_is_neither_anonymous_nor_cache_is_counted() {
    let tree = own_group();
    let stat = "anon 1000\nfile 2000\nkernel 700\nkernel_stack 16\npagetables 32\nsock 40\n\
                shmem 5\nslab_reclaimable 600\nslab_unreclaimable 8\nslab 608\n";
    tree.put("sys/fs/cgroup/box/memory.stat", stat);
    assert_eq!(beside(&tree).unwrap(), Some(100 + 40 + 5));
    // As older kernels tell it.
    let stat = stat.replace("kernel 700\n", "percpu 3\n");
    tree.put("sys/fs/cgroup/box/memory.stat", &stat);
    assert_eq!(beside(&tree).unwrap(), Some(16 + 32 + 3 + 8 + 40 + 5));
    tree.put("sys/fs/cgroup/box/memory.stat", "sock many\n");
    beside(&tree).unwrap_err();
}

#[test]
fn version_1_tells_shared_memory_and_sockets_and_the_process_its_page_tables() {
    let tree = Tree::new("4:memory:/docker/x\n", V1_MOUNT);
    let stat = "shmem 1\nhierarchical_memory_limit 7000\ntotal_rss 60\ntotal_shmem 9\n";
    tree.put("sys/fs/cgroup/memory/memory.stat", stat)
        .put("sys/fs/cgroup/memory/memory.kmem.usage_in_bytes", "9999\n")
        .put("sys/fs/cgroup/memory/memory.kmem.tcp.usage_in_bytes", "40\n")
        .put("sys/fs/cgroup/memory/cgroup.procs", "1\n")
        .put("proc/self/status", "VmRSS: 8 kB\nVmPTE: 2 kB\n");
    assert_eq!(beside(&tree).unwrap(), Some(9 + 40 + 2048));
}

#[test]
fn a_group_that_is_shared_or_unbounded_is_nobodys_to_answer_for() {
    let tree = own_group();
    tree.put("sys/fs/cgroup/box/memory.stat", "sock 40\n");
    assert_eq!(beside(&tree).unwrap(), Some(40));
    tree.put("sys/fs/cgroup/box/cgroup.procs", "7\n8\n");
    assert_eq!(beside(&tree).unwrap(), None);
    tree.put("sys/fs/cgroup/box/cgroup.procs", "7\n").put("sys/fs/cgroup/box/memory.max", "max\n");
    assert_eq!(beside(&tree).unwrap(), None);
    // What is gone is no group without members.
    let memory = tree.read().unwrap().unwrap();
    fs::remove_file(tree.0.path().join("sys/fs/cgroup/box/cgroup.procs")).unwrap();
    memory.beside(tree.0.path()).unwrap_err();
}
