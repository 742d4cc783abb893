//! Where the two families part, and whose tool or server one has met.

use planb_sdk::{BackupPlan, Command, Failure, FailureCode, Request, RestorePlan, RestoreRequest};

/// One of the two families.
pub trait Family: 'static {
    /// Its name for people.
    const NAME: &'static str;
    /// The other's name, and the engine to use for it.
    const OTHER: (&'static str, &'static str);
    /// Whether this is MariaDB.
    const MARIADB: bool;
    /// The id of the tool that dumps.
    const DUMP: &'static str;
    /// The id of the client.
    const CLIENT: &'static str;
    /// What to install for both.
    const INSTALL: &'static str;
    /// Databases of the server's own, which no user would want in a backup.
    const SYSTEM: &'static [&'static str];
    /// The first line of each dump that is for its own client only and stops others. None: there is none.
    const NOISE: Option<&'static str>;

    /// Adds the options for encryption and authentication.
    fn secure(command: Command, request: &Request) -> Result<Command, Failure>;
    /// Adds the options that only its client has.
    fn client(command: Command) -> Command;
    /// Adds the options that only its dump tool has.
    fn dump(command: Command, request: &Request) -> Result<Command, Failure>;
    /// How the accounts are dumped.
    fn accounts(request: &Request) -> Result<BackupPlan, Failure>;
    /// How they are put back.
    fn restore_accounts(request: &RestoreRequest) -> Result<RestorePlan, Failure>;
}

/// Whether a version of a server or the banner of a tool is MariaDB's, who always says so.
pub fn is_mariadb(text: &str) -> bool {
    text.contains("MariaDB")
}

/// A failure where the host did not find a tool, or found the other family's under the same name.
pub fn needs<F: Family>(request: &Request, tool: &str) -> Result<(), Failure> {
    request.need_tool(tool, F::INSTALL)?;
    if request.banner(tool).is_none_or(|banner| is_mariadb(banner) == F::MARIADB) {
        return Ok(());
    }
    let (other, engine) = F::OTHER;
    let name = F::NAME;
    Err(Failure::tool(format!("the program for {tool} is {other}'s, and this engine is for {name}"))
        .code(FailureCode::ToolUnfit)
        .hint(format!(
            "install {}, or point --tool-path {tool}=/path/to/{tool} at {name}'s; for a {other} server use --plugin {engine}",
            F::INSTALL
        )))
}

/// A failure where the server is the other family's: its dump would lack what only its own tool knows of.
pub fn fits_server<F: Family>(request: &Request) -> Result<(), Failure> {
    if request.server_version.as_deref().is_none_or(|version| is_mariadb(version) == F::MARIADB) {
        return Ok(());
    }
    let (other, engine) = F::OTHER;
    Err(Failure::settings(format!("the server is {other}, and this engine is for {}", F::NAME))
        .code(FailureCode::ToolUnfit)
        .hint(format!("use the engine for it: --plugin {engine}")))
}
