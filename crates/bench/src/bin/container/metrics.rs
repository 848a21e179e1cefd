//! What a server tells of itself.

use anyhow::{Context, Result, ensure};

use vectorizer_bench::http::Connection;

/// The measurements of one moment.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) fn read(connection: &mut Connection) -> Result<Self> {
        let answer = connection.ask("GET", "/metrics", b"")?;
        ensure!(answer.status == 200, "/metrics: {}", answer.status);
        Ok(Self(String::from_utf8(answer.body)?))
    }

    /// The value of what has no labels.
    pub(crate) fn get(&self, name: &str) -> Result<u64> {
        let of = |line: &'_ str| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let value = self.0.lines().find_map(of);
        let value = value.with_context(|| format!("/metrics has no {name}"))?;
        value.parse().with_context(|| format!("{name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_matched_as_a_whole() {
        let metrics = Metrics("# HELP a b\na_total 7\na{b=\"c\"} 8\na 9\n".to_owned());
        assert_eq!(metrics.get("a").unwrap(), 9);
        assert_eq!(metrics.get("a_total").unwrap(), 7);
        let missing = metrics.get("a_tot").unwrap_err().to_string();
        assert_eq!(missing, "/metrics has no a_tot");
    }
}
