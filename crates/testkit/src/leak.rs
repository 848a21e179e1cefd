//! A leak for a real process: memory that its books know nothing of, taken on a signal by a
//! library that is preloaded into it. The process itself has no door for it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("leak.c");

/// Bytes that leak.
pub const LEAKED_BYTES: u64 = 200 << 20;
/// The variable of the environment that names a library to be preloaded.
pub const PRELOAD: &str = "LD_PRELOAD";
/// The signal on which they leak.
pub const LEAK: &str = "USR2";
/// The signal on which they are given back.
pub const GIVE_BACK: &str = "USR1";

/// Compiles the library into a folder. Name it in [`PRELOAD`].
///
/// # Errors
/// There is no C compiler (`CC`, else `cc`), or it fails.
pub fn library(folder: &Path) -> io::Result<PathBuf> {
    let (source, library) = (folder.join("leak.c"), folder.join("leak.so"));
    std::fs::write(&source, SOURCE)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .output()?;
    if output.status.success() {
        return Ok(library);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{} {}: {said}", compiler.display(), output.status)))
}
