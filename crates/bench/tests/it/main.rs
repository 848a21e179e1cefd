//! Every question is asked once of few rows: what is printed must be there and make sense. How
//! fast it was says nothing here.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vectorizer-bench"));
    command.args(["--rows", "3000", "--dim", "16", "--batch", "100", "--seconds", "0.1"]);
    command.args(["--memory", "512MiB"]).args(arguments);
    command.output().expect("the binary runs")
}

fn answers(arguments: &[&str]) -> Vec<Value> {
    let output = run(&[arguments, &["--json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn answer(arguments: &[&str]) -> Value {
    let mut answers = answers(arguments);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

fn number(value: &Value) -> f64 {
    assert!(value.is_number(), "no number: {value}");
    value.as_f64().expect("a number")
}

fn path(folder: &Path) -> &str {
    folder.to_str().expect("UTF-8")
}

fn check_latency(latency: &Value) {
    let of = |name: &str| number(&latency[name]);
    assert!(of("calls") >= 1.0 && of("qps") > 0.0, "{latency}");
    assert!(0.0 < of("p50_us") && of("p50_us") <= of("p95_us"), "{latency}");
    assert!(of("p95_us") <= of("p99_us") && of("p99_us") <= of("max_us"), "{latency}");
}

fn check_loops(loops: &Value) {
    check_latency(&loops["closed"]);
    check_latency(&loops["open"]);
    assert!(number(&loops["open_rate"]) > 0.0);
}

fn check_filled(filled: &Value) {
    for name in ["ingest_s", "ingest_rate", "build_s", "sustained_rate"] {
        assert!(number(&filled[name]) > 0.0, "{name}: {filled}");
    }
    assert!(number(&filled["sustained_rate"]) <= number(&filled["ingest_rate"]), "{filled}");
    assert!(number(&filled["backlog_rows_at_ack"]) <= 3000.0, "{filled}");
}

#[test]
fn recall_measures_curves_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    let (result, picture) = (folder.path().join("result.json"), folder.path().join("picture.svg"));
    let report =
        answer(&["--k", "10", "--ef", "10,200", "--threads", "1", "--plot", path(&picture)]);
    assert_eq!(report["question"], "recall");
    assert_eq!(report["data"], "synthetic-gaussian-clusters-3000x16");
    assert_eq!(report["points"].as_array().unwrap().len(), 2);
    let best = &report["points"][1];
    assert!(best["ef"] == 200 && number(&best["recall"]) > 0.95, "{best}");
    assert!(number(&report["default_recall"]) > 0.9, "{report}");
    check_filled(&report);
    check_loops(&report["default"]);
    assert!(number(&report["open_s"]) <= number(&report["first_answer_s"]));
    assert!(number(&report["rss_bytes"]) >= number(&report["rss_data_bytes"]));
    let components = report["component_bytes"].as_object().unwrap();
    let components: f64 = components.values().map(number).sum();
    // Vectors alone are 64 bytes each.
    assert!(components >= 3000.0 * 64.0 && number(&report["disk_bytes"]) >= components);

    assert!(std::fs::read_to_string(&picture).unwrap().contains("<polyline"));
    std::fs::write(&result, format!("note\n{report}\n")).unwrap();
    let again = ["plot", "--beside", path(&result), path(&result), "--plot", path(&picture)];
    assert!(run(&again).status.success());
    assert_eq!(std::fs::read_to_string(&picture).unwrap().matches("<polyline").count(), 2);
}

#[test]
fn ingest_measures_either_durability() {
    let report = answer(&["ingest"]);
    let runs = report["runs"].as_array().unwrap();
    let durabilities: Vec<&Value> = runs.iter().map(|run| &run["durability"]).collect();
    assert_eq!(durabilities, ["os", "fsync"]);
    for run in runs {
        check_filled(run);
        assert!(number(&run["disk_bytes"]) >= 3000.0 * 64.0, "{run}");
        assert!(number(&run["rss_bytes"]) > 0.0);
    }
}

#[test]
fn under_load_writes_while_it_searches() {
    let report = answer(&["under-load", "--write-rate", "2000"]);
    check_filled(&report["filled"]);
    check_loops(&report["steady"]);
    check_loops(&report["loaded"]);
    assert!(number(&report["written"]["rows"]) >= 100.0);
    assert_eq!(number(&report["write_rate"]).to_bits(), 2000_f64.to_bits());
    let backlog = report["written"]["backlog"].as_array().unwrap();
    let most = backlog.iter().map(|sample| number(&sample["rows"])).fold(0.0, f64::max);
    assert_eq!(most.to_bits(), number(&report["written"]["backlog_rows_max"]).to_bits());
    let p95 = |of: &str| number(&report[of]["closed"]["p95_us"]);
    let ratio = p95("loaded") / p95("steady");
    assert!((number(&report["closed_p95_ratio"]) / ratio - 1.0).abs() < 1e-6);
}

#[test]
fn filtered_finds_what_matches() {
    let report = answer(&["filtered"]);
    let shares = report["shares"].as_array().unwrap();
    let rows: Vec<f64> = shares.iter().map(|share| number(&share["matching_rows"])).collect();
    assert!(rows.len() == 5 && rows[0].to_bits() == 3000_f64.to_bits(), "{rows:?}");
    assert!((1300.0..1700.0).contains(&rows[1]) && rows[4] < 30.0, "{rows:?}");
    for share in shares {
        assert!(number(&share["recall"]) >= 0.9, "{share}");
        check_latency(&share["latency"]);
    }
}

#[test]
fn one_folder_serves_open_rest_and_single_but_no_other_data() {
    let folder = tempfile::tempdir().unwrap();
    let kept = ["--folder", path(folder.path())];
    let report = answer(&[&["open"][..], &kept].concat());
    for start in [&report["cold"], &report["warm"]] {
        assert_eq!(start["points"], 3000);
        assert!(number(&start["open_s"]) < number(&start["first_answer_s"]), "{start}");
        for when in ["open", "answered", "served"] {
            let held = &start[when];
            assert!(number(&held["anonymous_bytes"]) <= number(&held["rss_bytes"]), "{held}");
        }
    }
    for _ in 0..2 {
        let report = answer(&[&["single"][..], &kept].concat());
        for what in ["get", "get_again", "insert_os", "insert_fsync"] {
            check_latency(&report[what]);
        }
    }
    let report = answer(&[&["rest"][..], &kept].concat());
    check_latency(&report["library"]);
    check_latency(&report["rest"]);
    assert!(number(&report["request_bytes"]) > 100.0);

    let other = run(&[&["rest", "--dim", "17"][..], &kept].concat());
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success() && said.contains("give an empty --folder"), "{said}");
}

#[test]
fn all_asks_every_question_and_a_table_is_for_people() {
    let asked: Vec<Value> =
        answers(&["all", "--ef", "64"]).iter().map(|line| line["question"].clone()).collect();
    let every = ["recall", "filtered", "open", "rest", "single", "ingest", "under-load"];
    assert_eq!(asked, every);
    let table = run(&["rest"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.starts_with("== rest\nsynthetic") && table.contains("p95 us"), "{table}");
}
