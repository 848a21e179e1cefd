//! What is let pass, and why: lines of `rule | key | reason`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::EXCEPTIONS;
use crate::finding::Finding;

#[derive(Debug, Clone)]
struct Exception {
    line: usize,
    reason: String,
}

/// The list, and which of it was needed.
#[derive(Debug)]
pub(crate) struct Exceptions {
    listed: BTreeMap<(String, String), Exception>,
    needed: RefCell<BTreeSet<(String, String)>>,
}

impl Exceptions {
    pub(crate) fn parse(text: &str) -> Self {
        let mut listed = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let mut parts = text.splitn(3, '|').map(|part| part.trim().to_owned());
            let mut part = || parts.next().unwrap_or_default();
            let key = (part(), part());
            listed.insert(key, Exception { line, reason: part() });
        }
        Self { listed, needed: RefCell::default() }
    }

    /// Whether a finding is let pass; remembers that the exception is needed.
    pub(crate) fn allows(&self, rule: &str, key: &str) -> bool {
        let key = (rule.to_owned(), key.to_owned());
        let allowed = self.listed.get(&key).is_some_and(|exception| !exception.reason.is_empty());
        if allowed {
            self.needed.borrow_mut().insert(key);
        }
        allowed
    }

    /// The exceptions that nothing needs, or that give no reason.
    pub(crate) fn unneeded(&self) -> Vec<Finding> {
        let needed = self.needed.borrow();
        let unneeded = self.listed.iter().filter(|(key, _)| !needed.contains(*key));
        unneeded
            .map(|((rule, key), exception)| {
                let what = match exception.reason.as_str() {
                    "" => "an exception without a reason; write one as the third part",
                    _ => "nothing needs this exception any more; remove the line",
                };
                let place = (EXCEPTIONS, exception.line);
                Finding::new("exceptions", format!("{rule} | {key}"), place, what)
            })
            .collect()
    }
}
