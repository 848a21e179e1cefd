//! What may name a folder's member.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Result, failed};

/// The path of `name` within `directory`, if `name` is a single path component.
pub(crate) fn member(call: &'static str, directory: &Path, name: &str) -> Result<PathBuf> {
    let single = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    if single {
        Ok(directory.join(name))
    } else {
        let reason = "a name is a single path component";
        let source = io::Error::new(io::ErrorKind::InvalidInput, reason);
        Err(failed(call, &directory.join(name))(source))
    }
}
