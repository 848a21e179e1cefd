//! Environment variables that are settings: `VECTORIZER__SERVER__REST_PORT=8080`.

use super::keys::VARIABLE_PREFIX;
use super::origin::{Given, Origin, Text};

/// The settings among these variables.
pub(super) fn read<'a>(variables: impl IntoIterator<Item = &'a (String, String)>) -> Vec<Given> {
    let setting = |(name, value): &(String, String)| {
        let path = name.strip_prefix(VARIABLE_PREFIX)?;
        Some(Given {
            path: path.replace("__", ".").to_ascii_lowercase(),
            text: Text::Plain(value.clone()),
            origin: Origin::Variable(name.clone()),
        })
    };
    variables.into_iter().filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_underscores_part_the_sections() {
        let variables = [
            ("VECTORIZER__SERVER__REST_PORT".to_owned(), "1".to_owned()),
            ("VECTORIZER_URL".to_owned(), "x".to_owned()),
            ("HOME".to_owned(), "/".to_owned()),
        ];
        let given = read(&variables);
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].path, "server.rest_port");
    }
}
