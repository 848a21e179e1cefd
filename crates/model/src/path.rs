//! Paths into payloads: `a.b`, `a[].b`, `a[0]`, `"a.b".c`.
//!
//! A path is keys joined by dots; any number of `[]` (every element) or `[3]` (one element) may
//! follow a key. A key is written plainly, or between double quotes if it is empty or holds one of
//! `.`, `[`, `]`, `"`; a quote within quotes is doubled. Keys are taken as they are: no escapes, no
//! trimming.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::limits;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathStep {
    /// The value of a key.
    Key(Box<str>),
    /// Every element of a list.
    AnyElement,
    /// One element of a list.
    Index(u32),
}

/// A path into a payload: at least one step, the first of them a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath {
    steps: Vec<PathStep>,
}

/// A text that is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a payload path: {fault} at byte {at}")]
pub struct KeyPathError {
    /// What was given.
    pub text: String,
    /// Byte offset of the fault in the text.
    pub at: usize,
    /// What is wrong there.
    pub fault: KeyPathFault,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyPathFault {
    /// A key must stand here.
    #[error("a key is missing (write an empty one as `\"\"`)")]
    KeyMissing,
    /// A quoted key does not end.
    #[error("the quote that opens a key is not closed")]
    QuoteOpen,
    /// A bracket does not end.
    #[error("`[` is not closed by `]`")]
    BracketOpen,
    /// The text between brackets is neither empty nor a list position.
    #[error("`[]` or a list position such as `[0]` is expected")]
    IndexInvalid,
    /// After a key or bracket only `.`, `[` or the end may follow.
    #[error("`.`, `[` or the end of the path is expected")]
    SeparatorMissing,
    /// More than [`limits::DEPTH_MAX`] steps.
    #[error("the path has more than {} steps", limits::DEPTH_MAX)]
    TooDeep,
}

impl KeyPath {
    /// The path of one plain key at the top, taken as it is: dots and brackets belong to the key.
    pub fn key(key: &str) -> Self {
        Self { steps: vec![PathStep::Key(key.into())] }
    }

    /// The path of these steps, if there are 1 to [`limits::DEPTH_MAX`] and the first is a key.
    pub fn from_steps(mut steps: Vec<PathStep>) -> Option<Self> {
        steps.shrink_to_fit();
        let starts_with_key = matches!(steps.first(), Some(PathStep::Key(_)));
        (starts_with_key && steps.len() <= limits::DEPTH_MAX).then_some(Self { steps })
    }

    /// The steps from the top: at least one, the first of them a key.
    pub fn steps(&self) -> &[PathStep] {
        &self.steps
    }

    /// The key of the first step.
    pub fn first_key(&self) -> &str {
        match self.steps.first() {
            Some(PathStep::Key(key)) => key,
            _ => "",
        }
    }
}

impl FromStr for KeyPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { text, at: 0 };
        let refused = |(at, fault)| KeyPathError { text: text.to_owned(), at, fault };
        let mut steps = parser.steps().map_err(refused)?;
        steps.shrink_to_fit();
        Ok(Self { steps })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            match step {
                PathStep::Key(key) => {
                    if position > 0 {
                        f.write_char('.')?;
                    }
                    show_key(key, f)?;
                }
                PathStep::AnyElement => f.write_str("[]")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn show_key(key: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !key.is_empty() && !key.contains(is_special) {
        return f.write_str(key);
    }
    f.write_char('"')?;
    for (position, part) in key.split('"').enumerate() {
        if position > 0 {
            f.write_str("\"\"")?;
        }
        f.write_str(part)?;
    }
    f.write_char('"')
}

fn is_special(character: char) -> bool {
    matches!(character, '.' | '[' | ']' | '"')
}

type Fault = (usize, KeyPathFault);

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn steps(&mut self) -> Result<Vec<PathStep>, Fault> {
        let mut steps = vec![self.key()?];
        while !self.rest().is_empty() {
            if steps.len() == limits::DEPTH_MAX {
                return Err((self.at, KeyPathFault::TooDeep));
            }
            steps.push(self.step()?);
        }
        Ok(steps)
    }

    fn step(&mut self) -> Result<PathStep, Fault> {
        match self.rest().chars().next() {
            Some('.') => {
                self.at += 1;
                self.key()
            }
            Some('[') => self.bracket(),
            _ => Err((self.at, KeyPathFault::SeparatorMissing)),
        }
    }

    fn key(&mut self) -> Result<PathStep, Fault> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('"') {
            return self.quoted_key(quoted);
        }
        let end = rest.find(is_special).unwrap_or(rest.len());
        if end == 0 {
            return Err((self.at, KeyPathFault::KeyMissing));
        }
        self.at += end;
        Ok(PathStep::Key(rest[..end].into()))
    }

    /// `quoted` is what follows the opening quote.
    fn quoted_key(&mut self, quoted: &str) -> Result<PathStep, Fault> {
        let mut key = String::new();
        let mut rest = quoted;
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                return Err((self.at, KeyPathFault::QuoteOpen));
            };
            key.push_str(part);
            let Some(after_doubled) = after.strip_prefix('"') else {
                self.at = self.text.len() - after.len();
                return Ok(PathStep::Key(key.into()));
            };
            key.push('"');
            rest = after_doubled;
        }
    }

    fn bracket(&mut self) -> Result<PathStep, Fault> {
        let inside = &self.rest()[1..];
        let Some(end) = inside.find(']') else {
            return Err((self.at, KeyPathFault::BracketOpen));
        };
        let digits = &inside[..end];
        let step = if digits.is_empty() {
            PathStep::AnyElement
        } else if let Some(index) = parse_index(digits) {
            PathStep::Index(index)
        } else {
            return Err((self.at + 1, KeyPathFault::IndexInvalid));
        };
        self.at += end + 2;
        Ok(step)
    }
}

fn parse_index(digits: &str) -> Option<u32> {
    let decimal = digits.bytes().all(|b| b.is_ascii_digit());
    decimal.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathStep::{AnyElement, Index};

    fn key(text: &str) -> PathStep {
        PathStep::Key(text.into())
    }

    #[test]
    fn every_form_is_read_and_shown_again() {
        for (text, steps) in [
            ("a", vec![key("a")]),
            ("a.b", vec![key("a"), key("b")]),
            ("a[].b", vec![key("a"), AnyElement, key("b")]),
            ("a[0].b", vec![key("a"), Index(0), key("b")]),
            ("a[0][]", vec![key("a"), Index(0), AnyElement]),
            ("a[].b[].c", vec![key("a"), AnyElement, key("b"), AnyElement, key("c")]),
            ("\"a.b\".c", vec![key("a.b"), key("c")]),
            ("a.\"[]\"[7]", vec![key("a"), key("[]"), Index(7)]),
            ("\"\"", vec![key("")]),
            ("\"say \"\"hi\"\"\"", vec![key("say \"hi\"")]),
            ("snake_case.kebab-case.\u{3b1} 1", {
                vec![key("snake_case"), key("kebab-case"), key("\u{3b1} 1")]
            }),
            ("a[4294967295]", vec![key("a"), Index(u32::MAX)]),
        ] {
            let path: KeyPath = text.parse().unwrap();
            assert_eq!(path.steps(), steps, "{text}");
            assert_eq!(path.to_string(), text);
            assert_eq!(KeyPath::from_steps(steps), Some(path));
        }
    }

    #[test]
    fn faults_are_named_with_their_place() {
        use KeyPathFault as Fault;
        for (text, at, fault) in [
            ("", 0, Fault::KeyMissing),
            (".a", 0, Fault::KeyMissing),
            ("a.", 2, Fault::KeyMissing),
            ("a..b", 2, Fault::KeyMissing),
            ("[0]", 0, Fault::KeyMissing),
            ("a.[0]", 2, Fault::KeyMissing),
            ("a.\"b", 2, Fault::QuoteOpen),
            ("\"a\"\"", 0, Fault::QuoteOpen),
            ("\"a\"b", 3, Fault::SeparatorMissing),
            ("a[0]b", 4, Fault::SeparatorMissing),
            ("a]", 1, Fault::SeparatorMissing),
            ("a\"b\"", 1, Fault::SeparatorMissing),
            ("a[", 1, Fault::BracketOpen),
            ("a[-1]", 2, Fault::IndexInvalid),
            ("a[+1]", 2, Fault::IndexInvalid),
            ("a[*]", 2, Fault::IndexInvalid),
            ("a[4294967296]", 2, Fault::IndexInvalid),
        ] {
            let error = text.parse::<KeyPath>().unwrap_err();
            assert_eq!((error.at, error.fault), (at, fault), "{text}");
            assert_eq!(error.text, text);
        }
        let error = "a[x]".parse::<KeyPath>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a[x]` is not a payload path: `[]` or a list position such as `[0]` is expected at byte 2"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deepest = vec!["k"; limits::DEPTH_MAX].join(".");
        assert_eq!(deepest.parse::<KeyPath>().unwrap().steps().len(), limits::DEPTH_MAX);
        let error = format!("{deepest}[]").parse::<KeyPath>().unwrap_err();
        assert_eq!((error.at, error.fault), (deepest.len(), KeyPathFault::TooDeep));
        assert_eq!(KeyPath::from_steps(vec![AnyElement]), None);
        assert_eq!(KeyPath::from_steps(Vec::new()), None);
    }

    #[test]
    fn a_plain_key_is_taken_as_it_is() {
        let path = KeyPath::key("a.b[]\"");
        assert_eq!(path.first_key(), "a.b[]\"");
        assert_eq!(path.to_string().parse(), Ok(path));
    }
}
