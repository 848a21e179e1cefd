//! An older file's list of servers, as the seed nodes of today.

use anyhow::{Context, bail};
use vectorizer_server::config::is_address;

use super::yaml::{Lines, Place, indent_of, is_content, parts, split_comment};

/// The port of membership.
const PORT: u16 = 7946;

/// Makes `cluster.servers` into `cluster.seed_nodes`; false if there are none. Items are texts, or
/// mappings with an `address` or `host`.
///
/// # Errors
/// There are seed nodes already, or an item is no address.
pub(super) fn rename(lines: &mut Lines) -> anyhow::Result<bool> {
    let Some(place) = lines.find(&["cluster", "servers"]) else { return Ok(false) };
    if let Some(other) = lines.find(&["cluster", "seed_nodes"]) {
        bail!(
            "cluster.servers (line {}) and cluster.seed_nodes (line {}) are both there; leave one \
             out",
            place.line + 1,
            other.line + 1
        );
    }
    let (_, inline, comment) = parts(lines.get(place.line));
    let gap = if comment.is_empty() { "" } else { "  " };
    let indent = " ".repeat(place.indent);
    let renamed = if inline.is_empty() {
        let mut all = vec![format!("{indent}seed_nodes:{gap}{comment}")];
        all.extend(items(lines, place)?);
        all
    } else {
        let list = inline.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
        let list = list.with_context(|| {
            let line = place.line + 1;
            format!(
                "line {line} has `cluster.servers`, which is no list; write one server to a line"
            )
        })?;
        let texts = list.split(',').map(unquoted).filter(|text| !text.is_empty());
        let addresses: Vec<String> =
            texts.map(|text| address(text, None)).collect::<Result<_, _>>()?;
        let shown: Vec<String> = addresses.iter().map(|text| format!("\"{text}\"")).collect();
        vec![format!("{indent}seed_nodes: [{}]{gap}{comment}", shown.join(", "))]
    };
    lines.replace(place.line..place.end, renamed);
    Ok(true)
}

/// An item with the lines that it is made of.
struct Item {
    indent: usize,
    fields: Vec<(String, String)>,
    comment: String,
}

/// The list's lines, each item in one of its own; comments stay where they are.
fn items(lines: &Lines, place: Place) -> anyhow::Result<Vec<String>> {
    let mut written = Vec::new();
    let mut open: Option<Item> = None;
    for at in place.line + 1..place.end {
        let line = lines.get(at);
        if !is_content(line) {
            written.extend(open.take().map(Item::line).transpose()?);
            written.push(line.to_owned());
            continue;
        }
        let mut text = line.trim();
        if let Some(rest) = text.strip_prefix('-') {
            written.extend(open.take().map(Item::line).transpose()?);
            text = rest.trim_start();
            open =
                Some(Item { indent: indent_of(line), fields: Vec::new(), comment: String::new() });
        }
        let Some(item) = &mut open else {
            bail!("line {} is no server; write it as `- HOST:PORT`", at + 1);
        };
        item.take(text);
    }
    written.extend(open.map(Item::line).transpose()?);
    Ok(written)
}

impl Item {
    fn take(&mut self, text: &str) {
        let (value, comment) = split_comment(text);
        if !comment.is_empty() && self.comment.is_empty() {
            comment.clone_into(&mut self.comment);
        }
        // A key is followed by a space; an address has a port behind its colon.
        let field = value.split_once(": ").map(|(key, value)| (key.trim(), unquoted(value)));
        let (key, value) = field.unwrap_or(("", unquoted(value)));
        if !value.is_empty() {
            self.fields.push((key.to_owned(), value.to_owned()));
        }
    }

    fn line(self) -> anyhow::Result<String> {
        let field = |names: &[&str]| {
            self.fields.iter().find(|(key, _)| names.contains(&key.as_str())).map(|(_, v)| &**v)
        };
        let text = field(&["", "address", "addr", "host", "url"])
            .context("a server of cluster.servers has neither `address` nor `host`")?;
        let address = address(text, field(&["swim_port", "port"]))?;
        let comment = match (field(&["id", "name"]), &*self.comment) {
            (Some(id), "") => format!("  # {id}"),
            (_, "") => String::new(),
            (_, comment) => format!("  {comment}"),
        };
        Ok(format!("{}- \"{address}\"{comment}", " ".repeat(self.indent)))
    }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// A host and the port of membership. A port behind a scheme is that of another door.
fn address(text: &str, port: Option<&str>) -> anyhow::Result<String> {
    let bare = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    if bare.is_none() && is_address(text) {
        return Ok(text.to_owned());
    }
    let host = bare.unwrap_or(text);
    let host = if is_address(host) { host.rsplit_once(':').map_or(host, |(h, _)| h) } else { host };
    let made = match port.filter(|_| bare.is_none()) {
        Some(port) => format!("{host}:{port}"),
        None => format!("{host}:{PORT}"),
    };
    if !is_address(&made) {
        bail!("cluster.servers has `{text}`, which is no address; write it as HOST:PORT");
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(text: &str) -> anyhow::Result<String> {
        let mut lines = Lines::new(text);
        assert!(rename(&mut lines)?);
        Ok(lines.text())
    }

    #[test]
    fn every_form_of_the_list_becomes_seed_nodes() {
        for (before, after) in [
            (
                "cluster:\n  servers:  # old\n    - a:7946\n    # second\n    - \"b\"  # mine\n  x: 1\n",
                "cluster:\n  seed_nodes:  # old\n    - \"a:7946\"\n    # second\n    - \"b:7946\"  # \
                 mine\n  x: 1\n",
            ),
            (
                "cluster:\n  servers: [a:1, 'http://b:15001/x']  # old\n",
                "cluster:\n  seed_nodes: [\"a:1\", \"b:7946\"]  # old\n",
            ),
            (
                "cluster:\n  servers:\n  - id: one\n    address: 10.0.0.1\n    grpc_port: 15003\n  - \
                 host: b\n    port: 7000\n",
                "cluster:\n  seed_nodes:\n  - \"10.0.0.1:7946\"  # one\n  - \"b:7000\"\n",
            ),
        ] {
            assert_eq!(renamed(before).unwrap(), after);
        }
        assert!(!rename(&mut Lines::new("cluster:\n  enabled: true\n")).unwrap());
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (text, told) in [
            ("cluster:\n  servers: [a b]\n", "`a b`, which is no address"),
            ("cluster:\n  servers: none\n", "which is no list"),
            ("cluster:\n  servers:\n    - id: one\n", "neither `address` nor `host`"),
            ("cluster:\n  servers: [a]\n  seed_nodes: [b]\n", "(line 3) are both there"),
        ] {
            let refusal = renamed(text).unwrap_err().to_string();
            assert!(refusal.contains(told), "{refusal}");
        }
    }
}
