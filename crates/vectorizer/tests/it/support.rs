//! Servers and commands as processes, and the data they are given.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary, in a folder where no configuration file is.
pub(crate) fn vectorizer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectorizer"));
    command.args(arguments).current_dir(std::env::temp_dir()).stdin(Stdio::null());
    let ours = ["VECTORIZER_", "CACHE_", "CLUSTER_ENABLED", "NODE_ID", "SEED_NODES"];
    let is_ours = |name: &str| ours.iter().any(|ours| name.starts_with(ours));
    for (name, _) in std::env::vars().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    vectorizer(arguments).output().expect("the binary runs")
}

/// Runs a command that must succeed and answer with JSON, one value a line.
pub(crate) fn answers(arguments: &[&str]) -> Vec<Value> {
    let output = run(&[arguments, &["--output", "json"]].concat());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Runs a command that must succeed and answer with one JSON value.
pub(crate) fn answer(arguments: &[&str]) -> Value {
    let mut all = answers(arguments);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server of its own, killed when the test forgets it.
pub(crate) struct Server {
    pub(crate) child: Child,
    /// What it says when it is ready.
    pub(crate) ready: Value,
    pub(crate) url: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on a folder, and kills it after a while, ready or not.
    pub(crate) fn start_and_kill(folder: &Path, further: &[&str], after: Duration) {
        let mut child = Self::spawn(Self::command(folder, further));
        std::thread::sleep(after);
        child.kill().expect("it was running");
        child.wait().expect("it ends");
    }

    /// The command that starts a server on a folder.
    pub(crate) fn command(folder: &Path, further: &[&str]) -> Command {
        let path = folder.to_str().expect("UTF-8");
        let serve = ["serve", "--path", path, "--port", "0", "--output", "json"];
        vectorizer(&[&serve[..], further].concat())
    }

    fn spawn(mut command: Command) -> Child {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Starts a server on a folder and waits until it is ready.
    pub(crate) fn start(folder: &Path, further: &[&str]) -> Self {
        Self::start_command(Self::command(folder, further))
    }

    /// Starts a server by a command that answers with JSON, and waits until it is ready.
    pub(crate) fn start_command(command: Command) -> Self {
        let mut child = Self::spawn(command);
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("readable");
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let mut said = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut said).expect("readable");
            panic!("the server did not start: {line}{said}");
        };
        let url = ready["url"].as_str().expect("a URL").to_owned();
        Self { child, ready, url, stdout }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Asks it to stop and says how it ended, with all that it said on the standard error.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        let mut said = String::new();
        let mut err = self.child.stderr.take().expect("piped");
        err.read_to_string(&mut said).expect("readable");
        self.stdout.read_to_string(&mut said).expect("readable");
        (status.code(), said)
    }

    /// Kills it as the kernel does when memory runs out.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.expect("kill is there").success());
}

/// Waits until something is so, for half a minute.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(30), "{what}: not within half a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A generator of numbers that depend on the seed alone (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from -1 to 1 of three digits, which singles and doubles show alike.
    pub(crate) fn component(&mut self) -> f64 {
        (self.below(2001) as f64 - 1000.0) / 1000.0
    }
}

/// The bytes of a `.npy` file.
pub(crate) fn npy(descr: &str, rows: usize, dim: usize, data: &[u8]) -> Vec<u8> {
    let head =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let padded = (10 + head.len() + 1).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(padded).expect("short").to_le_bytes());
    file.extend(format!("{head:<width$}\n", width = padded - 1).as_bytes());
    file.extend(data);
    file
}
