//! Plans: of commands that can be run, as the plugin declares them, and no more of anything than a machine takes.
//!
//! A rule that a plan breaks is the plugin's fault. There is one exception: a value that no command line can hold may be the user's, or
//! the server's. Where one of theirs is such a value, the command line is left to its own check, which blames the settings.

use std::path::{Path, PathBuf};

use planb_model::argv::{ArgError, below, render};
use planb_model::engine::{Artifact, Connection, Description, Request, RestoreRequest, Scope};
use planb_model::plan::{
    Arg, ArgPiece, BackupPlan, Command, PrivateFile, PrivatePiece, QueryPlan, RestorePlan, ScratchPlan, SeedPlan, Sink,
    Source, Trim,
};

use super::answer::check_objects;
use super::{is_clean, sentences, short, within};

/// A command for each table of a large database.
const COMMANDS: usize = 10_000;
const FILES: usize = 1_000;
const ARGS: usize = 10_000;
const VARIABLES: usize = 1_000;
/// Of an argument, a variable, a private file, an input.
const PIECES: usize = 100_000;
const PATH: usize = 1_000;
/// Of what is taken off a stream: all of it is held in memory until the stream ends.
const TRIMMED: usize = 1 << 20;
const HEAD_LINE: usize = 1_000;
/// Of a value in the connection of a throw-away server.
const VALUE: usize = 4 << 10;
/// Tables of a throw-away database.
const SEEDED: usize = 1_000;

/// What the user and the server gave, as far as it can make a command line impossible.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given {
    dash: bool,
    empty: bool,
    nul: bool,
    long: bool,
}

impl Given {
    fn add(&mut self, text: &str) {
        self.dash |= text.starts_with('-');
        self.empty |= text.is_empty();
        self.nul |= text.contains('\0');
        // A plugin may put several of them into one argument, or quote each of its characters.
        self.long |= text.len() > 4 << 10;
    }

    fn add_scope(&mut self, scope: &Scope) {
        if let Scope::Database(name) = scope {
            self.add(name);
        }
    }

    /// Whether it can be theirs.
    fn excuses(self, error: &ArgError) -> bool {
        match error {
            ArgError::LooksLikeOption { .. } => self.dash,
            ArgError::Empty { .. } => self.empty,
            ArgError::Nul { .. } => self.nul,
            ArgError::TooLong { .. } => self.long,
            ArgError::Escapes { .. } | ArgError::ExtraTwice { .. } | ArgError::BadOptionName { .. } => false,
        }
    }
}

impl From<&Request> for Given {
    fn from(request: &Request) -> Self {
        let mut given = Self::default();
        let connection = &request.connection;
        given.add_scope(&request.scope);
        let one = [&connection.host, &connection.socket, &connection.user];
        one.into_iter().flatten().for_each(|text| given.add(text));
        connection.others.iter().for_each(|(host, _)| given.add(host));
        connection.params.iter().chain(&request.settings).for_each(|(_, value)| given.add(value));
        request.objects.iter().flatten().for_each(|object| given.add(&object.name));
        given
    }
}

impl From<&RestoreRequest> for Given {
    fn from(request: &RestoreRequest) -> Self {
        let mut given = Self::from(&request.request);
        given.add_scope(&request.source_scope);
        request.objects.iter().for_each(|object| given.add(&object.name));
        request.files.iter().for_each(|path| given.add(path));
        given
    }
}

/// The rules for the plans of one plugin for one request. Each message ends the sentence "its plan is not possible: ...".
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'d> {
    d: &'d Description,
    given: Given,
}

impl<'d> Rules<'d> {
    pub(crate) fn new(d: &'d Description, given: impl Into<Given>) -> Self {
        Self { d, given: given.into() }
    }

    pub(crate) fn backup(&self, plan: &mut BackupPlan) -> Result<(), String> {
        self.files(&plan.files)?;
        self.commands(plan.prepare.iter().chain([plan.source.command()]).chain(&plan.cleanup))?;
        match &plan.source {
            Source::Stdout { command, .. } if command.stdout_to.is_some() => {
                return Err("the command whose stdout is the dump keeps it in a file".to_owned());
            }
            Source::Stdout { trim, .. } => trim.as_ref().map_or(Ok(()), check_trim)?,
            Source::File { path, .. } | Source::Tree { path, .. } => {
                let path = inner("the dump", path)?;
                // The inspector sees the dump, and no plugin sees a secret.
                if let Some(file) = plan.files.iter().find(|file| holds_secret(file) && covers(&path, &file.path)) {
                    return Err(format!("the private file {:?} with a secret in it is part of the dump", file.path));
                }
            }
            Source::Served(_) => {
                return Err("it wants the dump to be pushed to this planb, which does not serve".to_owned());
            }
        }
        check_artifact(&plan.artifact)?;
        sentences(&mut plan.warnings);
        Ok(())
    }

    pub(crate) fn restore(&self, plan: &mut RestorePlan) -> Result<(), String> {
        self.files(&plan.files)?;
        let commands = plan.prepare.iter().chain([plan.sink.command()]).chain(&plan.finish).chain(&plan.cleanup);
        self.commands(commands)?;
        match &plan.sink {
            Sink::Stdin(_) => {}
            Sink::Tree { .. } if plan.filter => return Err("it filters a directory".to_owned()),
            Sink::File { path, .. } | Sink::Tree { path, .. } => drop(inner("the dump", path)?),
            Sink::Served(_) => {
                return Err("it wants the dump to be fetched from this planb, which does not serve".to_owned());
            }
        }
        sentences(&mut plan.warnings);
        Ok(())
    }

    pub(crate) fn query(&self, plan: &QueryPlan) -> Result<(), String> {
        self.files(&plan.files)?;
        self.commands(plan.prepare.iter().chain([&plan.command]))?;
        if plan.command.stdout_to.is_some() {
            return Err("the command that answers keeps its answer in a file".to_owned());
        }
        Ok(())
    }

    pub(crate) fn scratch(&self, plan: &ScratchPlan) -> Result<(), String> {
        self.files(&plan.files)?;
        self.commands(plan.prepare.iter().chain(&plan.server).chain(&plan.ready))?;
        self.throw_away(&plan.connection)?;
        if let Scope::Database(name) = &plan.scope {
            if self.d.file_based {
                inner("the throw-away database", name)?;
            }
            is_value("the throw-away database's name", name)?;
        }
        within("settings", plan.settings.len(), self.d.settings.len())?;
        for (name, value) in &plan.settings {
            within(&format!("pieces in the setting `{}`", short(name)), value.len(), PIECES)?;
            for piece in value {
                match piece {
                    ArgPiece::Text(text) => is_value("a setting", text)?,
                    ArgPiece::Path(path) => drop(path_of(path)?),
                }
            }
        }
        Ok(())
    }

    pub(crate) fn seed(&self, plan: &SeedPlan) -> Result<(), String> {
        self.files(&plan.files)?;
        self.commands(&plan.commands)?;
        within("objects", plan.holds.len(), SEEDED)?;
        check_objects(&plan.holds)
    }

    /// What is made to be thrown away is on this machine: anything else may be what somebody needs.
    fn throw_away(&self, connection: &Connection) -> Result<(), String> {
        let here = |host: &String| ["127.0.0.1", "::1", "localhost"].contains(&host.as_str());
        if connection.host.as_ref().is_some_and(|host| !here(host)) || !connection.others.is_empty() {
            return Err("its throw-away server is not on this machine (127.0.0.1, or a socket)".to_owned());
        }
        if let Some(socket) = &connection.socket {
            path_of(socket)?;
        }
        if let Some(scheme) = connection.scheme.as_ref().filter(|scheme| !self.d.schemes.contains(scheme)) {
            return Err(format!("the scheme {:?} is not declared", short(scheme)));
        }
        if let Some(user) = &connection.user {
            is_value("the user", user)?;
        }
        connection.secrets.iter().try_for_each(|name| self.secret(name))?;
        within("secrets", connection.secrets.len(), self.d.secrets.len() + 1)?;
        for (name, value) in &connection.params {
            if !self.d.params.iter().any(|param| param.name == *name) {
                return Err(format!("the parameter {:?} is not declared", short(name)));
            }
            is_value("a parameter", value)?;
        }
        Ok(())
    }

    fn files(&self, files: &[PrivateFile]) -> Result<(), String> {
        within("private files", files.len(), FILES)?;
        for file in files {
            inner("a private file", &file.path)?;
            self.pieces(&format!("the private file {:?}", file.path), &file.content)?;
        }
        Ok(())
    }

    fn commands<'a>(&self, commands: impl IntoIterator<Item = &'a Command> + Clone) -> Result<(), String> {
        within("commands", commands.clone().into_iter().count(), COMMANDS)?;
        check_commands(self.d, commands.clone())?;
        commands.into_iter().try_for_each(|command| self.command(command))
    }

    fn command(&self, command: &Command) -> Result<(), String> {
        let tool = &command.tool;
        within(&format!("exit codes of `{tool}`"), command.ok.len(), 256)?;
        for path in [&command.stdin_from, &command.stdout_to].into_iter().flatten() {
            inner(&format!("a file of `{tool}`"), path)?;
        }
        for arg in &command.args {
            if let Arg::Value(pieces) | Arg::Option { value: pieces, .. } | Arg::Pair { value: pieces, .. } = arg {
                within(&format!("pieces in an argument of `{tool}`"), pieces.len(), PIECES)?;
                pieces.iter().try_for_each(|piece| match piece {
                    ArgPiece::Text(_) => Ok(()),
                    ArgPiece::Path(path) => path_of(path).map(drop),
                })?;
            }
        }
        for var in &command.env {
            self.pieces(&format!("the variable {:?}", var.name), &var.value)?;
        }
        if let Some(stdin) = &command.stdin {
            self.pieces(&format!("what `{tool}` reads"), stdin)?;
        }
        match render(tool, &command.args, Path::new("/"), &[]) {
            Err(error) if !self.given.excuses(&error) => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    fn pieces(&self, what: &str, pieces: &[PrivatePiece]) -> Result<(), String> {
        within(&format!("pieces in {what}"), pieces.len(), PIECES)?;
        for piece in pieces {
            match piece {
                PrivatePiece::Text(_) => {}
                PrivatePiece::Path(path) => drop(path_of(path)?),
                PrivatePiece::Secret(secret) => self.secret(&secret.name)?,
            }
        }
        Ok(())
    }

    fn secret(&self, name: &str) -> Result<(), String> {
        if name == "password" || self.d.secrets.iter().any(|secret| secret.name == name) {
            return Ok(());
        }
        Err(format!("it names the secret {:?}, which the plugin does not declare", short(name)))
    }
}

/// Whether all these commands keep to what the description declares: its tools, its environment names.
///
/// # Errors
/// The end of the sentence "its plan is not possible: ...".
pub fn check_commands<'a>(d: &Description, commands: impl IntoIterator<Item = &'a Command>) -> Result<(), String> {
    for command in commands {
        if !d.tools.iter().any(|tool| tool.id == command.tool) {
            return Err(format!("it names the tool {:?}, which the plugin does not declare", short(&command.tool)));
        }
        within(&format!("arguments of `{}`", command.tool), command.args.len(), ARGS)?;
        within(&format!("variables for `{}`", command.tool), command.env.len(), VARIABLES)?;
        for arg in &command.args {
            if let Arg::Literal(text) = arg
                && (text.is_empty() || text.contains('\0'))
            {
                return Err(format!("a literal argument of `{}` is empty or contains a NUL", command.tool));
            }
        }
        if command.stdin.is_some() && command.stdin_from.is_some() {
            return Err(format!("the command of `{}` has two things to read from", command.tool));
        }
        for var in &command.env {
            if !d.env.contains(&var.name) {
                return Err(format!(
                    "it sets the environment variable {:?}, which the plugin does not declare",
                    short(&var.name)
                ));
            }
            let text_has_nul = |piece: &PrivatePiece| matches!(piece, PrivatePiece::Text(text) if text.contains('\0'));
            if var.value.iter().any(text_has_nul) {
                return Err(format!("the environment variable {:?} contains a NUL", var.name));
            }
        }
    }
    Ok(())
}

/// A path of the work directory, or the work directory itself.
fn path_of(path: &str) -> Result<PathBuf, String> {
    within("bytes in a path", path.len(), PATH)?;
    if !is_clean(path) {
        return Err(format!("the path {:?} holds control characters", short(path)));
    }
    below(Path::new("/"), path).map_err(|error| error.to_string())
}

/// A path below the work directory.
fn inner(what: &str, path: &str) -> Result<PathBuf, String> {
    let found = path_of(path)?;
    if found == Path::new("/") { Err(format!("{what} has no name")) } else { Ok(found) }
}

fn holds_secret(file: &PrivateFile) -> bool {
    file.content.iter().any(|piece| matches!(piece, PrivatePiece::Secret(_)))
}

fn covers(dump: &Path, file: &str) -> bool {
    path_of(file).is_ok_and(|file| file.starts_with(dump))
}

fn is_value(what: &str, value: &str) -> Result<(), String> {
    within(&format!("bytes in {what}"), value.len(), VALUE)?;
    if is_clean(value) { Ok(()) } else { Err(format!("{what} holds control characters")) }
}

fn check_trim(trim: &Trim) -> Result<(), String> {
    within("bytes to be taken off the end of a dump", trim.tail_bytes as usize, TRIMMED)?;
    let head = trim.head_line.as_deref().unwrap_or_default();
    within("bytes in the beginning of a line", head.len(), HEAD_LINE)?;
    if head.contains('\n') { Err("a line that is taken off holds a line break".to_owned()) } else { Ok(()) }
}

/// What becomes part of the keys of objects and of the manifest.
fn check_artifact(artifact: &Artifact) -> Result<(), String> {
    let extension = &artifact.extension;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let shape = (1..=32).contains(&extension.len())
        && extension.chars().all(plain)
        && extension.split('.').all(|part| !part.is_empty());
    // Objects that are called so say of others what they are.
    let parts: Vec<String> = extension.split('.').map(str::to_ascii_lowercase).collect();
    let speaks =
        parts.iter().any(|part| ["manifest", "hold", "minisig"].contains(&part.as_str()) || part.starts_with("drill-"));
    if !shape || speaks {
        return Err(format!("{:?} is no extension of a dump's name", short(extension)));
    }
    let media = &artifact.media_type;
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c));
    if media.len() > 100 || !media.split_once('/').is_some_and(|(kind, name)| word(kind) && word(name)) {
        return Err(format!("{:?} is no media type", short(media)));
    }
    let format = &artifact.format;
    if !(1..=64).contains(&format.len()) || !format.chars().all(|c| plain(c) || c == '+') {
        return Err(format!("{:?} is no name of a format", short(format)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
