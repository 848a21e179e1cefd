//! The checkout keeps its own rules.

use std::path::Path;

use vectorizer_tidy::{Tree, findings};

#[test]
fn the_checkout_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::read(&root).expect("a checkout that can be read");
    let broken: Vec<String> = findings(&tree).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "{} broken rules\n\n{}\n", broken.len(), broken.join("\n"));
}
