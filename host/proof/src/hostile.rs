//! Values that nobody means well: none may become an option, a statement or a line of a configuration.

use planb_model::engine::{FoundTool, Mode, Request, Scope, SettingKind};
use planb_model::plan::{Arg, ArgPiece, Command, PrivatePiece};
use planb_pipeline::RunError;
use planb_plugin::Plugin;

use crate::plans::{Ask, Seen, probe_name, queries, request, restores, set};
use crate::report::Recorder;

/// Stands in each of the values, and in nothing that an author writes.
const MARK: &str = "planb7probe";
/// Holds each quoting character: whatever quotes it has to change it.
const QUOTES: &str = "planb7probe'a\"b\\c`d";
const LINES: &str = "x\nplanb7probe=1\r\nplanb7probe: 1";

const RULE: &str = "A value of the request never becomes an option: a `literal` is the author's, never built from a request; a `script` and \
                    what a tool reads hold values only quoted; a value with a line break makes no line of its own in a configuration file. \
                    (contract, rule 3)";

/// Where a value of the user's can stand.
#[derive(Debug, Clone)]
enum Place {
    Database,
    Host,
    Socket,
    User,
    Setting(String),
    Param(String),
}

impl Place {
    fn words(&self) -> String {
        match self {
            Self::Database => "the database's name".to_owned(),
            Self::Host => "the host".to_owned(),
            Self::Socket => "the socket".to_owned(),
            Self::User => "the user".to_owned(),
            Self::Setting(name) => format!("the setting `{name}`"),
            Self::Param(name) => format!("the parameter `{name}`"),
        }
    }

    fn put(&self, request: &mut Request, value: &str) {
        let value = value.to_owned();
        match self {
            Self::Database => request.scope = Scope::Database(value),
            Self::Host => request.connection.host = Some(value),
            Self::Socket => (request.connection.host, request.connection.socket) = (None, Some(format!("/{value}"))),
            Self::User => request.connection.user = Some(value),
            Self::Setting(name) => set(&mut request.settings, name, &value),
            Self::Param(name) => set(&mut request.connection.params, name, &value),
        }
    }
}

fn hostile_values() -> Vec<(&'static str, String)> {
    vec![
        ("a leading dash", format!("--{MARK}")),
        ("one dash", format!("-{MARK}")),
        ("every kind of quote", QUOTES.to_owned()),
        ("line breaks", LINES.to_owned()),
        ("a NUL", format!("a\0{MARK}")),
        ("1 MiB", MARK.repeat((1 << 20) / MARK.len())),
        ("unicode", format!("плàn-Ü-💾-\u{202e}{MARK}")),
        ("spaces around it", format!("  {MARK}  ")),
        ("a shell's expansions", format!("$({MARK}) `{MARK}` ${{{MARK}}} %{MARK}% {{{{{MARK}}}}}")),
        ("steps of a path", format!("../../{MARK}")),
        ("nothing", String::new()),
    ]
}

pub(crate) async fn check(plugin: &Plugin, tools: &[FoundTool], record: &mut Recorder<'_>) -> Result<(), RunError> {
    let d = plugin.description();
    record.enter("plans");
    let mut places = vec![Place::Database];
    if !d.file_based {
        places.extend([Place::Host, Place::Socket, Place::User]);
    }
    let text = |kind: &SettingKind| matches!(kind, SettingKind::Text | SettingKind::Path);
    places.extend(d.settings.iter().filter(|s| text(&s.kind)).map(|s| Place::Setting(s.name.clone())));
    places.extend(d.params.iter().filter(|p| text(&p.kind)).map(|p| Place::Param(p.name.clone())));

    let (mut planned, mut refused) = (0, 0);
    let mut wrong = None;
    'all: for place in &places {
        for (what, value) in hostile_values() {
            // Looked at here and not by the host's own rules, which would stop at the first.
            let mut session = plugin.bare_session().await?;
            for ask in asks(plugin, tools, place, &value).await? {
                let verdict = match ask.put(&mut session).await {
                    Ok(Ok(seen)) => {
                        planned += 1;
                        look(&seen)
                    }
                    Ok(Err(_)) => {
                        refused += 1;
                        Ok(())
                    }
                    Err(error) => Err(error.to_string()),
                };
                if let Err(why) = verdict {
                    wrong = Some(format!("{} with {what} in {}: {why}", ask.words(), place.words()));
                    break 'all;
                }
            }
        }
    }
    let outcome =
        wrong.map_or_else(|| Ok(format!("{planned} plans, {refused} refusals, {} places", places.len())), Err);
    record.check("hostile values", RULE, outcome);
    Ok(())
}

/// All that is asked with one value in one place.
async fn asks(plugin: &Plugin, tools: &[FoundTool], place: &Place, value: &str) -> Result<Vec<Ask>, RunError> {
    let d = plugin.description();
    let mut asks = Vec::new();
    for scope in crate::plans::scopes(d) {
        // Only a database has a name.
        if matches!(place, Place::Database) && !matches!(scope, Scope::Database(_)) {
            continue;
        }
        for mode in &d.modes {
            let plain = request(d, tools, scope.clone(), *mode);
            let mut bad = plain.clone();
            place.put(&mut bad, value);
            let mut session = plugin.bare_session().await?;
            if let Ok(Ok(seen)) = Ask::Backup(plain).put(&mut session).await
                && let Some(artifact) = &seen.artifact
            {
                let mut source = scope.clone();
                if let Scope::Database(name) = &mut source {
                    *name = probe_name(d);
                }
                for mut restore in restores(&bad, artifact) {
                    restore.source_scope = source.clone();
                    asks.push(Ask::Restore(Box::new(restore)));
                }
            }
            asks.push(Ask::Backup(bad));
        }
        let mut bad = request(d, tools, scope.clone(), d.modes.first().copied().unwrap_or(Mode::Stream));
        place.put(&mut bad, value);
        let scope = bad.scope.clone();
        asks.extend(queries(&scope).map(|query| Ask::Query(bad.clone(), query)));
    }
    Ok(asks)
}

/// Whether a plan keeps the values in their places.
fn look(seen: &Seen) -> Result<(), String> {
    if let Some(path) = seen.paths.iter().find(|path| path.contains(MARK)) {
        return Err(format!("the path {:?} below the work directory is built from it", short(path)));
    }
    for command in &seen.commands {
        look_at_command(command).map_err(|why| format!("in the command of `{}`: {why}", command.tool))?;
    }
    for file in &seen.files {
        // Statements may hold a quoted name with a line break in it.
        let statements =
            [".sql", ".js", ".cql", ".json", ".n1ql", ".cypher"].iter().any(|end| file.path.ends_with(end));
        let text = texts(&file.content);
        if !statements && has_line(&text) {
            return Err(format!("the private file {:?} has got a line of its own by it", file.path));
        }
    }
    Ok(())
}

fn has_line(text: &str) -> bool {
    text.split(['\n', '\r']).any(|line| line == "planb7probe=1" || line == "planb7probe: 1")
}

fn look_at_command(command: &Command) -> Result<(), String> {
    for arg in &command.args {
        match arg {
            Arg::Literal(text) if text.contains(MARK) => {
                return Err(format!("the literal {:?} is built from it", short(text)));
            }
            Arg::Option { name, .. } | Arg::Pair { name, .. } if name.contains(MARK) => {
                return Err("the name of an option is built from it".to_owned());
            }
            Arg::Script(text) if text.contains(QUOTES) => {
                return Err(format!("it stands unquoted in the script {:?}", short(text)));
            }
            Arg::Script(text) if text.starts_with('-') => {
                return Err(format!("the script {:?} starts with a dash", short(text)));
            }
            Arg::Option { value, .. } | Arg::Pair { value, .. } | Arg::Value(value)
                if value.iter().any(|piece| matches!(piece, ArgPiece::Path(path) if path.contains(MARK))) =>
            {
                return Err("a path below the work directory is built from it".to_owned());
            }
            _ => {}
        }
    }
    if command.env.iter().any(|var| var.name.contains(MARK)) {
        return Err("the name of an environment variable is built from it".to_owned());
    }
    if let Some(stdin) = &command.stdin
        && texts(stdin).contains(QUOTES)
    {
        return Err("it stands unquoted in what the tool reads".to_owned());
    }
    Ok(())
}

fn texts(pieces: &[PrivatePiece]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            PrivatePiece::Text(text) => text.as_str(),
            PrivatePiece::Path(_) | PrivatePiece::Secret(_) => "",
        })
        .collect()
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
