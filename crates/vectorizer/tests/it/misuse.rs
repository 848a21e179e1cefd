//! What users ask for by mistake, and where the system sets limits.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Server, answer, answers, run, text};

const POINTS: &str = "{\"id\":1,\"vector\":[1,2]}\n{\"id\":2,\"vector\":[3,4]}\n";

fn path_text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Runs a command that must fail, and says how.
fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    (output.status.code(), text(&output.stderr))
}

#[test]
fn an_export_replaces_files_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("points.jsonl"), POINTS).expect("written");
    let server = Server::start(&at("data"), &[]);
    let url = ["--url", &server.url];
    answer(&[&["import", "things", path_text(&at("points.jsonl"))], &url[..]].concat());

    // A pipe stays one, and its reader sees the points; so would /dev/null.
    let made = Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo is there");
    assert!(made.success());
    let reader = Command::new("cat").arg(at("pipe")).stdout(Stdio::piped()).spawn();
    let pipe = at("pipe");
    answer(&[&["export", "things", path_text(&pipe)], &url[..]].concat());
    assert!(fs::metadata(&pipe).expect("it is there").file_type().is_fifo());
    let read = reader.expect("cat is there").wait_with_output().expect("it ends");
    assert_eq!(text(&read.stdout).lines().count(), 2);

    fs::write(at("file"), "old").expect("written");
    symlink(at("file"), at("link")).expect("linked");
    answer(&[&["export", "things", path_text(&at("link"))], &url[..]].concat());
    assert!(fs::symlink_metadata(at("link")).expect("it is there").is_symlink());
    assert_eq!(fs::read_to_string(at("file")).expect("readable").lines().count(), 2);

    let (code, said) =
        refusal(&[&["export", "things", path_text(folder.path())], &url[..]].concat());
    assert!(code == Some(1) && said.contains("is a folder"), "{said}");
}

#[test]
fn an_import_says_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("points.jsonl");
    fs::write(&file, POINTS).expect("written");
    let server = Server::start(&folder.path().join("data"), &[]);
    let import = |more: &[&'static str]| {
        let all: [&[&str]; 3] = [&["import", "--url", &server.url], more, &[path_text(&file)]];
        all.concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let borrowed = |all: &[String]| refusal(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let first = import(&["--metric", "l2", "things"]);
    answers(&first.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, said) = borrowed(&import(&["--metric", "dot", "things"]));
    assert!(code == Some(1) && said.contains("compares by Euclid"), "{said}");
    let (code, said) = borrowed(&import(&[""]));
    assert!(code == Some(1) && said.contains("a value is required for '<COLLECTION>'"), "{said}");

    // A file that is mended is imported by the same command.
    fs::write(&file, POINTS.replace("[3,4]", "[3,4,5]")).expect("written");
    let (code, said) = borrowed(&import(&["other"]));
    assert!(code == Some(4) && said.contains("nothing was imported"), "{said}");
    fs::write(&file, POINTS).expect("written");
    let again = import(&["other"]);
    answers(&again.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_limit_for_the_size_of_files_is_like_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("points.jsonl"));
    let vector = format!("[{}0]", "1,".repeat(255));
    let line = |id: u64| format!("{{\"id\":{id},\"vector\":{vector}}}");
    let lines = (0..4000).map(line).collect::<Vec<_>>().join("\n");
    fs::write(&file, lines).expect("written");
    // Two MiB in units of 512 or 1024 bytes, as the shell has it.
    let mut limited = Command::new("sh");
    let serve = ["--path", path_text(&data), "--port", "0", "--output", "json"];
    limited.args(["-c", "ulimit -f 2048; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_vectorizer")]);
    limited.args(serve);
    let server = Server::start_command(limited);
    let name = path_text(&file);
    let (code, said) = refusal(&["import", "things", name, "--url", &server.url]);
    assert_eq!(code, Some(4), "{said}");
    let held = answers(&["search", "things", "--id", "0", "--limit", "1", "--url", &server.url]);
    assert_eq!(held.len(), 1, "what is there is still served");
    drop(server);
    let server = Server::start(&data, &[]);
    let url = ["--url", &server.url];
    let held = answer(&[&["info", "things"], &url[..]].concat());
    assert!(held["points_count"].as_u64() > Some(0), "what was acknowledged is kept: {held}");
    let all = answer(&[&["import", "things", name, "--restart"], &url[..]].concat());
    assert_eq!(all["points"], 4000, "{all}");
    assert_eq!(server.stop().0, Some(0));
}
