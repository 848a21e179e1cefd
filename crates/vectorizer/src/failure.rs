//! Why a command failed, as an exit code. See `docs/users/cli.md`.

use std::fmt;

/// What kind of failure it is; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Wrong usage, configuration or input, or this machine refused.
    Usage = 1,
    /// Data is damaged, or what is there is not what should be.
    Damage = 2,
    /// No server answers.
    Unreachable = 3,
    /// The server refused.
    Refused = 4,
}

/// A failure that knows its exit code; any other error is [`Kind::Usage`].
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The exit code of any error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(Kind::Usage, |failure| failure.kind) as u8
}
