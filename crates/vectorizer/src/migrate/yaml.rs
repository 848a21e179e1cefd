//! Changing values in the text of a YAML file and nothing else: comments, order and sections that
//! nobody knows stay as they are.
//!
//! It understands mappings in block style, one key to a line. Whoever uses it reads the outcome and
//! compares it with what was there.

use anyhow::bail;

/// Spaces of a level where nothing shows how many there are.
const INDENT: usize = 2;

/// The lines of a file.
#[derive(Debug, Clone)]
pub(super) struct Lines(Vec<Line>);

#[derive(Debug, Clone)]
struct Line {
    /// Which line of the file it was, from 0, unless it is new.
    from: Option<usize>,
    text: String,
}

/// A key and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The line of the key, from 0.
    pub(super) line: usize,
    /// Behind the last line of its value.
    pub(super) end: usize,
    pub(super) indent: usize,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.lines().enumerate();
        Self(lines.map(|(at, text)| Line { from: Some(at), text: text.to_owned() }).collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }

    /// Each line, and which one of the file it was.
    pub(super) fn origins(&self) -> impl Iterator<Item = (Option<usize>, &str)> {
        self.0.iter().map(|line| (line.from, line.text.as_str()))
    }

    pub(super) fn get(&self, line: usize) -> &str {
        self.0.get(line).map_or("", |line| &line.text)
    }

    /// Puts new lines in the place of others.
    pub(super) fn replace(&mut self, lines: std::ops::Range<usize>, by: Vec<String>) {
        self.0.splice(lines, by.into_iter().map(|text| Line { from: None, text }));
    }

    /// Where a key stands.
    pub(super) fn find(&self, path: &[&str]) -> Option<Place> {
        let mut within = self.root();
        let mut found = None;
        for part in path {
            let place = self.child(within, part)?;
            within = (place.line + 1, place.end, place.indent + 1);
            found = Some(place);
        }
        found
    }

    /// Gives a key a value, making it and its sections if they are not there.
    ///
    /// # Errors
    /// A section is written in a style that is not understood.
    pub(super) fn set(&mut self, path: &[&str], value: &str) -> anyhow::Result<()> {
        let mut within = self.root();
        for (depth, part) in path.iter().enumerate() {
            let last = depth + 1 == path.len();
            let Some(place) = self.child(within, part) else {
                self.insert(within, &path[depth..], value);
                return Ok(());
            };
            let (head, old, comment) = parts(self.get(place.line));
            if last {
                let gap = if comment.is_empty() { "" } else { "  " };
                self.0[place.line].text = format!("{head} {value}{gap}{comment}");
                return Ok(());
            }
            match old {
                "" => {}
                "{}" | "~" | "null" => {
                    let gap = if comment.is_empty() { "" } else { "  " };
                    self.0[place.line].text = format!("{head}{gap}{comment}");
                }
                _ => bail!(
                    "line {} has `{}` on one line; write its settings below it, one on each line",
                    place.line + 1,
                    path[..=depth].join(".")
                ),
            }
            within = (place.line + 1, place.end, place.indent + 1);
        }
        Ok(())
    }

    /// The whole file: its first line, the one behind its last, and the least indent of its keys.
    fn root(&self) -> (usize, usize, usize) {
        let end =
            self.0.iter().position(|line| line.text.trim_end() == "...").unwrap_or(self.0.len());
        (0, end, 0)
    }

    /// A key among the keys of a section.
    fn child(&self, (from, end, least): (usize, usize, usize), key: &str) -> Option<Place> {
        let indent = self.indent_within((from, end, least))?;
        let line = (from..end).find(|&at| {
            let line = self.get(at);
            is_content(line) && indent_of(line) == indent && key_of(line) == Some(key)
        })?;
        Some(Place { line, end: self.end_of(line, end, indent), indent })
    }

    /// The indent of a section's keys; none if it has none.
    fn indent_within(&self, (from, end, least): (usize, usize, usize)) -> Option<usize> {
        let first = (from..end).map(|at| self.get(at)).find(|line| is_content(line))?;
        let indent = indent_of(first);
        (indent >= least).then_some(indent)
    }

    /// Behind the last line that belongs to a key, comments and blank lines after it left out.
    fn end_of(&self, line: usize, end: usize, indent: usize) -> usize {
        let belongs = |text: &str| {
            indent_of(text) > indent || (indent_of(text) == indent && text.trim().starts_with("- "))
        };
        let mut last = line + 1;
        for at in line + 1..end {
            let text = self.get(at);
            if !is_content(text) {
                continue;
            }
            if !belongs(text) {
                break;
            }
            last = at + 1;
        }
        last
    }

    /// Adds a key with its sections behind the last key of a section.
    fn insert(&mut self, within: (usize, usize, usize), path: &[&str], value: &str) {
        let (from, end, least) = within;
        let beside = self.indent_within(within);
        let indent = beside.unwrap_or(if least == 0 { 0 } else { least - 1 + INDENT });
        let content = |at: &usize| is_content(self.get(*at));
        let mut at = (from..end).rev().find(content).map_or(from, |last| last + 1);
        let mut lines = Vec::new();
        if least == 0 && beside.is_some() {
            lines.push(String::new());
        } else if beside.is_none() && least == 0 {
            at = end;
        }
        for (depth, part) in path.iter().enumerate() {
            let value = if depth + 1 == path.len() { format!(" {value}") } else { String::new() };
            lines.push(format!("{}{part}:{value}", " ".repeat(indent + depth * INDENT)));
        }
        self.replace(at..at, lines);
    }
}

/// Neither blank nor a comment nor a mark between documents.
pub(super) fn is_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && text != "---" && !text.starts_with('%')
}

pub(super) fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The key of a line, without quotes.
fn key_of(line: &str) -> Option<&str> {
    let text = line.trim_start();
    let (key, rest) = text.split_once(':')?;
    let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r']);
    ends.then(|| key.trim_matches(['"', '\'']))
}

/// A line's key with its colon, its value, and its comment.
pub(super) fn parts(line: &str) -> (&str, &str, &str) {
    let (head, rest) = line.split_at(line.find(':').map_or(line.len(), |at| at + 1));
    let (value, comment) = split_comment(rest);
    (head, value.trim(), comment)
}

/// What stands before a comment, and the comment.
pub(super) fn split_comment(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '[' | '{' | ',') => {
                quote = Some(c);
            }
            None if c == '#' && matches!(before, ' ' | '\t') => return text.split_at(at),
            Some(_) | None => {}
        }
        before = c;
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str, changes: &[(&[&str], &str)]) -> String {
        let mut lines = Lines::new(text);
        for (path, value) in changes {
            lines.set(path, value).unwrap();
        }
        lines.text()
    }

    #[test]
    fn values_change_and_comments_stay() {
        let text = "# top\na:\n    b: 1   # one\n    # two\n    c: 'x # y'  # three\nd: 4\n";
        let after = "# top\na:\n    b: 2  # one\n    # two\n    c: z  # three\nd: 5\n";
        assert_eq!(set(text, &[(&["a", "b"], "2"), (&["a", "c"], "z"), (&["d"], "5")]), after);
    }

    #[test]
    fn what_is_missing_is_added_where_it_belongs() {
        let text = "a:\n  b: 1\n\n# of c\nc:\n- 1\n- 2\n";
        let after = "a:\n  b: 1\n  d:\n    e: 2\n\n# of c\nc:\n- 1\n- 2\n\nf:\n  g: 3\n";
        assert_eq!(set(text, &[(&["a", "d", "e"], "2"), (&["f", "g"], "3")]), after);
        assert_eq!(set("", &[(&["a", "b"], "1")]), "a:\n  b: 1\n");
        assert_eq!(set("# only\n", &[(&["a"], "1")]), "# only\na: 1\n");
        assert_eq!(set("a: {}  # x\n", &[(&["a", "b"], "1")]), "a:  # x\n  b: 1\n");
        assert_eq!(set("a:\nb: 1\n", &[(&["a", "c"], "2")]), "a:\n  c: 2\nb: 1\n");
    }

    #[test]
    fn only_the_section_itself_is_looked_into() {
        let text = "a:\n  x:\n    b: 1\n  t: |\n    b: no\nb: 2\n";
        let lines = Lines::new(text);
        assert_eq!(lines.find(&["a", "b"]), None);
        assert_eq!(lines.find(&["b"]), Some(Place { line: 5, end: 6, indent: 0 }));
        assert_eq!(lines.find(&["a", "t"]), Some(Place { line: 3, end: 5, indent: 2 }));
    }

    #[test]
    fn a_section_on_one_line_is_refused_with_its_line() {
        let mut lines = Lines::new("x: 1\na: {b: 1}\n");
        let told = lines.set(&["a", "b"], "2").unwrap_err().to_string();
        assert!(told.contains("line 2 has `a` on one line"), "{told}");
    }

    #[test]
    fn a_comment_begins_behind_a_space_and_outside_quotes() {
        assert_eq!(split_comment(" a#b # c"), (" a#b ", "# c"));
        assert_eq!(split_comment(" \"a # b\" # c"), (" \"a # b\" ", "# c"));
        assert_eq!(split_comment(" it's # c"), (" it's ", "# c"));
    }
}
