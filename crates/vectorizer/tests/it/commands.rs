//! Import, search, restart, search again, export, verify.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Random, Server, answer, answers, eventually, npy, run, text, vectorizer};

const DIM: usize = 8;

/// Points as JSON lines, with integers and UUIDs as ids, in the order of an export.
fn jsonl(points: u64) -> String {
    let mut random = Random(7);
    let mut lines = String::new();
    for point in 0..points {
        let vector: Vec<f64> = (0..DIM).map(|_| random.component()).collect();
        let id = match point * 4 / points {
            0..3 => json!(point * 3),
            _ => json!(format!("00000000-0000-4000-8000-{point:012x}")),
        };
        let payload = json!({
            "number": point,
            "text": format!("point {point} \u{e9}"),
            "nested": { "list": [1, 2.5, null, true], "empty": {} },
        });
        let line = match point % 5 {
            0 => json!({ "id": id, "vector": vector }),
            _ => json!({ "id": id, "vector": vector, "payload": payload }),
        };
        writeln!(lines, "{line}").expect("text");
    }
    lines
}

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn what_is_imported_is_found_again_and_exported_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("points.jsonl"));
    let lines = jsonl(1200);
    fs::write(&file, &lines).expect("written");
    let server = Server::start(&data, &[]);
    let url = ["--url", &server.url];
    let import =
        [&["import", "things", path_text(&file), "--metric", "l2", "--batch", "100"], &url[..]];
    let imported = answer(&import.concat());
    assert_eq!((&imported["rows"], &imported["points"]), (&json!(1200), &json!(1200)));
    assert!(!folder.path().join("points.jsonl.import-state").exists());

    let first = values(&lines)[1].clone();
    let vector = first["vector"].to_string();
    let by_vector = ["search", "things", "--vector", &vector, "--limit", "3"];
    let by_id = ["search", "things", "--id", "3", "--limit", "3", "--exact"];
    let filter = r#"{"must":[{"key":"number","range":{"gte":10,"lt":12}}]}"#;
    let filtered = ["search", "things", "--vector", &vector, "--filter", filter];
    let ask = |url: &str, question: &[&str]| answer(&[question, &["--url", url]].concat());
    let before: Vec<Value> =
        [&by_vector[..], &by_id, &filtered].iter().map(|q| ask(&server.url, q)).collect();
    assert_eq!(before[0][0]["id"], first["id"]);
    assert_eq!(before[0][0]["score"], json!(0.0));
    assert_eq!(before[0][0]["payload"], first["payload"]);
    assert_eq!(before[1].as_array().map(Vec::len), Some(3));
    assert_eq!(before[2].as_array().map(Vec::len), Some(1), "10 has no payload");
    assert_eq!(server.stop().0, Some(0));

    let server = Server::start(&data, &[]);
    let after: Vec<Value> =
        [&by_vector[..], &by_id, &filtered].iter().map(|q| ask(&server.url, q)).collect();
    assert_eq!(before, after);
    check_export(&server.url, folder.path(), &lines);
    let listed = answer(&["collections", "--url", &server.url]);
    assert_eq!((&listed[0]["name"], &listed[0]["points"]), (&json!("things"), &json!(1200)));
    let info = answer(&["info", "things", "--url", &server.url]);
    assert_eq!(info["config"]["params"]["vectors"]["size"], json!(DIM));
    assert_eq!(answer(&["info", "--url", &server.url])["collections"], json!(1));
}

/// An export is what was imported, in a file and on the standard output.
fn check_export(url: &str, folder: &Path, lines: &str) {
    let exported = folder.join("exported.jsonl");
    let done = answer(&["export", "things", path_text(&exported), "--url", url]);
    assert_eq!(done["points"], json!(lines.lines().count()));
    let to_stdout = run(&["export", "things", "--url", url]);
    assert!(to_stdout.status.success());
    let exported = fs::read_to_string(exported).expect("written");
    assert_eq!(text(&to_stdout.stdout), exported);
    assert_eq!(values(&exported), values(lines));
}

#[test]
fn arrays_are_imported_and_searched_row_by_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(3);
    let bytes: Vec<u8> = (0..500 * DIM).map(|_| random.next().to_le_bytes()[0]).collect();
    let file = folder.path().join("base.npy");
    fs::write(&file, npy("|u1", 500, DIM, &bytes)).expect("written");
    let queries = folder.path().join("query.npy");
    fs::write(&queries, npy("|u1", 150, DIM, &bytes[..150 * DIM])).expect("written");
    let mut framed = Vec::new();
    for row in bytes.chunks_exact(DIM).take(50) {
        framed.extend(8_u32.to_le_bytes());
        framed.extend(row.iter().flat_map(|byte| f32::from(*byte).to_le_bytes()));
    }
    let fvecs = folder.path().join("more.fvecs");
    fs::write(&fvecs, framed).expect("written");

    let server = Server::start(&folder.path().join("data"), &[]);
    let url = ["--url", &server.url];
    let import = ["import", "bytes", path_text(&file), "--metric", "l2"];
    assert_eq!(answer(&[&import, &url[..]].concat())["points"], json!(500));
    let search = ["search", "bytes", "--file", path_text(&queries), "--limit", "1"];
    let found = answers(&[&search, &url[..]].concat());
    assert_eq!(found.len(), 150);
    for (row, found) in found.iter().enumerate() {
        assert_eq!((&found["query"], &found["points"][0]["id"]), (&json!(row), &json!(row)));
    }
    let more = ["import", "bytes", path_text(&fvecs), "--first-id", "480"];
    assert_eq!(answer(&[&more, &url[..]].concat())["points"], json!(530));
    let wrong =
        run(&[&["import", "bytes", path_text(&folder.path().join("x"))], &url[..]].concat());
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong.stderr));
}

#[test]
fn an_interrupted_import_goes_on_where_it_was() {
    const ROWS: usize = 40_000;
    let folder = tempfile::tempdir().expect("a folder");
    let mut random = Random(5);
    let data: Vec<u8> =
        (0..ROWS * 4).flat_map(|_| (random.below(1000) as f32).to_le_bytes()).collect();
    let file = folder.path().join("base.npy");
    fs::write(&file, npy("<f4", ROWS, 4, &data)).expect("written");
    let state = folder.path().join("base.npy.import-state");
    let server = Server::start(&folder.path().join("data"), &[]);
    let import = ["import", "rows", path_text(&file), "--batch", "100", "--url", &server.url];
    let rows_kept = || {
        let kept: Option<Value> = serde_json::from_slice(&fs::read(&state).ok()?).ok();
        kept?["state"]["rows"].as_u64()
    };
    let mut importer = vectorizer(&import).spawn().expect("starts");
    eventually("the import is under way", || rows_kept().is_some_and(|rows| rows > 0));
    importer.kill().expect("it was running");
    importer.wait().expect("it ends");
    let kept = rows_kept().expect("the state is kept");
    assert!(kept < ROWS as u64, "the import was over before it was killed");

    fs::rename(&file, folder.path().join("moved.npy")).expect("renamed");
    fs::write(&file, npy("<f4", 1, 4, &[0; 16])).expect("written");
    let other = run(&import);
    assert_eq!(other.status.code(), Some(1));
    assert!(text(&other.stderr).contains("--restart"), "{}", text(&other.stderr));
    fs::rename(folder.path().join("moved.npy"), &file).expect("renamed");

    let resumed = answer(&import);
    assert_eq!(resumed["resumed_at"], json!(kept));
    assert_eq!((&resumed["rows"], &resumed["points"]), (&json!(ROWS), &json!(ROWS)));
    assert!(!state.exists());
}

fn largest_component(folder: &Path) -> PathBuf {
    let mut largest = (0, PathBuf::new());
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let entry = entry.expect("readable");
            let bytes = entry.metadata().expect("readable").len();
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|e| e == "vzc") && bytes > largest.0 {
                largest = (bytes, entry.path());
            }
        }
    }
    largest.1
}

#[test]
fn verify_finds_a_flipped_byte_and_names_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("points.jsonl"));
    fs::write(&file, jsonl(300)).expect("written");
    let server = Server::start(&data, &[]);
    answer(&["import", "things", path_text(&file), "--url", &server.url]);
    let verify = ["verify", "--path", path_text(&data)];
    let locked = run(&verify);
    assert_eq!(locked.status.code(), Some(1));
    let pid = server.child.id();
    assert!(text(&locked.stderr).contains(&format!("process {pid}")), "{}", text(&locked.stderr));
    assert_eq!(server.stop().0, Some(0));

    let sound = answer(&verify);
    assert_eq!((&sound["damages"], &sound["collections"]), (&json!([]), &json!(1)));
    assert!(sound["segments"].as_u64().is_some_and(|segments| segments > 0), "{sound}");
    let component = largest_component(&data);
    let mut bytes = fs::read(&component).expect("read");
    bytes[5] ^= 1;
    fs::write(&component, bytes).expect("written");
    let damaged = run(&verify);
    assert_eq!(damaged.status.code(), Some(2));
    let name = component.strip_prefix(&data).expect("inside").display().to_string();
    let said = text(&damaged.stdout);
    assert!(said.contains(&format!("damage: {name} at byte 0")), "{said}");
    let absent = run(&["verify", "--path", path_text(folder.path())]);
    assert_eq!(absent.status.code(), Some(1), "{}", text(&absent.stderr));
}

#[test]
fn exit_codes_tell_the_reasons_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"), &[]);
    let code = |arguments: &[&str]| run(arguments).status.code();
    assert_eq!(code(&["collections", "--url", &server.url]), Some(0));
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["frobnicate"]), Some(1));
    assert_eq!(code(&["search", "x", "--url", &server.url]), Some(1));
    assert_eq!(code(&["collections", "--url", "https://127.0.0.1:15001"]), Some(1));
    assert_eq!(code(&["collections", "--url", "http://127.0.0.1:1"]), Some(3));
    assert_eq!(code(&["search", "x", "--id", "1", "--url", &server.url]), Some(4));
    let json = run(&["export", "x", "--url", &server.url, "--output", "json"]);
    let said: Value = serde_json::from_slice(&json.stderr).expect("JSON");
    assert_eq!(said["exit_code"], json!(4), "{said}");
}
