//! Telling production code from the tests beside it.

use std::ops::RangeInclusive;

use crate::token::{Token, after_group};

/// A file without its test items.
#[derive(Debug, Clone, Default)]
pub(crate) struct Production {
    pub(crate) tokens: Vec<Token>,
    /// The lines that test items cover.
    pub(crate) test_lines: Vec<RangeInclusive<usize>>,
}

impl Production {
    /// Leaves out every item under `#[cfg(test)]`.
    pub(crate) fn of(all: &[Token]) -> Self {
        let mut production = Self::default();
        let mut at = 0;
        while let Some(token) = all.get(at) {
            let inner = token.is("#") && all.get(at + 1).is_some_and(|next| next.is("!"));
            let open = if inner { at + 2 } else { at + 1 };
            let is_attribute = token.is("#") && all.get(open).is_some_and(|next| next.is("["));
            if !is_attribute || !is_test_attribute(&all[open..after_group(all, open)]) {
                production.tokens.push(token.clone());
                at += 1;
                continue;
            }
            let end = if inner { all.len() } else { after_item(all, after_group(all, open)) };
            let last = all[..end].last().map_or(token.line, |last| last.last_line);
            production.test_lines.push(token.line..=last);
            at = end;
        }
        production
    }

    /// Lines of a text that are not of test items.
    pub(crate) fn count_lines(&self, text: &str) -> usize {
        let tests: usize =
            self.test_lines.iter().map(|lines| lines.end() + 1 - lines.start()).sum();
        text.lines().count().saturating_sub(tests)
    }
}

fn is_test_attribute(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.is(word));
    has("cfg") && has("test") && !has("not")
}

/// The index after the item that starts at `at`, further attributes included.
fn after_item(tokens: &[Token], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        if token.is(";") {
            return at + 1;
        }
        if token.is("{") {
            return after_group(tokens, at);
        }
        let grouped = token.is("(") || token.is("[");
        at = if grouped { after_group(tokens, at) } else { at + 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokens;

    #[test]
    fn tests_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let production = Production::of(&tokens(text));
        let words: Vec<&str> =
            production.tokens.iter().filter(|t| t.is_word()).map(|t| t.text.as_str()).collect();
        assert_eq!(words, ["fn", "a", "fn", "c"]);
        assert_eq!(production.test_lines, [2..=5]);
        assert_eq!(production.count_lines(text), 2);
    }

    #[test]
    fn what_is_not_for_tests_stays() {
        let production = Production::of(&tokens("#[cfg(not(test))] fn a() {}"));
        assert!(production.tokens.iter().any(|token| token.is("a")));
    }
}
