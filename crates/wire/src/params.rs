//! Query strings: `wait`, `timeout`, `ordering`, `consistency`.

use std::time::Duration;

use crate::error::{Result, WireError};

/// What a request says beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params {
    /// Whether a write is to be seen by readers before it is answered.
    pub wait: bool,
    /// Whether what is kept of earlier answers is passed over.
    pub fresh: bool,
    /// How long the operation may take.
    pub timeout: Option<Duration>,
}

/// Reads a query string. Ordering and consistency are checked; on one node all of them hold.
///
/// # Errors
/// [`WireError::Invalid`] names the parameter and its value.
pub fn read(query: &str) -> Result<Params> {
    let mut params = Params::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (known, allowed) = match name {
            "wait" => {
                params.wait =
                    read_bool(value).ok_or_else(|| refused(name, value, "true or false"))?;
                (true, "")
            }
            "fresh" => {
                params.fresh =
                    read_bool(value).ok_or_else(|| refused(name, value, "true or false"))?;
                (true, "")
            }
            "timeout" => {
                params.timeout = read_timeout(value)?;
                (true, "")
            }
            "ordering" => {
                (matches!(value, "" | "weak" | "medium" | "strong"), "weak, medium or strong")
            }
            "consistency" => {
                let number = value.parse::<u64>().is_ok_and(|replicas| replicas > 0);
                let word = matches!(value, "" | "majority" | "quorum" | "all");
                (number || word, "majority, quorum, all or a number from 1 on")
            }
            "anonymize" | "per_collection" | "details_level" => (true, ""),
            _ => {
                let told = format!("query parameter `{name}` is not known; leave it out");
                return Err(WireError::invalid(told));
            }
        };
        if !known {
            return Err(refused(name, value, allowed));
        }
    }
    Ok(params)
}

fn read_bool(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "" | "false" => Some(false),
        _ => None,
    }
}

fn read_timeout(value: &str) -> Result<Option<Duration>> {
    if value.is_empty() {
        return Ok(None);
    }
    let seconds: u64 =
        value.parse().map_err(|_not_a_number| refused("timeout", value, "a number of seconds"))?;
    if seconds == 0 {
        let told = "timeout: value 0 invalid, must be 1 or larger";
        return Err(WireError::Parameter(told.to_owned()));
    }
    Ok(Some(Duration::from_secs(seconds)))
}

fn refused(name: &str, value: &str, allowed: &str) -> WireError {
    WireError::invalid(format!("query parameter `{name}` is `{value}`; give it {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_or_refused() {
        let read_ok = |query: &str| read(query).expect(query);
        assert_eq!(read_ok(""), Params::default());
        assert!(read_ok("wait=true&ordering=weak&consistency=2").wait);
        assert!(read_ok("fresh=true").fresh && !read_ok("fresh=").fresh);
        assert!(!read_ok("wait=false&consistency=").wait);
        assert_eq!(read_ok("timeout=3").timeout, Some(Duration::from_secs(3)));
        for query in [
            "wait=maybe",
            "fresh=1",
            "timeout=x",
            "timeout=-1",
            "timeout=0",
            "ordering=no",
            "unheard=1",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
