//! Modules of one crate form no cycles: cargo sees to crates, this to what is inside of them.
//!
//! The nodes are the modules directly below the root. An edge is a path from production code of
//! one to another, through `crate::`, `super::` or the root's re-exports.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::Exceptions;
use crate::finding::Finding;
use crate::paths::{NamedPath, paths};
use crate::workspace::{Crate, RustFile, Workspace};

const RULE: &str = "cycles";

/// For each module the modules it names, and where it does so first.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

pub(crate) fn check(workspace: &Workspace, exceptions: &Exceptions) -> Vec<Finding> {
    let check_crate = |owner: &Crate| {
        let mut graph = graph(owner);
        let excepted: Vec<(String, String)> = edges_in_cycles(&graph)
            .into_iter()
            .filter(|(from, to)| exceptions.allows(RULE, &key(owner, from, to)))
            .collect();
        for (from, to) in excepted {
            graph.entry(from).or_default().remove(&to);
        }
        report(owner, &graph)
    };
    workspace.crates.iter().flat_map(check_crate).collect()
}

fn key(owner: &Crate, from: &str, to: &str) -> String {
    format!("{} {from} -> {to}", owner.name)
}

fn graph(owner: &Crate) -> Graph {
    let modules: BTreeSet<&str> = owner
        .files
        .iter()
        .filter(|file| file.is_production())
        .filter_map(|file| file.reached.as_ref()?.module.first().map(String::as_str))
        .collect();
    let exported = exports(owner, &modules);
    let mut graph = Graph::new();
    for file in owner.files.iter().filter(|file| file.is_production()) {
        let Some((from, depth)) = place(file) else { continue };
        for path in paths(&file.production.tokens) {
            let Some(to) = target(&path, depth, &modules, &exported) else { continue };
            if to != from {
                let seen = format!("{}:{}", file.path, path.line);
                graph.entry(from.clone()).or_default().entry(to).or_insert(seen);
            }
        }
    }
    graph
}

/// The top module of a file, and how deep the file lies.
fn place(file: &RustFile) -> Option<(String, usize)> {
    let module = &file.reached.as_ref()?.module;
    Some((module.first()?.clone(), module.len()))
}

/// What the root re-exports, and from which module.
fn exports(owner: &Crate, modules: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let mut exported = BTreeMap::new();
    for root in owner.files.iter().filter(|file| file.is_root()) {
        for path in paths(&root.production.tokens).into_iter().filter(|path| path.is_use) {
            let skipped = usize::from(path.starts_with(&["crate"]) || path.starts_with(&["self"]));
            if let Some(module) =
                path.segments.get(skipped).filter(|m| modules.contains(m.as_str()))
            {
                exported.insert(path.name, module.clone());
            }
        }
    }
    exported
}

/// The top module that a path from a file so deep leads to.
fn target(
    path: &NamedPath,
    depth: usize,
    modules: &BTreeSet<&str>,
    exported: &BTreeMap<String, String>,
) -> Option<String> {
    let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
    let below_root = match supers {
        0 if path.starts_with(&["crate"]) => &path.segments[1..],
        0 => return None,
        _ if supers == depth => &path.segments[supers..],
        _ => return None,
    };
    let first = below_root.first()?;
    if modules.contains(first.as_str()) {
        Some(first.clone())
    } else {
        exported.get(first).cloned()
    }
}

/// The modules that can be reached from one, itself only through a cycle.
fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(module) = open.pop() {
        for next in graph.get(&module).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

fn edges_in_cycles(graph: &Graph) -> Vec<(String, String)> {
    let mut edges = Vec::new();
    for (from, targets) in graph {
        for to in targets.keys().filter(|to| reachable(graph, to).contains(from)) {
            edges.push((from.clone(), to.clone()));
        }
    }
    edges
}

/// The shortest way from a module back to itself.
fn shortest_cycle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?;
            for next in graph.get(last).into_iter().flat_map(BTreeMap::keys) {
                let mut way = way.clone();
                way.push(next.clone());
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// One finding for each knot: its shortest cycle, with the place of each edge.
fn report(owner: &Crate, graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for module in graph.keys() {
        let Some(way) = shortest_cycle(graph, module).filter(|_| !told.contains(module)) else {
            continue;
        };
        let back = reachable(graph, module);
        told.extend(back.into_iter().filter(|other| reachable(graph, other).contains(module)));
        let edges: Vec<String> = way
            .windows(2)
            .map(|edge| {
                let seen = graph.get(&edge[0]).and_then(|to| to.get(&edge[1]));
                format!("{} -> {} ({})", edge[0], edge[1], seen.map_or("", String::as_str))
            })
            .collect();
        let what = format!(
            "modules form a cycle: {}; move what both need into a module of its own, or pass it as \
             an argument",
            edges.join(", ")
        );
        let key = key(owner, &way[way.len() - 2], &way[way.len() - 1]);
        let place = format!("crates/{}/src", owner.name);
        findings.push(Finding::new(RULE, key, (&place, 0), what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn found(exceptions: &str, files: &[(&str, &str)]) -> Vec<String> {
        let mut all = vec![("crates/x/Cargo.toml", "")];
        all.extend(files);
        let tree = Tree::from_files(&all);
        let findings = check(&Workspace::new(&tree), &Exceptions::parse(exceptions));
        findings.into_iter().map(|f| f.key).collect()
    }

    const ROOT: (&str, &str) = ("crates/x/src/lib.rs", "mod a; mod b; mod c; pub use b::Thing;");
    const A: (&str, &str) = ("crates/x/src/a.rs", "mod deep;");
    const C: (&str, &str) = ("crates/x/src/c.rs", "use crate::a::Other;");

    #[test]
    fn a_cycle_through_a_re_export_and_super_is_found() {
        let deep = ("crates/x/src/a/deep.rs", "use crate::Thing;");
        let b = ("crates/x/src/b.rs", "fn f() { super::a::g() }");
        assert_eq!(found("", &[ROOT, A, deep, b, C]), ["x b -> a"]);
        assert_eq!(found("cycles | x b -> a | grew so", &[ROOT, A, deep, b, C]), [""; 0]);
    }

    #[test]
    fn going_one_way_is_fine_and_tests_may_go_back() {
        let deep = ("crates/x/src/a/deep.rs", "use crate::b::Thing; use super::Own;");
        let b = ("crates/x/src/b.rs", "#[cfg(test)] mod tests { use crate::a::X; }");
        assert_eq!(found("", &[ROOT, A, deep, b, C]), [""; 0]);
    }
}
