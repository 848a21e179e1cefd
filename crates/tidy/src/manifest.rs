//! What a crate's manifest says, read line by line.

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A product crate; it may name crates of smaller numbers.
    Product(u32),
    /// A tool: tests, benchmarks. It may name anything, and no product crate may name it.
    Tool,
}

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Product,
    Build,
    Dev,
}

/// One line of dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) need: Need,
    pub(crate) line: usize,
}

/// A crate's manifest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) layer: Option<Layer>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) inherits_lints: bool,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section = String::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if let Some(header) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
                header.clone_into(&mut section);
                manifest.table_dependency(header, line);
            } else if let Some((key, value)) = text.split_once('=') {
                manifest.entry(&section, (key.trim(), value.trim()), line);
            }
        }
        manifest
    }

    /// `[dependencies.name]`.
    fn table_dependency(&mut self, header: &str, line: usize) {
        if let Some((section, name)) = header.rsplit_once('.')
            && let Some(need) = need_of(section)
        {
            self.dependencies.push(Dependency { name: name.to_owned(), need, line });
        }
    }

    fn entry(&mut self, section: &str, (key, value): (&str, &str), line: usize) {
        match (section, key) {
            ("package", "name") => unquote(value).clone_into(&mut self.name),
            ("package.metadata.layer", "number") => {
                self.layer = match unquote(value) {
                    "T" => Some(Layer::Tool),
                    number => number.parse().ok().map(Layer::Product),
                };
            }
            ("lints", "workspace") => self.inherits_lints = value == "true",
            _ => {
                if let Some(need) = need_of(section).filter(|_| !key.starts_with('"')) {
                    let name = renamed(value).or(key.split('.').next()).unwrap_or(key);
                    self.dependencies.push(Dependency { name: name.to_owned(), need, line });
                }
            }
        }
    }
}

fn need_of(section: &str) -> Option<Need> {
    match section.rsplit('.').next()? {
        "dependencies" if !section.starts_with("workspace") => Some(Need::Product),
        "build-dependencies" => Some(Need::Build),
        "dev-dependencies" => Some(Need::Dev),
        _ => None,
    }
}

/// The package behind another name.
fn renamed(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("package")?;
    rest.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.split('"').next()
}

fn unquote(value: &str) -> &str {
    value.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_name_a_dependency() {
        let text = "[package]\nname = \"vectorizer-x\"\n[package.metadata.layer]\nnumber = \"3\"\n\
                    [dependencies]\na.workspace = true\nb = { version = \"1\", package = \"c\" }\n\
                    d = { version = \"1\", features = [\n  \"e\",\n] }\n[dependencies.f]\n\
                    version = \"1\"\n[target.'cfg(unix)'.dependencies]\ng = \"1\"\n\
                    [dev-dependencies]\nh = \"1\"\n";
        let manifest = Manifest::parse(text);
        let product = manifest.dependencies.iter().filter(|d| d.need == Need::Product);
        let names: Vec<&str> = product.map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["a", "c", "d", "f", "g"]);
        assert_eq!(manifest.layer, Some(Layer::Product(3)));
        assert!(!manifest.inherits_lints);
    }
}
