//! How a backup is made and put back.
//!
//! `gbak` streams both ways. A restore that ends too early is dangerous with it: at the end of its input it asks for the name of a
//! further file, and takes whatever comes for one (mvol.cpp, next_volume). The host ends the input only after the last byte, and
//! a target that is to be replaced is given up only once all of the backup was read and checked.

use planb_sdk::{
    Artifact, BackupPlan, Command, Failure, Mode, Request, RestorePlan, RestoreRequest, TargetState, path,
};

use crate::connect;
use crate::describe::CLIENT;

const BACKUP: &str = "backup.fbk";

pub(crate) fn backup(request: &Request) -> Result<BackupPlan, Failure> {
    request.need_tool("gbak", CLIENT)?;
    if request.native_compression || request.extra_args.iter().any(|arg| is_packed(arg)) {
        return Err(Failure::settings("a backup that gbak packs or encrypts itself cannot be looked into")
            .hint("use --compress zstd or gzip, and --encrypt-to"));
    }
    let (login, database) = target(Command::tool("gbak").flag("-backup_database"), request)?;
    let gbak = login
        .flag_if(!request.toggle("garbage-collect")?, "-garbage_collect")
        .flag_if(request.toggle("metadata-only")?, "-meta_data")
        .flag_if(request.toggle("convert-external")?, "-convert")
        .flag_if(request.toggle("ignore-limbo")?, "-limbo")
        .extra()
        .value(database);
    let artifact = Artifact::new("fbk", "application/octet-stream", "gbak");
    let plan = match request.mode {
        Mode::Stream => BackupPlan::stdout(gbak.flag("stdout"), artifact),
        // The service manager would write into a folder of the server's machine; its stdout comes here.
        Mode::File if request.toggle("service")? => {
            BackupPlan::from_file(gbak.flag("stdout").stdout_to(BACKUP), BACKUP, artifact)
        }
        Mode::File => BackupPlan::from_file(gbak.value(path(BACKUP)), BACKUP, artifact),
        Mode::Directory | Mode::Tar => {
            return Err(Failure::settings("a Firebird backup is one file: there is no directory of it")
                .hint("leave out --mode"));
        }
    };
    Ok(plan.file(connect::passfile(&request.connection)))
}

pub(crate) fn restore(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("gbak", CLIENT)?;
    request.refuse_occupied()?;
    if request.artifact.format != "gbak" {
        return Err(request.unknown_format());
    }
    let over = matches!(request.target, TargetState::Empty | TargetState::Occupied);
    let gbak = Command::tool("gbak").flag(if over { "-replace_database" } else { "-create_database" });
    let (login, database) = target(gbak, inner)?;
    let gbak = login
        .option_pair("-page_size", inner.number("page-size")?.map(|size| size.to_string()))
        .flag_if(inner.toggle("inactive-indexes")?, "-inactive")
        .flag_if(inner.toggle("one-at-a-time")?, "-one_at_a_time")
        .extra();
    let plan = if !over {
        RestorePlan::stdin(gbak.flag("stdin").value(database))
    } else if inner.toggle("service")? {
        RestorePlan::from_file(gbak.flag("stdin").value(database).stdin_from(BACKUP), BACKUP)
    } else {
        RestorePlan::from_file(gbak.value(path(BACKUP)).value(database), BACKUP)
    };
    Ok(plan.file(connect::passfile(&inner.connection)))
}

/// The user's login, and what names the database: with the service manager, that stands in an option of its own.
fn target(gbak: Command, request: &Request) -> Result<(Command, String), Failure> {
    let connection = &request.connection;
    let login = connect::login(gbak, connection);
    let database = request.database()?;
    if !request.toggle("service")? {
        return Ok((login, connect::string(connection, database)?));
    }
    let Some(server) = connect::server(connection)? else {
        return Err(Failure::settings("the service manager is a server's, and no host is given")
            .hint("write the host into the URL, or leave --option service out"));
    };
    Ok((login.pair("-service", format!("{server}:service_mgr")), connect::name(connection, database)?))
}

/// `-zip`, `-crypt` and their abbreviations.
fn is_packed(arg: &str) -> bool {
    let arg = arg.to_ascii_lowercase();
    ["-zip", "-cry", "-keyh", "-keyn"].iter().any(|flag| arg.starts_with(flag)) || arg == "-zi"
}

/// A pair where there is a value.
trait OptionPair {
    fn option_pair(self, name: &'static str, value: Option<String>) -> Self;
}

impl OptionPair for Command {
    fn option_pair(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.pair(name, value),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Output, Sink, Source, StdoutSource, testing};

    use super::*;

    fn request() -> Request {
        testing::request("/data/orders.fdb").password().tool("gbak", "3.0")
    }

    fn dump(request: &Request) -> String {
        match backup(request).map(|plan| plan.source) {
            Ok(Source::Stdout(StdoutSource { command, .. }) | Source::File(Output { command, .. })) => {
                command.to_string()
            }
            Ok(_) => unreachable!("no directory"),
            Err(failure) => failure.message,
        }
    }

    #[test]
    fn backups() {
        let login = "-user app -fetch_password {work}/password";
        assert_eq!(
            dump(&request()),
            format!("gbak -backup_database {login} -garbage_collect [extra] db/3050:/data/orders.fdb stdout")
        );
        assert_eq!(
            dump(&request().mode(Mode::File).with_setting("garbage-collect", "true")),
            format!("gbak -backup_database {login} [extra] db/3050:/data/orders.fdb {{work}}/backup.fbk")
        );
        assert_eq!(
            dump(&request().mode(Mode::File).with_setting("service", "true")),
            format!(
                "gbak -backup_database {login} -service db/3050:service_mgr -garbage_collect [extra] /data/orders.fdb stdout \
                 > {{work}}/backup.fbk"
            )
        );
        let mut packed = request();
        packed.extra_args = vec!["-ZIP".to_owned()];
        assert!(dump(&packed).contains("packs"));
        assert!(dump(&request().mode(Mode::Tar)).contains("one file"));
        let mut embedded = request().with_setting("service", "true");
        embedded.connection.host = None;
        assert!(dump(&embedded).contains("no host"));
    }

    #[test]
    fn restores() {
        let artifact = || Artifact::new("fbk", "application/octet-stream", "gbak");
        let login = "-user app -fetch_password {work}/password";
        let plan =
            restore(&request().with_setting("page-size", "16384").restore(artifact(), TargetState::Missing)).unwrap();
        let Sink::Stdin(load) = &plan.sink else { unreachable!("a new database is streamed into") };
        assert_eq!(
            load.to_string(),
            format!("gbak -create_database {login} -page_size 16384 [extra] stdin db/3050:/data/orders.fdb")
        );
        let mut occupied = request().restore(artifact(), TargetState::Occupied);
        assert!(restore(&occupied).is_err());
        occupied.replace = true;
        let plan = restore(&occupied).unwrap();
        let Sink::File(load) = &plan.sink else { unreachable!("replaced only once all is here") };
        assert_eq!(
            load.command.to_string(),
            format!("gbak -replace_database {login} [extra] {{work}}/backup.fbk db/3050:/data/orders.fdb")
        );
        occupied.artifact.format = "sql".to_owned();
        assert!(restore(&occupied).is_err());
    }
}
