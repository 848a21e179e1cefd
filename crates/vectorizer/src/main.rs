//! The binary: parse arguments, start the server or run one command, answer with an exit code.
//!
//! # Layout
//! - `cli`: arguments; `failure`: exit codes; `output`: what is printed
//! - `serve`: the server from configuration to the last flush; `show`: `config show`
//! - `client`: requests to a server; `import`, `export`, `search`, `collections`: its commands
//! - `verify`: checking a data folder; `migrate`: making folder and configuration fit for cluster mode
//! - `place`: files that are there whole or not at all

#![forbid(unsafe_code)]

mod cli;
mod client;
mod collections;
mod export;
mod failure;
mod import;
mod migrate;
mod output;
mod place;
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
    let output = Output::new(cli.form());
    let done = match cli.command {
        None if cli.migrate_to_cluster => {
            migrate::folder::run(&cli.serve.config, cli.dry_run, output)
        }
        None => serve::run(&cli.serve, output),
        Some(Command::Serve(args)) => serve::run(&args, output),
        Some(Command::Import(args)) => import::run(&args, output),
        Some(Command::Export(args)) => export::run(&args, output),
        Some(Command::Search(args)) => search::run(&args, output),
        Some(Command::Collections(args)) => collections::list(&args, output),
        Some(Command::Info(args)) => collections::info(&args, output),
        Some(Command::Verify(args)) => verify::run(&args, output),
        Some(Command::MigrateClusterConfig(args)) => migrate::config::run(&args),
        Some(Command::MigrateToCluster(args)) => {
            migrate::folder::run(&args.config, args.dry_run, output)
        }
        Some(Command::Config { command: ConfigCommand::Show(args) }) => show::run(&args, output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.refusal(&error),
    }
}
