//! The configuration file: YAML, flattened to paths with the line of each value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::origin::{Given, Origin, Text};
use super::violation::Violation;

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "config.yml";

/// Reads a configuration file.
pub(super) fn read(path: &Path) -> Result<Vec<Given>, Violation> {
    let text = std::fs::read_to_string(path).map_err(|cause| Violation::Unreadable {
        path: path.to_path_buf(),
        cause,
        mend: "give --config the path of a readable file",
    })?;
    parse(&text, path)
}

/// Every value in the text of a configuration file, known or not: its path and its texts, of which
/// only a list has more than one.
///
/// # Errors
/// The text is no YAML.
pub fn values(text: &str, path: &Path) -> Result<Vec<(String, Vec<String>)>, Violation> {
    let given = parse(text, path)?;
    let value = |given: Given| match given.text {
        Text::Empty => None,
        Text::List(items) => Some((given.path, items)),
        Text::Plain(text) | Text::Typed(text) => Some((given.path, vec![text])),
    };
    Ok(given.into_iter().filter_map(value).collect())
}

/// Reads the text of a configuration file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Given>, Violation> {
    let root: Spanned<Option<Node>> = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let plain = error.without_snippet().to_string();
        let what = plain.lines().next().unwrap_or_default().to_owned();
        Violation::Syntax { path: path.to_path_buf(), line, what }
    })?;
    let mut given = Vec::new();
    if let Some(node) = root.value {
        let line = root.referenced.line();
        flatten(node, String::new(), line, &mut |prefix, line, text| {
            let origin = Origin::File { path: path.to_path_buf(), line };
            given.push(Given { path: prefix, text, origin });
        });
    }
    Ok(given)
}

fn flatten(node: Node, prefix: String, line: u64, emit: &mut impl FnMut(String, u64, Text)) {
    match node {
        Node::Scalar(text) => emit(prefix, line, text),
        Node::Map(members) if members.is_empty() => emit(prefix, line, Text::Empty),
        Node::Map(members) => {
            for (name, member) in members {
                let path = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(member.value, path, member.referenced.line(), emit);
            }
        }
    }
}

/// Any YAML, as far as settings need it.
#[derive(Debug)]
enum Node {
    Scalar(Text),
    Map(BTreeMap<String, Spanned<Node>>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

fn typed(value: &impl ToString) -> Node {
    Node::Scalar(Text::Typed(value.to_string()))
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting or a section of settings")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(typed(&value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Text::Plain(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Text::Empty))
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Text::Empty))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Node>()? {
            items.push(match item {
                Node::Scalar(text) => text.as_str().to_owned(),
                Node::Map(_) => "{..}".to_owned(),
            });
        }
        Ok(Node::Scalar(Text::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Spanned<Node>>()? {
            members.insert(name, value);
        }
        Ok(Node::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines_and_what_they_were_meant_to_be() {
        let text = "server:\n  rest_port: 80\n  host: '0.0.0.0'\nmemory:\n  limit:\nlist: [1, b]\n";
        let given = parse(text, Path::new("c.yml")).unwrap();
        let shown: Vec<_> =
            given.iter().map(|g| (g.path.as_str(), g.text.clone(), g.origin.to_string())).collect();
        let at = |line: u64| format!("c.yml:{line}");
        let expected = [
            ("list", Text::List(vec!["1".to_owned(), "b".to_owned()]), at(6)),
            ("memory.limit", Text::Empty, at(5)),
            ("server.host", Text::Plain("0.0.0.0".to_owned()), at(3)),
            ("server.rest_port", Text::Typed("80".to_owned()), at(2)),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn broken_files_name_the_line() {
        let refusal = parse("server:\n  host: [\n", Path::new("c.yml")).unwrap_err();
        assert!(refusal.to_string().starts_with("c.yml:"), "{refusal}");
        let twice = parse("a: 1\na: 2\n", Path::new("c.yml")).unwrap_err().to_string();
        assert!(twice.starts_with("c.yml:2"), "{twice}");
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        for text in ["", "# nothing\n", "{}\n"] {
            let given = parse(text, Path::new("c.yml")).unwrap();
            assert!(given.iter().all(|given| given.path.is_empty()), "{text:?} {given:?}");
        }
    }
}
