//! `config show`: every setting, its value and where that came from.

use std::path::Path;

use serde_json::{Value, json};
use vectorizer_model::bytes::ByteCount;
use vectorizer_server::config::{Inspection, Shown, Violations};

use crate::cli::ServeArgs;
use crate::output::{Output, line};

/// Prints all settings; those that are wrong are told afterwards.
pub(crate) fn run(args: &ServeArgs, output: Output) -> anyhow::Result<()> {
    let Inspection { settings, budget, violations, remarks } =
        Inspection::new(&args.sources(), Path::new("/"));
    let rows = settings.shown.iter().map(|shown| {
        json!({
            "key": shown.key,
            "value": shown.value,
            "source": shown.origin.layer(),
            "origin": shown.origin.to_string(),
        })
    });
    let answer = json!({
        "settings": rows.collect::<Vec<Value>>(),
        "memory_budget": budget.as_ref().map(|budget| json!({
            "bytes": budget.limit,
            "rule": budget.rule.to_string(),
            "base_bytes": budget.base,
            "residency": budget.residency_text(),
            "cache_bytes": budget.cache_bytes,
            "heap_bytes": budget.heap_bytes,
            "operation_bytes": budget.operation_bytes,
        })),
        "remarks": remarks.iter().map(|remark| &remark.text).collect::<Vec<_>>(),
        "problems": violations.iter().map(ToString::to_string).collect::<Vec<String>>(),
    });
    output.answer(&answer, |_| {
        let width = settings.shown.iter().map(|shown| shown.key.len()).max().unwrap_or(0);
        let value_of = |shown: &Shown| {
            let value = shown.value.as_deref().filter(|value| !value.is_empty());
            value.unwrap_or("-").to_owned()
        };
        let widths = settings.shown.iter().map(|shown| value_of(shown).len());
        let values_width = widths.max().unwrap_or(0);
        let mut text = String::new();
        for shown in &settings.shown {
            let value = value_of(shown);
            let (key, origin) = (&shown.key, &shown.origin);
            line(&mut text, format_args!("{key:width$}  {value:values_width$}  {origin}"));
        }
        if let Some(budget) = &budget {
            let (limit, rule) = (ByteCount(budget.limit), &budget.rule);
            line(&mut text, format_args!("\nmemory budget  {limit} ({rule})"));
            line(&mut text, format_args!("residency      {}", budget.residency_text()));
            line(&mut text, format_args!("caches         {}", ByteCount(budget.cache_bytes)));
        }
        for remark in &remarks {
            line(&mut text, format_args!("note: {}", remark.text));
        }
        text
    })?;
    if violations.is_empty() { Ok(()) } else { Err(Violations(violations).into()) }
}
