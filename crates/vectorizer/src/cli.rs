//! Arguments. Which commands talk to a server and which open a folder is said in their help.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, read as they stand")]

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use vectorizer_model::bytes::ByteCount;
use vectorizer_server::config::Sources;

const AFTER_HELP: &str = "\
Commands that talk to a running server take --url: import, export, search, collections, info.
Commands that open files themselves take --path and --config: serve, verify, migrate-to-cluster, config
show. migrate-cluster-config reads and writes configuration files.

Exit codes: 0 done; 1 wrong usage, configuration or input; 2 damage, or a count that does not match;
3 no server answers; 4 the server refused.

Without a command the server starts: data in ./data, REST on http://127.0.0.1:15001.";

/// A vector search engine that keeps its memory promise.
#[derive(Debug, Parser)]
#[command(name = "vectorizer", version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// The same as the command migrate-to-cluster.
    #[arg(long)]
    pub(crate) migrate_to_cluster: bool,
    /// With --migrate-to-cluster: say what would be done.
    #[arg(long, requires = "migrate_to_cluster")]
    pub(crate) dry_run: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value, or one for each line where there are many.
    Json,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server (opens the data folder: --path). The default.
    Serve(ServeArgs),
    /// Write vectors from a file into a collection (talks to a server: --url).
    Import(ImportArgs),
    /// Write a collection's points as JSON lines (talks to a server: --url).
    Export(ExportArgs),
    /// Find the points nearest to a vector (talks to a server: --url).
    Search(SearchArgs),
    /// List the collections (talks to a server: --url).
    Collections(ClientArgs),
    /// Show a server, or one of its collections (talks to a server: --url).
    Info(InfoArgs),
    /// Check every byte of a data folder that no server has open (opens the folder: --path).
    Verify(VerifyArgs),
    /// Write a configuration file for cluster mode (reads and writes files; talks to nobody).
    MigrateClusterConfig(MigrateConfigArgs),
    /// Convert memory collections to mmap, for cluster mode (opens the folder: --path).
    MigrateToCluster(MigrateArgs),
    /// The configuration (reads files and the environment; talks to nobody).
    Config {
        /// What about it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// What is to be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting with its value and where that came from.
    Show(ServeArgs),
}

/// Where settings come from.
#[derive(Debug, Args, Default)]
pub(crate) struct ConfigArgs {
    /// The configuration file; without it ./config.yml if there is one.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Any setting, such as --set collections.defaults.hnsw.m=32; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// The data folder (storage.path) [default: ./data].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) path: Option<String>,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
}

/// Settings of a server.
#[derive(Debug, Args, Default)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// The address to listen on (server.host) [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port of the REST door, 0 for a free one (server.rest_port) [default: 15001].
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Listen off loopback without an API key (server.allow_unauthenticated).
    #[arg(long)]
    allow_unauthenticated: bool,
    /// What the whole process may hold, such as 2GB (memory.limit).
    #[arg(long, value_name = "BYTES")]
    memory_limit: Option<String>,
    /// When a write is acknowledged: fsync or os (storage.durability) [default: fsync].
    #[arg(long, value_name = "WHEN")]
    durability: Option<String>,
    /// Who holds index pages: auto, governed or mapped (storage.residency) [default: auto].
    #[arg(long, value_name = "WHO")]
    residency: Option<String>,
    /// UNSAFE, for looking at a node that does not start: tell what breaks the rules of cluster mode,
    /// and start all the same.
    #[arg(long)]
    skip_cluster_validation: bool,
}

/// Which configuration file becomes one of cluster mode.
#[derive(Debug, Args)]
pub(crate) struct MigrateConfigArgs {
    /// The file to read.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// What caches may hold, such as 1GB (cluster.max_cache_memory_bytes) [default: what the file
    /// says, else 1GB].
    #[arg(long, value_name = "BYTES")]
    pub(crate) cache_limit: Option<ByteCount>,
    /// Show the changes and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the output even if it is there.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// Whose collections are converted.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Say what would be done and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// How a server is reached.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The server.
    #[arg(long, env = "VECTORIZER_URL", default_value = "http://127.0.0.1:15001")]
    pub(crate) url: String,
    /// The key it wants, if any.
    #[arg(long, env = "VECTORIZER_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// How answers are printed.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
}

/// What is imported.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The collection; created if absent, with the dimension of the data.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) collection: String,
    /// The file, or - for the standard input: .npy (u8, f16 or f32), .fvecs, .bvecs or .jsonl with
    /// {"id", "vector", "payload"} in each line.
    pub(crate) file: PathBuf,
    /// What the file holds, if its name does not tell.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// How vectors are compared in a new collection [default: cosine].
    #[arg(long, value_enum)]
    pub(crate) metric: Option<MetricName>,
    /// Where a new collection's index lives [default: as the server has it].
    #[arg(long, value_enum, value_name = "TYPE")]
    pub(crate) storage_type: Option<StorageTypeName>,
    /// The id of the first row of files without ids.
    #[arg(long, default_value_t = 0, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) first_id: u64,
    /// Points of one request, at most; fewer if they are large.
    #[arg(long, default_value_t = 1000, value_name = "POINTS", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) batch: u64,
    /// Where progress is kept, to resume after an interruption [default: FILE.import-state].
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Start at the first row, whatever was imported before.
    #[arg(long)]
    pub(crate) restart: bool,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A `NumPy` array of two dimensions: u8, f16 or f32.
    Npy,
    /// Rows of a length and as many f32.
    Fvecs,
    /// Rows of a length and as many u8.
    Bvecs,
    /// One JSON object in each line.
    Jsonl,
}

/// How vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum MetricName {
    /// The angle between them.
    #[default]
    Cosine,
    /// The Euclidean distance.
    #[value(alias = "euclid")]
    L2,
    /// The inner product.
    Dot,
    /// The sum of absolute differences.
    Manhattan,
}

/// Where an index lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StorageTypeName {
    /// On disk, with cached pages.
    Mmap,
    /// On disk, and pinned in memory; not in cluster mode.
    Memory,
}

impl StorageTypeName {
    /// As requests and configuration spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mmap => "mmap",
            Self::Memory => "memory",
        }
    }
}

/// What is exported.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The collection.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) collection: String,
    /// The file to write; without it the standard output.
    pub(crate) file: Option<PathBuf>,
    /// Only points that this filter selects, as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What is looked for.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// The collection.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) query: QueryArgs,
    /// How many points are answered for each query.
    #[arg(long, default_value_t = 10, value_name = "POINTS", allow_negative_numbers = true)]
    pub(crate) limit: u64,
    /// Only points that this filter selects, as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Compare with every point instead of walking the graph.
    #[arg(long)]
    pub(crate) exact: bool,
    /// The vector's name, if the collection names its vectors.
    #[arg(long, value_name = "NAME")]
    pub(crate) using: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What neighbours are wanted of.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct QueryArgs {
    /// A vector, such as '[0.1, 0.2, 0.3]'.
    #[arg(long, value_name = "JSON")]
    pub(crate) vector: Option<String>,
    /// A stored point.
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) id: Option<String>,
    /// A .npy, .fvecs or .bvecs file with one query in each row.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What is shown.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The collection; without it the server.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) collection: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What is checked.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl Cli {
    /// How answers are printed.
    pub(crate) fn form(&self) -> Form {
        match &self.command {
            None => self.serve.config.output,
            Some(Command::Serve(args) | Command::Config { command: ConfigCommand::Show(args) }) => {
                args.config.output
            }
            Some(Command::Import(args)) => args.client.output,
            Some(Command::Export(args)) => args.client.output,
            Some(Command::Search(args)) => args.client.output,
            Some(Command::Collections(args)) => args.output,
            Some(Command::Info(args)) => args.client.output,
            Some(Command::Verify(args)) => args.config.output,
            Some(Command::MigrateToCluster(args)) => args.config.output,
            // Its --output is a file.
            Some(Command::MigrateClusterConfig(_)) => Form::Text,
        }
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl ConfigArgs {
    /// All sources of settings, with the environment as it is now.
    pub(crate) fn sources(&self) -> Sources {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let path = self.path.iter().map(|path| ("storage.path", path.clone(), "--path"));
        let owned =
            |(key, value, flag): (&str, String, &str)| (key.to_owned(), value, flag.to_owned());
        let set = self.set.iter().cloned();
        Sources {
            file: self.config.clone(),
            file_text: None,
            variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
            flags: set
                .map(|(key, value)| (key, value, "--set".to_owned()))
                .chain(path.map(owned))
                .collect(),
            skip_cluster_validation: false,
        }
    }
}

impl ServeArgs {
    /// All sources of settings, with the environment as it is now.
    pub(crate) fn sources(&self) -> Sources {
        let mut sources = self.config.sources();
        sources.skip_cluster_validation = self.skip_cluster_validation;
        let allow = self.allow_unauthenticated.then(|| "true".to_owned());
        for (key, value, flag) in [
            ("server.host", &self.host, "--host"),
            ("server.rest_port", &self.port, "--port"),
            ("server.allow_unauthenticated", &allow, "--allow-unauthenticated"),
            ("memory.limit", &self.memory_limit, "--memory-limit"),
            ("storage.durability", &self.durability, "--durability"),
            ("storage.residency", &self.residency, "--residency"),
        ] {
            if let Some(value) = value {
                sources.flags.push((key.to_owned(), value.clone(), flag.to_owned()));
            }
        }
        sources
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_takes_the_flags_of_serve() {
        let cli = Cli::parse_from(["vectorizer", "--port", "0", "--set", "auth.api_key=a=b"]);
        let flags = cli.serve.sources().flags;
        let expected = [("auth.api_key", "a=b", "--set"), ("server.rest_port", "0", "--port")];
        let owned = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(flags, owned);
    }
}
