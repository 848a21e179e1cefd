//! One broken rule: where, and how to mend it.

use std::fmt;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule's name, as exceptions name it.
    pub rule: &'static str,
    /// What an exception would name; it holds no line numbers, so that it lasts.
    pub key: String,
    /// File and line.
    pub place: String,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl Finding {
    /// A finding at a line of a file; line 0 means the whole file.
    pub(crate) fn new(
        rule: &'static str,
        key: impl Into<String>,
        (path, line): (&str, usize),
        what: impl Into<String>,
    ) -> Self {
        let place = if line == 0 { path.to_owned() } else { format!("{path}:{line}") };
        Self { rule, key: key.into(), place, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {}\n    except as: {} | {} | REASON",
            self.place, self.rule, self.what, self.rule, self.key
        )
    }
}
