//! The binary: parse arguments, start the server or run one command, answer with an exit code.
//!
//! # Layout
//! - `cli`: arguments; `failure`: exit codes; `output`: what is printed
//! - `serve`: the server from configuration to the last flush; `show`: `config show`
//! - `client`: requests to a server; `import`, `export`, `search`, `collections`: its commands
//! - `verify`: checking a data folder

#![forbid(unsafe_code)]

mod cli;
mod client;
mod collections;
mod export;
mod failure;
mod import;
mod output;
mod progress;
mod search;
mod serve;
mod show;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use self::cli::{Cli, Command, ConfigCommand};
use self::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::parse_refusal(&error),
    };
    let output = Output::new(cli.output);
    let done = match cli.command {
        None => serve::run(&cli.serve, output),
        Some(Command::Serve(args)) => serve::run(&args, output),
        Some(Command::Import(args)) => import::run(&args, output),
        Some(Command::Export(args)) => export::run(&args, output),
        Some(Command::Search(args)) => search::run(&args, output),
        Some(Command::Collections(args)) => collections::list(&args, output),
        Some(Command::Info(args)) => collections::info(&args, output),
        Some(Command::Verify(args)) => verify::run(&args, output),
        Some(Command::Config { command: ConfigCommand::Show(args) }) => show::run(&args, output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.refusal(&error),
    }
}
