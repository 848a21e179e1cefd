//! Crates, their files, and which of those are tests.

use std::collections::BTreeMap;

use crate::manifest::{Layer, Manifest};
use crate::production::Production;
use crate::token::{Token, tokens};
use crate::tree::Tree;

/// One Rust file.
#[derive(Debug)]
pub(crate) struct RustFile {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) all: Vec<Token>,
    pub(crate) production: Production,
    /// How it is reached from its crate's roots; none if it is not.
    pub(crate) reached: Option<Reached>,
}

/// How a file is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Its module path below the root; empty for a root.
    pub(crate) module: Vec<String>,
    /// Whether only tests, examples or benchmarks reach it.
    pub(crate) test: bool,
}

impl RustFile {
    /// Whether it is part of the product.
    pub(crate) fn is_production(&self) -> bool {
        self.reached.as_ref().is_some_and(|reached| !reached.test)
    }

    /// Whether it is the root of a library or binary.
    pub(crate) fn is_root(&self) -> bool {
        self.is_production() && self.reached.as_ref().is_some_and(|r| r.module.is_empty())
    }
}

/// One crate.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Its folder's name.
    pub(crate) name: String,
    pub(crate) manifest_path: String,
    pub(crate) manifest: Manifest,
    pub(crate) files: Vec<RustFile>,
}

impl Crate {
    /// Whether it is part of the product; tools are free of most rules.
    pub(crate) fn is_product(&self) -> bool {
        self.manifest.layer != Some(Layer::Tool)
    }
}

/// All crates.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

impl Workspace {
    pub(crate) fn new(tree: &Tree) -> Self {
        let manifests = tree.with_ending("/Cargo.toml");
        let crates = manifests.filter_map(|(path, text)| {
            let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then(|| Crate {
                name: name.to_owned(),
                manifest_path: path.to_owned(),
                manifest: Manifest::parse(text),
                files: rust_files(tree, &format!("crates/{name}/")),
            })
        });
        Self { crates: crates.collect() }
    }

    /// All Rust files with their crates.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Crate, &RustFile)> {
        self.crates.iter().flat_map(|owner| owner.files.iter().map(move |file| (owner, file)))
    }

    /// The files of the product.
    pub(crate) fn production_files(&self) -> impl Iterator<Item = (&Crate, &RustFile)> {
        self.files().filter(|(owner, file)| owner.is_product() && file.is_production())
    }
}

fn rust_files(tree: &Tree, folder: &str) -> Vec<RustFile> {
    let mut files: Vec<RustFile> = tree
        .with_ending(".rs")
        .filter(|(path, _)| path.starts_with(folder))
        .map(|(path, text)| {
            let all = tokens(text);
            let production = Production::of(&all);
            RustFile {
                path: path.to_owned(),
                text: text.to_owned(),
                all,
                production,
                reached: None,
            }
        })
        .collect();
    let reached = reach(&files, folder);
    for file in &mut files {
        file.reached = reached.get(&file.path).cloned();
    }
    files
}

/// Whether cargo takes a file as a root, and if so, whether for tests.
fn root_kind(path: &str) -> Option<bool> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["src", "lib.rs" | "main.rs"] | ["src", "bin", _] | ["src", "bin", _, "main.rs"] => {
            Some(false)
        }
        ["build.rs"]
        | ["tests" | "examples" | "benches", _]
        | ["tests" | "examples" | "benches", _, "main.rs"] => Some(true),
        _ => None,
    }
}

/// Follows `mod` lines from every root.
fn reach(files: &[RustFile], folder: &str) -> BTreeMap<String, Reached> {
    let by_path: BTreeMap<&str, &RustFile> = files.iter().map(|f| (f.path.as_str(), f)).collect();
    let mut reached: BTreeMap<String, Reached> = BTreeMap::new();
    let roots = files.iter().filter_map(|file| {
        let test = root_kind(file.path.strip_prefix(folder)?)?;
        let (parent, _) = file.path.rsplit_once('/')?;
        Some((file, parent.to_owned(), Reached { module: Vec::new(), test }))
    });
    let mut open: Vec<_> = roots.collect();
    while let Some((file, home, how)) = open.pop() {
        // What production code reaches is production code, whoever else reaches it.
        if reached.get(&file.path).is_some_and(|before| !before.test || how.test) {
            continue;
        }
        let production = declared(&file.production.tokens);
        for inner in declared(&file.all) {
            let test = how.test || !production.contains(&inner);
            let module: Vec<String> = how.module.iter().chain(&inner).cloned().collect();
            let place = format!("{home}/{}", inner.join("/"));
            let candidates = [format!("{place}.rs"), format!("{place}/mod.rs")];
            let found = candidates.iter().find_map(|path| by_path.get(path.as_str()));
            open.extend(found.map(|file| (*file, place, Reached { module, test })));
        }
        reached.insert(file.path.clone(), how);
    }
    reached
}

/// The modules that a file declares with `mod name;`, each with the inline modules around it.
fn declared(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut around: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth = depth.saturating_sub(1);
            around.retain(|(_, inside)| *inside <= depth);
        }
        let next = |ahead: usize| tokens.get(at + ahead);
        let Some(name) = next(1).filter(|name| token.is("mod") && name.is_word()) else { continue };
        if next(2).is_some_and(|end| end.is(";")) {
            let names = around.iter().map(|(name, _)| name.clone());
            found.push(names.chain([name.text.clone()]).collect());
        } else if next(2).is_some_and(|open| open.is("{")) {
            around.push((name.text.clone(), depth + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_reached_through_mod_lines() {
        let tree = Tree::from_files(&[
            ("crates/x/Cargo.toml", ""),
            ("crates/x/src/lib.rs", "mod a; mod b { mod c; } #[cfg(test)] mod tests;"),
            ("crates/x/src/a.rs", "mod d;"),
            ("crates/x/src/a/d.rs", ""),
            ("crates/x/src/b/c.rs", ""),
            ("crates/x/src/lost.rs", ""),
            ("crates/x/src/tests.rs", ""),
            ("crates/x/tests/it/main.rs", "mod e;"),
            ("crates/x/tests/it/e.rs", ""),
        ]);
        let workspace = Workspace::new(&tree);
        let seen: Vec<String> = workspace
            .files()
            .map(|(_, file)| match &file.reached {
                None => format!("{} -", file.path),
                Some(reached) => {
                    let kind = if reached.test { "test" } else { "product" };
                    format!("{} {kind} {}", file.path, reached.module.join("::"))
                }
            })
            .collect();
        assert_eq!(
            seen,
            [
                "crates/x/src/a.rs product a",
                "crates/x/src/a/d.rs product a::d",
                "crates/x/src/b/c.rs product b::c",
                "crates/x/src/lib.rs product ",
                "crates/x/src/lost.rs -",
                "crates/x/src/tests.rs test tests",
                "crates/x/tests/it/e.rs test e",
                "crates/x/tests/it/main.rs test ",
            ]
        );
    }
}
