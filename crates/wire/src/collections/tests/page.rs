//! The page of settings for users, held against what is read.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::tuning::{QuantizationKinds, ScalarIn};
use super::*;

const PAGE: &str = include_str!("../../../../../docs/users/tuning.md");

/// Setting and accepted values of every row of the page's tables.
fn rows() -> Vec<(&'static str, &'static str)> {
    let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    cells.map(|(setting, rest)| (setting, rest.split('|').next().unwrap_or("").trim())).collect()
}

/// The fields that a type reads, as it tells itself when it meets another.
fn fields<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(json!({ "?": 0 })) else {
        panic!("an unknown field is read");
    };
    let told = error.to_string();
    told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// Every setting that can be read, by its whole path.
fn settings() -> BTreeSet<String> {
    let below = |at: &str, names: Vec<String>| {
        names.into_iter().map(|name| format!("{at}.{name}")).collect::<Vec<_>>()
    };
    let mut found = fields::<CreateIn>();
    found.extend(fields::<UpdateIn>());
    found.extend(below("vectors", fields::<VectorIn>()));
    found.extend(below("vectors", fields::<VectorDiffIn>()));
    found.extend(below("hnsw_config", fields::<HnswIn>()));
    found.extend(below("optimizers_config", fields::<OptimizersIn>()));
    found.extend(below("wal_config", fields::<WalIn>()));
    found.extend(below("quantization_config", fields::<QuantizationKinds>()));
    found.extend(below("quantization_config.scalar", fields::<ScalarIn>()));
    found.extend(below("payload", fields::<PayloadStorageIn>()));
    found.extend(below("params", fields::<ParamsDiffIn>()));
    found.extend(below("params.payload", fields::<PayloadStorageIn>()));
    let found: BTreeSet<String> = found.into_iter().collect();
    // What only holds others has no row of its own.
    let holds = |path: &String| found.iter().any(|other| other.starts_with(&format!("{path}.")));
    found.iter().filter(|path| !holds(path)).cloned().collect()
}

/// Whether a setting with this value is accepted.
fn accepts(setting: &str, value: &Value) -> bool {
    let mut body = match setting {
        update if update.starts_with("params.") => json!({}),
        _ => json!({ "vectors": { "size": 4, "distance": "Dot" } }),
    };
    if setting.starts_with("quantization_config.scalar") {
        body["quantization_config"]["scalar"]["type"] = json!("int8");
    }
    let place = setting.split('.').fold(&mut body, |place, key| &mut place[key]);
    *place = value.clone();
    let text = body.to_string();
    if setting.starts_with("params.") { update(&text).is_ok() } else { create(&text).is_ok() }
}

/// Values that a row says are accepted, and values that it says are not.
fn examples(accepted: &str) -> (Vec<Value>, Vec<Value>) {
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("a number");
    let beyond = |bound: &Value, by: i64| match bound.as_i64() {
        Some(whole) => json!(whole + by),
        None => json!(bound.as_f64().unwrap_or(0.0) + by as f64),
    };
    if let Some((least, most)) = accepted.split_once(" to ") {
        let (least, most) = (number(least), number(most));
        let outside = vec![beyond(&least, -1), beyond(&most, 1)];
        return (vec![least, most], outside);
    }
    if let Some(least) = accepted.strip_suffix(" or more") {
        let least = number(least);
        return (vec![least.clone(), json!(1_000_000)], vec![beyond(&least, -1)]);
    }
    let words = accepted.split('`').skip(1).step_by(2).map(|word| json!(word));
    match accepted {
        "true or false" => (vec![json!(true), json!(false)], vec![json!(1)]),
        "an integer" => (vec![json!(0), json!(u64::from(u32::MAX))], vec![json!(-1), json!(0.5)]),
        "an integer or `auto`" => (vec![json!(0), json!("auto")], vec![json!("other")]),
        "nothing" => (Vec::new(), vec![json!(true), json!({ "a": 1 })]),
        nested if nested.starts_with("as ") => (vec![json!({})], vec![json!({ "?": 0 })]),
        _ => (words.collect(), vec![json!("other"), json!(1)]),
    }
}

#[test]
fn the_page_has_every_setting_and_no_other() {
    let listed: Vec<String> = rows().into_iter().map(|(path, _)| path.to_owned()).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "a setting has two rows");
    assert_eq!(unique, settings());
}

#[test]
fn what_the_page_calls_accepted_is_and_the_rest_is_not() {
    for (setting, accepted) in rows() {
        let (fine, wrong) = examples(accepted);
        assert!(!wrong.is_empty(), "{setting}: {accepted}");
        for value in fine.iter().filter(|_| !accepted.starts_with("as ")) {
            assert!(accepts(setting, value), "{setting}: {value} is refused");
        }
        for value in wrong {
            assert!(!accepts(setting, &value), "{setting}: {value} is accepted");
        }
    }
}
