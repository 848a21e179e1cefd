//! The rules of the house as a test: layers, names, sizes, cycles, links.
//!
//! [`findings`] reads a checkout and says what breaks a rule and how to mend it. It has no
//! dependencies and understands just enough of Rust, TOML and Markdown: tokens, not syntax trees.
//! It judges what the compiler and clippy cannot: edges between crates and modules, words, and
//! whether prose still points at something.
//!
//! Exceptions stand in `exceptions.txt`, each with its reason. An exception that nothing needs any
//! more is a finding too, so that the list can only shrink.
//!
//! # Layout
//! - [`Tree`]: the files; `token`, `production`, `paths`: reading Rust; `manifest`: reading TOML
//! - `workspace`: crates, their files, and what is test code; `exceptions`: what is let pass
//! - `layers`, `alone`, `cycles`, `sizes`, `names`, `hygiene`, `links`: the rules

#![forbid(unsafe_code)]

mod alone;
mod cycles;
mod exceptions;
mod finding;
mod hygiene;
mod layers;
mod links;
mod manifest;
mod names;
mod paths;
mod production;
mod sizes;
mod token;
mod tree;
mod workspace;

pub use finding::Finding;
pub use tree::Tree;

use exceptions::Exceptions;
use workspace::Workspace;

/// Where a tree keeps its exceptions.
const EXCEPTIONS: &str = "crates/tidy/exceptions.txt";

/// All that breaks a rule, by rule and place.
pub fn findings(tree: &Tree) -> Vec<Finding> {
    let exceptions = Exceptions::parse(tree.text(EXCEPTIONS).unwrap_or_default());
    let workspace = Workspace::new(tree);
    let mut findings = Vec::new();
    findings.extend(layers::check(&workspace));
    findings.extend(alone::check(&workspace));
    findings.extend(cycles::check(&workspace, &exceptions));
    findings.extend(sizes::check(&workspace));
    findings.extend(names::check(&workspace));
    findings.extend(hygiene::check(tree, &workspace));
    findings.extend(links::check(tree));
    findings.retain(|finding| !exceptions.allows(finding.rule, &finding.key));
    findings.extend(exceptions.unneeded());
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule and key of everything that is found in a few files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::from_files(files);
        findings(&tree).iter().map(|f| format!("{} | {}", f.rule, f.key)).collect()
    }

    const MANIFEST: &str = "[package]\nname = \"vectorizer-model\"\n[package.metadata.layer]\n\
                            number = \"0\"\n[lints]\nworkspace = true\n";
    const ROOT: &str = "//! Nouns.\n#![forbid(unsafe_code)]\npub struct Manager;\n";

    #[test]
    fn a_finding_can_be_excepted_with_a_reason() {
        let files = [("crates/model/Cargo.toml", MANIFEST), ("crates/model/src/lib.rs", ROOT)];
        let key = "names | crates/model/src/lib.rs Manager";
        assert_eq!(found(&files), [key]);
        let excepted = format!("{key} | the user's own word\n");
        assert_eq!(found(&[files[0], files[1], (EXCEPTIONS, &excepted)]), Vec::<String>::new());
    }

    #[test]
    fn an_exception_that_nothing_needs_is_a_finding() {
        let exceptions = "# words\nnames | crates/model/src/lib.rs Helper | once needed\n";
        let found = found(&[(EXCEPTIONS, exceptions)]);
        assert_eq!(found, ["exceptions | names | crates/model/src/lib.rs Helper"]);
    }

    #[test]
    fn an_exception_without_a_reason_is_a_finding() {
        let found = found(&[(EXCEPTIONS, "names | crates/model/src/lib.rs Helper\n")]);
        assert_eq!(found, ["exceptions | names | crates/model/src/lib.rs Helper"]);
    }
}
