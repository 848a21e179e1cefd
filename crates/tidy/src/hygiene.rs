//! What every file owes its reader: a first line that says its purpose, plain ASCII, nothing left
//! undone, and a way to reach it.

use crate::finding::Finding;
use crate::token::Token;
use crate::tree::Tree;
use crate::workspace::{RustFile, Workspace};

pub(crate) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        tree.texts().filter_map(|(path, text)| check_ascii(path, text)).collect();
    for (_, file) in workspace.files() {
        findings.extend(check_first_line(file));
        findings.extend(check_reached(file));
        findings.extend(check_undone(file));
    }
    findings
}

fn check_ascii(path: &str, text: &str) -> Option<Finding> {
    let (line, found) = (1..).zip(text.lines()).find(|(_, line)| !line.is_ascii())?;
    let letter = found.chars().find(|letter| !letter.is_ascii())?;
    let what = format!(
        "U+{:04X} is not ASCII; write it in plain letters, or as an escape in a string",
        u32::from(letter)
    );
    Some(Finding::new("ascii", path, (path, line), what))
}

fn check_first_line(file: &RustFile) -> Option<Finding> {
    let says_purpose = file.text.starts_with("//! ");
    let what = "the first line is `//!` and the file's purpose";
    (!says_purpose).then(|| Finding::new("first line", file.path.clone(), (&file.path, 1), what))
}

fn check_reached(file: &RustFile) -> Option<Finding> {
    let what = if file.path.ends_with("/mod.rs") {
        "a module's file is `name.rs` beside its folder `name/`, never `mod.rs`"
    } else if file.reached.is_none() {
        "no `mod` line leads here, so it is never compiled; declare it or delete it"
    } else {
        return None;
    };
    Some(Finding::new("orphans", file.path.clone(), (&file.path, 0), what))
}

/// What stands for work that was put off.
fn check_undone(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, token) in file.all.iter().enumerate() {
        let next = |ahead: usize| file.all.get(at + ahead);
        let followed_by = |sign: &str| next(1).is_some_and(|token| token.is(sign));
        let macro_call =
            ["todo", "unimplemented", "dbg"].iter().any(|name| token.is(name)) && followed_by("!");
        let ignored = token.is("#") && followed_by("[") && next(2).is_some_and(is_ignore);
        if macro_call || ignored {
            let what = if macro_call {
                format!("`{}!` is work put off; do it, or refuse with an error", token.text)
            } else {
                "an ignored test proves nothing; mend it or delete it".to_owned()
            };
            findings.push(Finding::new(
                "undone",
                file.path.clone(),
                (&file.path, token.line),
                what,
            ));
        }
    }
    findings
}

fn is_ignore(token: &Token) -> bool {
    token.is("ignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("crates/x/Cargo.toml", "")];
        all.extend(files);
        let tree = Tree::from_files(&all);
        let findings = check(&tree, &Workspace::new(&tree));
        findings.into_iter().map(|f| format!("{}: {}", f.place, f.rule)).collect()
    }

    const ROOT: &str = "crates/x/src/lib.rs";

    #[test]
    fn letters_beyond_ascii_are_found() {
        assert_eq!(found(&[("README.md", "a\nb \u{2014} c\n")]), ["README.md:2: ascii"]);
    }

    #[test]
    fn a_file_without_purpose_is_found() {
        assert_eq!(found(&[(ROOT, "fn f() {}\n")]), ["crates/x/src/lib.rs:1: first line"]);
        assert_eq!(found(&[(ROOT, "//! Does it.\nfn f() {}\n")]), [""; 0]);
    }

    #[test]
    fn orphans_and_mod_files_are_found() {
        let files = [
            (ROOT, "//! x\nmod a;\n"),
            ("crates/x/src/a/mod.rs", "//! x\n"),
            ("crates/x/src/b.rs", "//! x\n"),
        ];
        assert_eq!(found(&files), ["crates/x/src/a/mod.rs: orphans", "crates/x/src/b.rs: orphans"]);
    }

    #[test]
    fn work_put_off_is_found_but_not_in_words() {
        let code = "//! todo!() is a word\nfn f() { todo!() }\n#[test]\n#[ignore = \"slow\"]\n\
                    fn g() { dbg!(\"unimplemented!()\"); }\n";
        let lines = [2, 4, 5].map(|line| format!("{ROOT}:{line}: undone"));
        assert_eq!(found(&[(ROOT, code)]), lines);
    }
}
