//! What is printed: answers to the standard output, failures to the standard error.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Form;
use crate::failure::exit_code;

/// Where answers go. A reader that goes away early is no failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    form: Form,
}

impl Output {
    pub(crate) fn new(form: Form) -> Self {
        Self { form }
    }

    /// Whether programs read the answers.
    pub(crate) fn is_json(self) -> bool {
        self.form == Form::Json
    }

    /// Prints `json` for programs, else what `text` makes of it.
    pub(crate) fn answer(
        self,
        json: &Value,
        text: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<()> {
        match self.form {
            Form::Json => print(&json.to_string()),
            Form::Text => print(text(json).trim_end()),
        }
    }

    /// Says why the command failed, and answers with its exit code.
    pub(crate) fn refusal(self, error: &anyhow::Error) -> ExitCode {
        let code = exit_code(error);
        let text = told(error);
        let line = match self.form {
            Form::Json => json!({ "error": text, "exit_code": code }).to_string(),
            Form::Text => format!("vectorizer: {text}"),
        };
        note(&line);
        ExitCode::from(code)
    }
}

/// An error with its causes, those left out that were told already.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.contains(&cause) => text,
        cause if text.is_empty() => cause,
        cause => format!("{text}: {cause}"),
    })
}

/// Prints one line, or several.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    tolerate(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Adds a line to a text.
pub(crate) fn line(text: &mut String, added: fmt::Arguments<'_>) {
    // A text takes everything.
    text.write_fmt(added).ok();
    text.push('\n');
}

/// Says something to the operator.
pub(crate) fn note(text: &str) {
    // Nobody is left to be told of a failure.
    writeln!(io::stderr(), "{text}").ok();
}

/// Help and version are answers; anything else that the parser says is wrong usage.
pub(crate) fn parse_refusal(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

/// A reader that goes away early has read enough.
pub(crate) fn tolerate(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// JSON as lines of `path: value`.
pub(crate) fn lines_of(value: &Value) -> String {
    let mut text = String::new();
    append(value, "", &mut text);
    text
}

fn append(value: &Value, path: &str, text: &mut String) {
    if value.is_null() {
        return;
    }
    match value.as_object().filter(|members| !members.is_empty()) {
        None => line(text, format_args!("{path}: {}", plain(value))),
        Some(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                append(member, &path, text);
            }
        }
    }
}

/// A text without quotes, and anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
