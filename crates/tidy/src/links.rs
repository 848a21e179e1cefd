//! Prose points at something: links and paths in Markdown exist, and so do the pages that
//! comments name.

use crate::finding::Finding;
use crate::tree::Tree;

const RULE: &str = "links";
/// A code span that begins so is a path from the root.
const ROOTS: [&str; 6] = [".ci/", "bench/", "clients/", "crates/", "deploy/", "docs/"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_ending(".md") {
        let mut fenced = false;
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                let links =
                    links(text).into_iter().filter_map(|link| missing_link(tree, path, link));
                let spans = spans(text).filter_map(|span| missing_path(tree, span, &ROOTS));
                findings.extend(links.chain(spans).map(|gone| finding((path, line), &gone)));
            }
        }
    }
    for (path, text) in tree.with_ending(".rs") {
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim_start().starts_with("//") {
                let gone = spans(text).filter_map(|span| missing_path(tree, span, &["docs/"]));
                findings.extend(gone.map(|gone| finding((path, line), &gone)));
            }
        }
    }
    findings
}

fn finding((path, line): (&str, usize), gone: &str) -> Finding {
    let what = format!("`{gone}` does not exist; point at what does, or remove the sentence");
    Finding::new(RULE, format!("{path} {gone}"), (path, line), what)
}

/// The targets of `[text](target)`.
fn links(line: &str) -> Vec<&str> {
    let outside = line.split('`').step_by(2);
    let targets = outside.flat_map(|text| text.split("](").skip(1));
    targets.filter_map(|rest| rest.split([')', ' ']).next()).collect()
}

/// The texts between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The target of a link if there is nothing.
fn missing_link(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { from.to_owned() } else { resolve(from, file) };
    let there = tree.has(&path)
        && (heading.is_empty()
            || tree.text(&path).is_none_or(|text| headings(text).any(|slug| slug == heading)));
    (!there).then(|| target.to_owned())
}

/// A relative path from a file's folder.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// How links name the headings of a page.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// A code span that is a path from the root, if it leads nowhere. A path may end in `::` and the
/// name of a function of the file.
fn missing_path(tree: &Tree, span: &str, roots: &[&str]) -> Option<String> {
    if let Some((file, function)) = span.split_once("::") {
        let named = format!("fn {function}(");
        let is_path = roots.iter().any(|root| file.starts_with(root));
        let there = || tree.text(file).is_some_and(|text| text.contains(&named));
        return (is_path && !there()).then(|| span.to_owned());
    }
    let is_path = roots.iter().any(|root| span.starts_with(root))
        && span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./{},*".contains(c));
    if !is_path {
        return None;
    }
    expand(span).into_iter().find(|path| {
        // Of a pattern only the folder before it is looked at.
        let fixed = match path.split_once('*') {
            None => path.trim_end_matches('/'),
            Some((before, _)) => before.rsplit_once('/').map_or("", |(folder, _)| folder),
        };
        !tree.has(fixed)
    })
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expand(path: &str) -> Vec<String> {
    let parts = path.split_once('{').and_then(|(before, rest)| {
        let (choices, after) = rest.split_once('}')?;
        Some((before, choices, after))
    });
    let Some((before, choices, after)) = parts else { return vec![path.to_owned()] };
    choices.split(',').flat_map(|choice| expand(&format!("{before}{choice}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let findings = check(&Tree::from_files(files));
        findings.into_iter().map(|f| format!("{} {}", f.place, f.key)).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let page = "[a](b.md) [c](../README.md#first-search) [d](gone.md) [e](#here)\n\
                    `[not](a-link)` https://example.com [f](https://example.com)\n";
        let files =
            [("docs/a.md", page), ("docs/b.md", ""), ("README.md", "# Title\n## First search\n")];
        assert_eq!(found(&files), ["docs/a.md:1 docs/a.md gone.md", "docs/a.md:1 docs/a.md #here"]);
    }

    #[test]
    fn functions_that_are_not_in_their_file_are_found() {
        let page = "`crates/x.rs::there` `crates/x.rs::gone` `crates/y.rs::there` `std::fs`\n";
        let files = [("docs/a.md", page), ("crates/x.rs", "fn there() {}\n")];
        let expected = ["crates/x.rs::gone", "crates/y.rs::there"];
        assert_eq!(found(&files), expected.map(|gone| format!("docs/a.md:1 docs/a.md {gone}")));
    }

    #[test]
    fn paths_that_lead_nowhere_are_found() {
        let page = "`crates/x/src/{a,b}.rs` `crates/x/*` `crates/<name>` `cargo run`\n\
                    ```\n`docs/in/a/fence.md`\n```\n";
        let files = [("README.md", page), ("crates/x/src/a.rs", "//! See `docs/gone.md`.\n")];
        let expected = [
            "README.md:1 README.md crates/x/src/b.rs",
            "crates/x/src/a.rs:1 crates/x/src/a.rs docs/gone.md",
        ];
        assert_eq!(found(&files), expected);
    }
}
