//! What is printed: answers to the standard output, failures to the standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Form;
use crate::failure::exit_code;

/// Where answers go. A reader that goes away early is no failure.
#[derive(Debug)]
pub(crate) struct Output {
    form: Form,
}

impl Output {
    pub(crate) fn new(form: Form) -> Self {
        Self { form }
    }

    /// Whether programs read the answers.
    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Prints one line.
    pub(crate) fn line(&mut self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        tolerate(writeln!(out, "{text}").and_then(|()| out.flush()))
    }

    /// Prints `json` for programs, else what `text` makes of it.
    pub(crate) fn answer(
        &mut self,
        json: &Value,
        text: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<()> {
        match self.form {
            Form::Json => self.line(&json.to_string()),
            Form::Text => self.line(text(json).trim_end()),
        }
    }

    /// Says why the command failed, and answers with its exit code.
    pub(crate) fn refusal(&self, error: &anyhow::Error) -> ExitCode {
        let code = exit_code(error);
        let text = format!("{error:#}");
        let line = match self.form {
            Form::Json => json!({ "error": text, "exit_code": code }).to_string(),
            Form::Text => format!("vectorizer: {text}"),
        };
        note(&line);
        ExitCode::from(code)
    }
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
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                append(member, &path, text);
            }
        }
        Value::Null => {}
        Value::String(plain) => *text += &format!("{path}: {plain}\n"),
        other => *text += &format!("{path}: {other}\n"),
    }
}
