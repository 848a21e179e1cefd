//! Files and functions stay small enough to be held in the head.

use crate::finding::Finding;
use crate::token::{Token, after_group};
use crate::workspace::{RustFile, Workspace};

/// Lines of a file, tests beside the code not counted.
const FILE_LINES_MAX: usize = 600;
/// Lines of code of a function's body, blank lines and comments not counted.
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, file) in workspace.files() {
        findings.extend(check_file(file));
        findings.extend(check_functions(file));
    }
    findings
}

fn check_file(file: &RustFile) -> Option<Finding> {
    let lines = file.production.count_lines(&file.text);
    (lines > FILE_LINES_MAX).then(|| {
        let what = format!(
            "{lines} lines; at most {FILE_LINES_MAX}: split it by reason to change, one concept per \
             file"
        );
        Finding::new("file size", file.path.clone(), (&file.path, 0), what)
    })
}

fn check_functions(file: &RustFile) -> Vec<Finding> {
    let functions = functions(&file.all).into_iter();
    functions
        .filter(|function| function.lines > FUNCTION_LINES_MAX)
        .map(|Function { name, line, lines }| {
            let what = format!(
                "function `{name}` has {lines} lines of code; at most {FUNCTION_LINES_MAX}: give its \
                 steps names of their own"
            );
            let key = format!("{} {name}", file.path);
            Finding::new("function size", key, (&file.path, line), what)
        })
        .collect()
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [keyword, name] = pair else { continue };
        if keyword.is("fn")
            && name.is_word()
            && let Some(open) = body(tokens, at)
        {
            let body = &tokens[open + 1..after_group(tokens, open).saturating_sub(1)];
            found.push(Function {
                name: name.text.clone(),
                line: keyword.line,
                lines: code_lines(body),
            });
        }
    }
    found
}

/// Where the body of the function at `at` opens; none if it has none.
fn body(tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        let token = tokens.get(at)?;
        if token.is("{") {
            return Some(at);
        }
        if token.is(";") {
            return None;
        }
        at = if token.is("(") || token.is("[") { after_group(tokens, at) } else { at + 1 };
    }
}

fn code_lines(tokens: &[Token]) -> usize {
    let mut last = 0;
    let mut count = 0;
    for token in tokens {
        let from = token.line.max(last + 1);
        count += (token.last_line + 1).saturating_sub(from);
        last = last.max(token.last_line);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn found(code: &str) -> Vec<String> {
        let tree = Tree::from_files(&[("crates/x/Cargo.toml", ""), ("crates/x/src/lib.rs", code)]);
        let findings = check(&Workspace::new(&tree));
        findings.into_iter().map(|f| format!("{}: {}", f.rule, f.key)).collect()
    }

    #[test]
    fn a_long_file_is_found_without_its_tests() {
        let long = "const A: u8 = 1;\n".repeat(600);
        assert_eq!(found(&long), [""; 0]);
        let tests = format!("{long}#[cfg(test)]\nmod tests {{\n\n\n}}\n");
        assert_eq!(found(&tests), [""; 0]);
        assert_eq!(found(&format!("{long}\n")), ["file size: crates/x/src/lib.rs"]);
    }

    #[test]
    fn a_long_function_is_found_without_its_comments() {
        let body = "    a();\n    // why\n\n".repeat(70);
        assert_eq!(found(&format!("fn f() -> [u8; 2] {{\n{body}}}\n")), [""; 0]);
        let long = format!("fn f()\nwhere\n    A: B,\n{{\n{body}    b()\n}}\n");
        assert_eq!(found(&long), ["function size: crates/x/src/lib.rs f"]);
    }
}
