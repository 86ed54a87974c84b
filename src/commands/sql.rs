//! `sql`: from statements to operations and to the rows of views, and from their outcomes to what is printed.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Context;
use zeroize::Zeroizing;

use super::host::{self, open_store};
use super::terminal::Terminal;
use super::{descriptors, prompt, secret_file};
use crate::cli::{HostOptions, SqlOptions};
use crate::error::CommandError;
use crate::iop::ipl::Settings;
use crate::iop::operation::{self, Operation, Outcome, Performed};
use crate::iop::resident::{self, ControlError};
use crate::iop::store::Store;
use crate::render::json::ActiveDocument;
use crate::render::sql::{self as render, ResultDocument, ResultsDocument};
use crate::render::text;
use crate::render::words::Code;
use crate::sql::{
    self, Call, Engine, Query, Script, ScriptPosition, SqlError, Statement, Table, Token, TokenKind,
};

/// The most bytes of a script.
const LIMIT: usize = 1 << 20;

/// The exit status of a re-IPL in which at least one target did not connect.
const NOT_ALL_CONNECTED: u8 = 4;

/// `sql`; returns the exit status.
pub(super) fn run(
    options: &SqlOptions,
    host: &HostOptions,
    terminal: &mut Terminal,
) -> Result<u8, CommandError> {
    if options.csv && host.json {
        return Err(CommandError::usage(
            "a result is JSON or CSV, and both are asked for",
            vec!["leave --json or --csv out".to_owned()],
        ));
    }
    let scripts = match options.statements.is_empty() {
        true => vec![script(host)?],
        false => options
            .statements
            .iter()
            .map(|text| Zeroizing::new(text.clone()))
            .collect(),
    };
    let mut run = ScriptRun {
        options,
        host,
        store: open_store(host, terminal)?,
        secret: None,
        status: 0,
        results: Vec::new(),
        statements: 0,
    };
    let outcome = scripts.iter().enumerate().try_for_each(|(index, script)| {
        // A place is one of its argument, where there are several.
        let argument = (scripts.len() > 1).then_some(index + 1);
        run.script(script, argument, terminal)
    });
    let outcome = outcome.and_then(|()| match run.statements {
        0 => Err(CommandError::usage(
            "there is no statement to run",
            vec!["see iscsiswiconfig sql --help".to_owned()],
        )),
        _ => Ok(()),
    });
    match outcome {
        Ok(()) if host.json => {
            terminal.print_document(&ResultsDocument::new(&run.results, None))?;
            Ok(run.status)
        }
        Ok(()) => Ok(run.status),
        // What was done before is told as well.
        Err(error) if host.json && !run.results.is_empty() => {
            terminal.error(&error);
            terminal.print_document(&ResultsDocument::new(&run.results, Some(&error)))?;
            Ok(error.kind.exit_status())
        }
        Err(error) => Err(error),
    }
}

/// Reads the script from standard input, past the buffer of [`io::Stdin`], which nobody wipes.
fn script(host: &HostOptions) -> Result<Zeroizing<String>, CommandError> {
    if host
        .secret_file
        .as_deref()
        .is_some_and(|path| path.as_os_str() == "-")
    {
        return Err(CommandError::usage(
            "standard input holds the statements, and cannot hold the secret as well",
            vec!["give the statements on the command line, or --secret-file a file".to_owned()],
        ));
    }
    let read = || -> io::Result<Zeroizing<Vec<u8>>> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        // It never grows, so that no copy of a secret is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT + 64));
        file.take(LIMIT as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read()
        .context("cannot read the statements from standard input")
        .map_err(|error| super::secret_text::failed(error, ""))?;
    if bytes.len() > LIMIT {
        return Err(CommandError::usage(
            "the statements are longer than 1 MiB",
            vec!["run them in several calls".to_owned()],
        )
        .with_code(Code::ValueTooLong));
    }
    std::str::from_utf8(&bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| {
            CommandError::usage("the statements are not UTF-8 text", Vec::new())
                .with_code(Code::NotUtf8)
        })
}

struct ScriptRun<'a> {
    options: &'a SqlOptions,
    host: &'a HostOptions,
    store: Store,
    /// The value of a parameter marker, read when the first one is met.
    secret: Option<Zeroizing<String>>,
    status: u8,
    results: Vec<ResultDocument>,
    statements: usize,
}

impl ScriptRun<'_> {
    fn script(
        &mut self,
        text: &str,
        argument: Option<usize>,
        terminal: &mut Terminal,
    ) -> Result<(), CommandError> {
        if text.len() > LIMIT {
            return Err(
                CommandError::usage("a statement is longer than 1 MiB", Vec::new())
                    .with_code(Code::ValueTooLong),
            );
        }
        let located = |error: CommandError| match argument {
            Some(number) => CommandError {
                error: error.error.context(format!("argument {number}")),
                ..error
            },
            None => error,
        };
        let mut script = Script::new(text);
        loop {
            let tokens = script
                .next_statement()
                .map_err(|error| located(error.into()))?;
            let Some(tokens) = tokens else {
                return Ok(());
            };
            self.statements += 1;
            self.statement(&tokens, terminal).map_err(located)?;
        }
    }

    fn statement(&mut self, tokens: &[Token], terminal: &mut Terminal) -> Result<(), CommandError> {
        let has_marker = tokens.iter().any(|token| token.kind == TokenKind::Marker);
        if has_marker && self.secret.is_none() {
            self.secret = secret(self.host)?;
        }
        match sql::parse(tokens, self.secret.as_ref())? {
            Statement::Call(call) => self.call(*call, terminal),
            Statement::Query(query) => {
                let table = self.query(&query)?;
                self.print_table(table, terminal)
            }
        }
    }

    fn call(&mut self, call: Call, terminal: &mut Terminal) -> Result<(), CommandError> {
        let is_re_ipl = matches!(call.operation, Operation::ReIpl);
        if is_re_ipl {
            descriptors::require(descriptors::RE_IPL)?;
        }
        let at = call.at;
        let performed = self.perform(call.operation, at, terminal)?;
        for warning in call.warnings.iter().chain(&performed.warnings) {
            terminal.warn(warning);
        }
        let (told, changed) = match &performed.outcome {
            Outcome::Active(active) => {
                let document = ActiveDocument::new(active);
                let summary = text::summary(&document).unwrap_or_default();
                if !document.all_connected() {
                    self.status = NOT_ALL_CONNECTED;
                    terminal.notes().line(&summary);
                }
                (summary + "\n", true)
            }
            Outcome::Edited(edited) => (render::edited(edited), edited.changed),
            // No call asks for these.
            _ => (String::new(), false),
        };
        if is_re_ipl {
            // What follows is written where the report is, in order.
            let _ = terminal.notes().finish();
        }
        if self.host.json {
            self.results.push(ResultDocument::Changed { changed });
            return Ok(());
        }
        match self.options.csv {
            true => Ok(()),
            false => terminal.print(&told),
        }
    }

    fn perform(
        &self,
        operation: Operation,
        at: ScriptPosition,
        terminal: &Terminal,
    ) -> Result<Performed, CommandError> {
        host::perform(operation, &self.store, self.host, terminal)?
            .map_err(|error| CommandError::of_statement(error, at))
    }

    /// Asks the views, whose rows are those of now: a call before may have changed them.
    fn query(&self, query: &Query) -> Result<Table, CommandError> {
        let ask = |operation| -> Result<Outcome, CommandError> {
            let settings = Settings {
                timeout: self.host.timeout,
                chap_algorithms: Vec::new(),
            };
            let asked =
                operation::perform(operation, &self.store, &settings, |_| Rc::new(|_, _| {}));
            Ok(asked?.outcome)
        };
        let (configured, active) = match (ask(Operation::Configured)?, ask(Operation::Show)?) {
            (Outcome::Configured(configured), Outcome::Active(active)) => (configured, active),
            // These operations have these outcomes.
            _ => return Err(CommandError::usage("there are no rows", Vec::new())),
        };
        let rows = sql::views::rows(
            &configured,
            &active.configuration,
            active.generated_name.as_ref(),
            &self.devices_in_use()?,
        );
        let (started, timeout) = (Instant::now(), self.host.timeout);
        let engine = Engine::new(&rows, move || started.elapsed() > timeout)
            .map_err(|error| CommandError::no_engine(&error.to_string()))?;
        engine.run(query).map_err(|error: SqlError| error.into())
    }

    /// Returns the names of the devices that jobs of a resident IOP use.
    fn devices_in_use(&self) -> Result<Vec<String>, CommandError> {
        let Some(iop) = resident::connect(&self.store, self.host.timeout)? else {
            return Ok(Vec::new());
        };
        let status = match iop.status() {
            // It has ended meanwhile, and its jobs with it.
            Err(ControlError::Gone { .. }) => return Ok(Vec::new()),
            status => status?,
        };
        let jobs = status.targets.into_iter().flat_map(|target| target.jobs);
        Ok(jobs.map(|job| job.device).collect())
    }

    fn print_table(&mut self, table: Table, terminal: &mut Terminal) -> Result<(), CommandError> {
        if self.host.json {
            self.results.push(ResultDocument::from(table));
            return Ok(());
        }
        terminal.print(&match self.options.csv {
            true => render::csv(&table),
            false => render::table(&table, terminal.columns),
        })
    }
}

fn secret(host: &HostOptions) -> Result<Option<Zeroizing<String>>, CommandError> {
    let Some(path) = &host.secret_file else {
        return Ok(None);
    };
    let secret = match path.as_os_str() == "-" {
        true => prompt::from_stdin(prompt::Asked::ChapSecret)?,
        false => secret_file::read(path, "the CHAP secret")?,
    };
    match secret.is_empty() {
        true => Err(CommandError::usage(
            "there is no CHAP secret in what --secret-file names",
            Vec::new(),
        )
        .with_code(Code::EmptyValue)),
        false => Ok(Some(secret)),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::host;
    use crate::sql::call::Procedure;

    #[test]
    fn the_help_names_every_procedure_and_parameter() {
        let definition = host::definition();
        let command = definition.find_subcommand("sql").unwrap();
        let help = command.get_long_about().unwrap().to_string();
        for procedure in Procedure::ALL {
            assert!(help.contains(&format!("QSYS2.{}", procedure.name())));
            for parameter in procedure.parameters() {
                assert!(help.contains(parameter.name()), "{}", parameter.name());
            }
        }
        for view in crate::sql::views::VIEWS {
            assert!(help.contains(view.name));
        }
        assert!(help.contains("second-hand"));
    }
}
