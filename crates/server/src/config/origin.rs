//! Where a setting's value came from.

use std::fmt;
use std::path::PathBuf;

/// Where a setting's value came from. Later variants outrank earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// Nobody gave it.
    #[default]
    Default,
    /// A line of the configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line, counted from 1; 0 if unknown.
        line: u64,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl Origin {
    /// The source without its place: `default`, `file`, `environment` or `flag`.
    pub fn layer(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// Its rank: the highest wins.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value as a source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// The key's path, such as `server.rest_port`.
    pub(super) path: String,
    /// The value as text.
    pub(super) text: Text,
    /// Who gave it.
    pub(super) origin: Origin,
}

/// A value's text, and whether its source meant a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// Written as text, or in a source that knows only texts.
    Plain(String),
    /// Written as a number or truth value, and shown here as text.
    Typed(String),
    /// Nothing at all.
    Empty,
    /// A list of texts; what else stands in it is shown as `{..}`.
    List(Vec<String>),
}

impl Text {
    /// The text, whatever it was meant to be.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Typed(text) => text,
            Self::Empty => "",
            Self::List(_) => "[..]",
        }
    }
}
