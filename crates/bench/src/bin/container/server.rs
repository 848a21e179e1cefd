//! The server as a process in a cgroup.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use vectorizer_vfs::{Access, OsDirectory};

use crate::cgroup::Cgroup;

/// A running server, ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it said when it was ready.
    pub(crate) ready: Value,
    /// Where it writes its log lines.
    pub(crate) log: PathBuf,
}

/// How a server is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) binary: &'a Path,
    /// Where the binary is copied to, and its log lines go.
    pub(crate) scratch: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) budget: u64,
    pub(crate) group: Option<&'a Cgroup>,
    /// Further settings, each as `KEY=VALUE`.
    pub(crate) set: &'a [&'a str],
    /// Further variables of its environment.
    pub(crate) environment: &'a [(&'a str, &'a Path)],
}

impl Server {
    /// Starts a server on a folder, in a cgroup.
    ///
    /// The binary is copied and forgotten by the page cache, so that its own pages are charged to
    /// the cgroup too.
    pub(crate) fn start(start: Start<'_>) -> Result<Self> {
        let Start { binary, scratch, data, budget, group, set, environment } = start;
        let copy = scratch.join("server");
        fs::copy(binary, &copy).with_context(|| binary.display().to_string())?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        forget(scratch, "server")?;
        let log = scratch.join("server.log");
        let mut command = Command::new("/bin/sh");
        let enter = group.map_or_else(PathBuf::new, Cgroup::processes);
        command.args(["-c", r#"[ -z "$0" ] || echo $$ > "$0"; exec "$@""#]).arg(enter).arg(&copy);
        command.arg("serve").arg("--path").arg(data);
        let budget = budget.to_string();
        command.args(["--port", "0", "--output", "json", "--memory-limit", &budget]);
        for set in set {
            command.args(["--set", set]);
        }
        command.envs(environment.iter().copied());
        command.current_dir(scratch).stdin(Stdio::null()).stdout(Stdio::piped());
        let errors = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut child = command.stderr(errors).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the standard output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            child.kill().ok();
            let status = child.wait()?;
            bail!("the server ended with {status}: {line}{}", fs::read_to_string(&log)?);
        };
        let url = ready["url"].as_str().context("no url")?;
        let address = url.trim_start_matches("http://").parse()?;
        Ok(Self { child, address, ready, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many lines of its log hold a text.
    pub(crate) fn log_lines(&self, text: &str) -> Result<usize> {
        let log = fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains(text)).count())
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// It ended before, or not well, or not within two minutes.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server had ended with {status}");
        }
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        let since = Instant::now();
        while since.elapsed() < Duration::from_mins(2) {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server does not stop")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Has the page cache forget a file.
fn forget(folder: &Path, name: &str) -> Result<()> {
    let file = OsDirectory::open(folder)?.open(name, Access::Read)?;
    file.sync()?;
    file.drop_cache(0, file.len()?);
    Ok(())
}

/// A process's anonymous and all resident bytes.
pub(crate) fn resident(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kilobytes << 10)
    };
    Some((field("RssAnon:")?, field("VmRSS:")?))
}
