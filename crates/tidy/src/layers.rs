//! Layers are crates: every edge between crates goes to a smaller number.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::manifest::{Layer, Need};
use crate::workspace::{Crate, Workspace};

const RULE: &str = "layers";

pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let layers: BTreeMap<&str, Option<Layer>> =
        workspace.crates.iter().map(|c| (c.manifest.name.as_str(), c.manifest.layer)).collect();
    workspace.crates.iter().flat_map(|owner| check_crate(owner, &layers)).collect()
}

fn check_crate(owner: &Crate, layers: &BTreeMap<&str, Option<Layer>>) -> Vec<Finding> {
    let at = |line| (owner.manifest_path.as_str(), line);
    let mut findings = Vec::new();
    if !owner.manifest.inherits_lints {
        let what = "the workspace's lints are not inherited; add `[lints]` with `workspace = true`";
        findings.push(Finding::new("lints", owner.name.clone(), at(0), what));
    }
    let expected = match owner.name.as_str() {
        "vectorizer" => "vectorizer".to_owned(),
        name => format!("vectorizer-{name}"),
    };
    if owner.manifest.name != expected {
        let what = format!("the package's name is `{expected}`, after its folder");
        findings.push(Finding::new(RULE, owner.name.clone(), at(0), what));
    }
    let Some(layer) = owner.manifest.layer else {
        let what = "no layer; add `[package.metadata.layer]` with `number = \"N\"`, or \"T\" for a \
                    tool; the numbers stand in ARCHITECTURE.md";
        findings.push(Finding::new(RULE, owner.name.clone(), at(0), what));
        return findings;
    };
    let edges = owner.manifest.dependencies.iter().filter(|edge| edge.need != Need::Dev);
    for edge in edges {
        let Some(Some(target)) = layers.get(edge.name.as_str()) else { continue };
        if let Some(what) = refusal(layer, *target, &edge.name) {
            let key = format!("{} -> {}", owner.manifest.name, edge.name);
            findings.push(Finding::new(RULE, key, at(edge.line), what));
        }
    }
    findings
}

fn refusal(from: Layer, to: Layer, name: &str) -> Option<String> {
    match (from, to) {
        (Layer::Tool, _) => None,
        (Layer::Product(_), Layer::Tool) => Some(format!(
            "`{name}` is a tool and no part of the product; name it in [dev-dependencies] or not at all"
        )),
        (Layer::Product(from), Layer::Product(to)) if to < from => None,
        (Layer::Product(from), Layer::Product(to)) => Some(format!(
            "layer {from} names `{name}` of layer {to}; edges go to smaller numbers: move what both \
             need further down, or take it through a trait of `model`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn manifest(name: &str, layer: &str, rest: &str) -> String {
        format!(
            "[package]\nname = \"vectorizer-{name}\"\n[package.metadata.layer]\n\
             number = \"{layer}\"\n[lints]\nworkspace = true\n{rest}"
        )
    }

    fn found(a: &str, b: &str) -> Vec<String> {
        let tree = Tree::from_files(&[("crates/a/Cargo.toml", a), ("crates/b/Cargo.toml", b)]);
        let findings = check(&Workspace::new(&tree));
        findings.into_iter().map(|f| format!("{} {}: {}", f.place, f.rule, f.key)).collect()
    }

    #[test]
    fn an_edge_upwards_or_sideways_is_found() {
        let names_b = "[dependencies]\nvectorizer-b.workspace = true\n";
        for layer in ["4", "5"] {
            let found = found(&manifest("a", "4", names_b), &manifest("b", layer, ""));
            assert_eq!(found, ["crates/a/Cargo.toml:8 layers: vectorizer-a -> vectorizer-b"]);
        }
        assert_eq!(found(&manifest("a", "4", names_b), &manifest("b", "3", "")), [""; 0]);
    }

    #[test]
    fn a_tool_in_the_product_is_found_but_not_in_its_tests() {
        let (product, tests) = ("[dependencies]", "[dev-dependencies]");
        let names_b = |section| format!("{section}\nvectorizer-b.workspace = true\n");
        let tool = manifest("b", "T", "");
        assert_eq!(
            found(&manifest("a", "4", &names_b(product)), &tool),
            ["crates/a/Cargo.toml:8 layers: vectorizer-a -> vectorizer-b"]
        );
        assert_eq!(found(&manifest("a", "4", &names_b(tests)), &tool), [""; 0]);
    }

    #[test]
    fn missing_layer_lints_and_name_are_found() {
        let bare = "[package]\nname = \"other\"\n";
        let places = ["lints: b", "layers: b", "layers: b"];
        let expected = places.map(|place| format!("crates/b/Cargo.toml {place}"));
        assert_eq!(found(&manifest("a", "0", ""), bare), expected);
    }
}
