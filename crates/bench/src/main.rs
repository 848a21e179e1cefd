//! Measures the engine in process: one question for each module, with recall beside every speed.
//!
//! # Layout
//! - `args`: what is asked; `source`, `clusters`: vectors, queries and right answers
//! - `store`: the folder; `write`: filling it; `query`: searches; `latency`: loops and percentiles
//! - `recall`, `ingest`, `under_load`, `filtered`, `open`, `rest`, `single`: the questions
//! - `door`: a server in this process; `plot`: results as a picture

#![forbid(unsafe_code)]

mod args;
mod clusters;
mod door;
mod filtered;
mod ingest;
mod latency;
mod open;
mod plot;
mod query;
mod recall;
mod rest;
mod single;
mod source;
mod store;
mod under_load;
mod write;

use std::fmt::Display;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::Serialize;

use crate::args::{Args, Question};

fn main() -> Result<()> {
    let args = Args::parse();
    let question = args.question();
    match question {
        Question::Recall => {
            let report = recall::run(&args)?;
            let own = serde_json::to_value(&report)?;
            print(&args, "recall", &report)?;
            if let Some(to) = &args.plot {
                plot::write(to, Some(&own), &args.beside)?;
            }
            Ok(())
        }
        Question::Ingest => print(&args, "ingest", &ingest::run(&args)?),
        Question::UnderLoad => print(&args, "under-load", &under_load::run(&args)?),
        Question::Filtered => print(&args, "filtered", &filtered::run(&args)?),
        Question::Open => print(&args, "open", &open::run(&args)?),
        Question::Rest => print(&args, "rest", &rest::run(&args)?),
        Question::Single => print(&args, "single", &single::run(&args)?),
        Question::Reopen => print(&args, "reopen", &open::reopen(&args)?),
        Question::Plot => {
            let to = args.plot.as_deref().context("--plot names the file to write")?;
            plot::write(to, None, &args.beside)
        }
        Question::All => all(&args),
    }
}

/// Every question in a process of its own, so that none finds the memory of another. Those that
/// only read share a folder.
fn all(args: &Args) -> Result<()> {
    let root = store::Folder::scratch(args)?;
    let shared = root.path().join("shared");
    for (question, folder) in [
        ("recall", None),
        ("filtered", None),
        ("open", Some(shared.as_path())),
        ("rest", Some(shared.as_path())),
        ("single", Some(shared.as_path())),
        ("ingest", Some(root.path())),
        ("under-load", Some(root.path())),
    ] {
        let own = root.path().join(question);
        ask(question, folder.unwrap_or(&own))?;
    }
    Ok(())
}

fn ask(question: &str, folder: &Path) -> Result<()> {
    let ended = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--only", question, "--folder"])
        .arg(folder)
        .status()?;
    ensure!(ended.success(), "{question} ended: {ended}");
    Ok(())
}

/// A table for people, or a line of JSON.
#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn print(args: &Args, question: &'static str, report: &(impl Serialize + Display)) -> Result<()> {
    #[derive(Serialize)]
    struct Line<'a, R> {
        question: &'static str,
        #[serde(flatten)]
        report: &'a R,
    }
    if args.json {
        println!("{}", serde_json::to_string(&Line { question, report })?);
    } else {
        println!("== {question}\n{report}\n");
    }
    Ok(())
}
