//! What only some crates may name: third-party crates, parts of std, and `unsafe`.

use crate::finding::Finding;
use crate::manifest::Need;
use crate::paths::paths;
use crate::workspace::{Crate, RustFile, Workspace};

/// A third-party crate and the product crates that may name it.
type Allowed = (&'static str, &'static [&'static str]);

const DEPENDENCIES: [Allowed; 22] = [
    ("anyhow", &["vectorizer"]),
    ("axum", &["server"]),
    ("candle-core", &["embed"]),
    ("candle-nn", &["embed"]),
    ("candle-transformers", &["embed"]),
    ("clap", &["vectorizer"]),
    ("foca", &["membership"]),
    ("indicatif", &["vectorizer"]),
    ("io-uring", &["vfs"]),
    ("libc", &["vfs"]),
    ("memmap2", &["vfs"]),
    ("openraft", &["cluster"]),
    ("prost", &["wire"]),
    ("qdrant-client", &["wire", "server"]),
    ("reqwest", &["server"]),
    ("rmcp", &["server"]),
    ("roaring", &["payload", "segment", "engine"]),
    ("rustix", &["vfs"]),
    ("serde_json", &["wire", "server", "vectorizer", "embed", "text"]),
    ("tantivy", &["text"]),
    ("tokio", &["server", "vectorizer", "cluster", "embed"]),
    ("tonic", &["server"]),
];

/// A part of std, and where it may be named: crates, or files by the start of their path.
const STD: [(&[&str], &[&str]); 3] = [
    (&["std", "arch"], &["crates/kernels/"]),
    (&["core", "arch"], &["crates/kernels/"]),
    (&["std", "fs"], &["crates/vfs/", "crates/server/src/config", "crates/vectorizer/"]),
];

/// Crates that have no clock, thread, file or socket of their own.
const PURE: [&str; 4] = ["model", "placement", "replication", "metadata"];
const IMPURE: [&[&str]; 5] = [
    &["std", "thread"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
];

/// Crates that may hold `unsafe`.
const UNSAFE: [&str; 4] = ["kernels", "vfs", "pages", "testkit"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for owner in workspace.crates.iter().filter(|owner| owner.is_product()) {
        findings.extend(check_dependencies(owner));
    }
    for (owner, file) in workspace.production_files() {
        findings.extend(check_std(owner, file));
    }
    let safe = workspace.files().filter(|(owner, _)| !may_be_unsafe(owner));
    for (_, file) in safe.filter(|(_, file)| file.is_production()) {
        findings.extend(check_unsafe(file));
    }
    findings
}

fn may_be_unsafe(owner: &Crate) -> bool {
    UNSAFE.contains(&owner.name.as_str())
}

fn check_dependencies(owner: &Crate) -> Vec<Finding> {
    let product = owner.manifest.dependencies.iter().filter(|d| d.need == Need::Product);
    product
        .filter_map(|dependency| {
            let (name, allowed) = DEPENDENCIES.iter().find(|(name, _)| *name == dependency.name)?;
            let refused = !allowed.contains(&owner.name.as_str());
            refused.then(|| {
                let what = format!(
                    "`{name}` is named only by {}; ask one of these crates for what you need",
                    allowed.join(", ")
                );
                let key = format!("{} {name}", owner.name);
                Finding::new("alone", key, (&owner.manifest_path, dependency.line), what)
            })
        })
        .collect()
}

fn check_std(owner: &Crate, file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in paths(&file.production.tokens) {
        let named = path.segments.join("::");
        let at = (file.path.as_str(), path.line);
        let key = format!("{} {named}", file.path);
        let alone = STD.iter().find(|(part, homes)| {
            path.starts_with(part) && !homes.iter().any(|home| file.path.starts_with(home))
        });
        if let Some((part, homes)) = alone {
            let what = format!("`{}` is named only below {}", part.join("::"), homes.join(", "));
            findings.push(Finding::new("alone", key, at, what));
        } else if PURE.contains(&owner.name.as_str())
            && IMPURE.iter().any(|part| path.starts_with(part))
        {
            let what = format!("`{named}` in a pure crate; let the caller bring it as an argument");
            findings.push(Finding::new("pure", key, at, what));
        }
    }
    findings
}

fn check_unsafe(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tokens = &file.production.tokens;
    if let Some(token) = tokens.iter().find(|token| token.is("unsafe")) {
        let what = format!("unsafe code; it lives in {} and nowhere else", UNSAFE.join(", "));
        findings.push(Finding::new("unsafe", file.path.clone(), (&file.path, token.line), what));
    }
    // `fn main() {}` holds nothing that could be unsafe.
    let holds_code = tokens.len() > 6;
    let forbids = tokens
        .windows(3)
        .any(|words| words[0].is("forbid") && words[1].is("(") && words[2].is("unsafe_code"));
    if file.is_root() && holds_code && !forbids {
        let what = "the root of a crate without unsafe code says `#![forbid(unsafe_code)]`";
        findings.push(Finding::new("unsafe", file.path.clone(), (&file.path, 0), what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const FORBID: &str = "//! x\n#![forbid(unsafe_code)]\n";

    fn found(name: &str, dependencies: &str, code: &str) -> Vec<String> {
        let manifest = format!(
            "[package]\nname = \"vectorizer-{name}\"\n[package.metadata.layer]\n\
             number = \"4\"\n[dependencies]\n{dependencies}"
        );
        let (manifest_path, root) =
            (format!("crates/{name}/Cargo.toml"), format!("crates/{name}/src/lib.rs"));
        let tree = Tree::from_files(&[(&manifest_path, &manifest), (&root, code)]);
        let findings = check(&Workspace::new(&tree));
        findings.into_iter().map(|f| format!("{}: {}", f.rule, f.key)).collect()
    }

    #[test]
    fn a_crate_named_elsewhere_is_found() {
        let line = "serde_json = \"1\"\n";
        assert_eq!(found("engine", line, FORBID), ["alone: engine serde_json"]);
        assert_eq!(found("wire", line, FORBID), [""; 0]);
    }

    #[test]
    fn files_and_intrinsics_elsewhere_are_found() {
        let code = format!("{FORBID}use std::{{fs, io}};\nfn f() {{ core::arch::asm!(); }}\n");
        let expected = [
            "alone: crates/engine/src/lib.rs std::fs",
            "alone: crates/engine/src/lib.rs core::arch::asm",
        ];
        assert_eq!(found("engine", "", &code), expected);
        assert_eq!(found("vfs", "", "//! x\nuse std::fs;\n"), [""; 0]);
    }

    #[test]
    fn tests_are_free() {
        let code = format!("{FORBID}#[cfg(test)]\nmod tests {{ use std::fs; }}\n");
        assert_eq!(found("engine", "", &code), [""; 0]);
    }

    #[test]
    fn clocks_in_pure_crates_are_found() {
        let code = format!("{FORBID}use std::time::{{Duration, Instant}};\n");
        let expected = ["pure: crates/model/src/lib.rs std::time::Instant"];
        assert_eq!(found("model", "", &code), expected);
    }

    #[test]
    fn unsafe_code_and_roots_that_allow_it_are_found() {
        let code = "//! x\nfn f() { unsafe { g() } }\n";
        let expected = ["unsafe: crates/engine/src/lib.rs"; 2];
        assert_eq!(found("engine", "", code), expected);
        assert_eq!(found("kernels", "", code), [""; 0]);
    }
}
