//! Words that say nothing, in names of types, modules and functions.

use crate::finding::Finding;
use crate::token::Token;
use crate::workspace::Workspace;

const RULE: &str = "names";

/// Words that no type or module name holds.
const WORDS: [&str; 12] = [
    "manager",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "wrapper",
    "enhanced",
    "advanced",
    "optimized",
    "intelligent",
    "misc",
];
/// Words that no type or module name ends with.
const ENDINGS: [&str; 2] = ["info", "data"];
/// How functions do not begin.
const BEGINNINGS: [&str; 2] = ["do_", "process_"];
/// Names that others gave: the user's own, and the wire contract's.
const GIVEN: [&str; 14] = [
    "AllocationGuard",
    "CacheMemoryManager",
    "ClusterConfigValidator",
    "ClusterConfigViolation",
    "CollectionInfo",
    "ConsistentHashRing",
    "ManagedCache",
    "MemoryGuard",
    "MemoryStats",
    "PayloadIndexInfo",
    "QueryRouter",
    "ShardMigrator",
    "info",
    "process_memory",
];

pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, file) in workspace.files() {
        let tokens = &file.production.tokens;
        for pair in tokens.windows(2) {
            let [keyword, name] = pair else { continue };
            if let Some(what) = refusal(keyword, name) {
                let key = format!("{} {}", file.path, name.text);
                findings.push(Finding::new(RULE, key, (&file.path, name.line), what));
            }
        }
    }
    for owner in &workspace.crates {
        if let Some(word) = WORDS.iter().find(|word| **word == owner.name) {
            let what =
                format!("a crate called `{word}` collects what has no place; name its purpose");
            findings.push(Finding::new(RULE, owner.name.clone(), (&owner.manifest_path, 0), what));
        }
    }
    findings
}

fn refusal(keyword: &Token, name: &Token) -> Option<String> {
    if !name.is_word() || !keyword.is_word() || GIVEN.contains(&name.text.as_str()) {
        return None;
    }
    match keyword.text.as_str() {
        "struct" | "enum" | "trait" | "union" | "type" | "mod" => {
            let words = words(&name.text);
            let ending = words.last().filter(|word| ENDINGS.contains(&word.as_str()));
            let word = words.iter().find(|word| WORDS.contains(&word.as_str())).or(ending)?;
            Some(format!(
                "`{}`: the word `{word}` fits anything; name what it is or does",
                name.text
            ))
        }
        "fn" => {
            let beginning = BEGINNINGS.iter().find(|start| name.text.starts_with(**start))?;
            Some(format!(
                "`{}`: `{beginning}` says nothing; begin with the verb for what happens",
                name.text
            ))
        }
        _ => None,
    }
}

/// The words of a camel-case or snake-case name, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if (letter.is_ascii_uppercase() || letter == '_')
            && words.last().is_some_and(|w| !w.is_empty())
        {
            words.push(String::new());
        }
        if letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn found(code: &str) -> Vec<String> {
        let tree = Tree::from_files(&[("crates/x/Cargo.toml", ""), ("crates/x/src/lib.rs", code)]);
        let findings = check(&Workspace::new(&tree));
        findings.into_iter().filter_map(|f| Some(f.key.split_once(' ')?.1.to_owned())).collect()
    }

    #[test]
    fn empty_words_are_found() {
        let code = "struct PageManager; mod string_utils {} type RowData = u8; enum Wrapper {}";
        assert_eq!(found(code), ["PageManager", "string_utils", "RowData", "Wrapper"]);
    }

    #[test]
    fn words_that_only_contain_them_are_fine() {
        assert_eq!(
            found("struct Metadata; enum DataSet {} mod informed {} fn redo_all() {}"),
            [""; 0]
        );
    }

    #[test]
    fn empty_verbs_are_found_and_given_names_are_not() {
        assert_eq!(
            found("fn do_it() {} fn process_all() {} struct CacheMemoryManager;"),
            ["do_it", "process_all"]
        );
    }
}
