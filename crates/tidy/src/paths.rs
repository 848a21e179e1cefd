//! The paths that Rust code names: `use` trees flattened, and paths inside of expressions.

use crate::token::Token;

/// One path as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) segments: Vec<String>,
    /// What `use` calls it; the last segment unless renamed.
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Whether a `use` names it.
    pub(crate) is_use: bool,
}

impl NamedPath {
    /// Whether it is this path or leads through it.
    pub(crate) fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(|(a, b)| a == b)
    }
}

/// All paths of two or more segments, and all that `use` names.
pub(crate) fn paths(tokens: &[Token]) -> Vec<NamedPath> {
    let mut reader = PathReader { tokens, at: 0, found: Vec::new() };
    reader.read();
    reader.found
}

struct PathReader<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<NamedPath>,
}

impl PathReader<'_> {
    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(text))
    }

    fn at_separator(&self) -> bool {
        self.is(0, ":") && self.is(1, ":")
    }

    fn read(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("use") && !self.is(1, "<") {
                self.at += 1;
                self.use_tree(&[]);
            } else if token.is_word() {
                self.expression_path();
            } else {
                self.at += 1;
            }
        }
    }

    fn expression_path(&mut self) {
        let line = self.tokens[self.at].line;
        let segments = self.segments();
        if segments.len() > 1 {
            let name = segments.last().cloned().unwrap_or_default();
            self.found.push(NamedPath { segments, name, line, is_use: false });
        }
    }

    /// Words joined by `::`; stops before a group, a glob or arguments.
    fn segments(&mut self) -> Vec<String> {
        let mut segments = Vec::new();
        while let Some(token) = self.tokens.get(self.at).filter(|token| token.is_word()) {
            segments.push(token.text.clone());
            self.at += 1;
            let more = self.tokens.get(self.at + 2).is_some_and(Token::is_word);
            if !self.at_separator() || !more {
                break;
            }
            self.at += 2;
        }
        segments
    }

    fn use_tree(&mut self, prefix: &[String]) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        if self.at_separator() {
            self.at += 2;
        }
        let mut segments = prefix.to_vec();
        segments.extend(self.segments());
        if self.at_separator() {
            self.at += 2;
        }
        if self.is(0, "{") {
            self.at += 1;
            while self.at < self.tokens.len() && !self.is(0, "}") {
                self.use_tree(&segments);
                if self.is(0, ",") {
                    self.at += 1;
                }
            }
            self.at += 1;
            return;
        }
        if self.is(0, "*") {
            self.at += 1;
            segments.push("*".to_owned());
        }
        if segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let mut name = segments.last().cloned().unwrap_or_default();
        if self.is(0, "as") {
            name = self.tokens.get(self.at + 1).map_or(name, |token| token.text.clone());
            self.at += 2;
        }
        if segments.len() == prefix.len() && !self.is(0, ",") && !self.is(0, "}") {
            // Nothing that a path could be made of; go on behind it.
            self.at += 1;
        }
        self.found.push(NamedPath { segments, name, line, is_use: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokens;

    fn written(text: &str) -> Vec<String> {
        paths(&tokens(text)).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_flattened() {
        let text = "use std::{fs, io::{self, Read as R}, net::*}; pub use crate::a::B;";
        let expected = ["std::fs", "std::io", "std::io::Read", "std::net::*", "crate::a::B"];
        assert_eq!(written(text), expected);
    }

    #[test]
    fn expressions_are_read_too() {
        let text = "fn f() -> io::Result<()> { crate::a::b(x::<u8>(), super::c::D { e: 1 }) }";
        assert_eq!(written(text), ["io::Result", "crate::a::b", "super::c::D"]);
    }
}
