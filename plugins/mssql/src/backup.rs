//! How a database is backed up (Transact-SQL reference, BACKUP and RESTORE VERIFYONLY).

use planb_sdk::{Artifact, BackupPlan, Command, Failure, Request, path};

use crate::connect::{self, Shared, sqlcmd};
use crate::{query, quote};

/// The two files of a dump.
pub(crate) const CONTENTS: &str = "contents.txt";
pub(crate) const BAK: &str = "database.bak";
pub(crate) const FORMAT: &str = "bak";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let database = quote::database(request)?;
    if database.eq_ignore_ascii_case("tempdb") {
        return Err(Failure::settings("tempdb is made anew at each start and cannot be backed up"));
    }
    connect::known_server(request)?;
    connect::gnu_tar(request)?;
    let shared = Shared::of(request)?;
    let file = format!("{}.bak", quote::stem(database));
    let on_server = quote::string(&shared.server_path(&file));

    let compression = if request.native_compression { "COMPRESSION" } else { "NO_COMPRESSION" };
    let copy_only = if request.toggle("copy-only")? { "COPY_ONLY, " } else { "" };
    // FORMAT and INIT: a file that a killed run left is overwritten, not added to.
    let backup = format!(
        "SET NOCOUNT ON; DECLARE @db sysname = {}, @file nvarchar(4000) = {on_server};\n\
         BACKUP DATABASE @db TO DISK = @file WITH {copy_only}FORMAT, INIT, CHECKSUM, {compression}, NAME = N'planb';",
        quote::string(database)
    );
    let contents = query::inventory(database, request.toggle("count-rows")?);
    let tar = Command::tool("tar")
        .flag("--create")
        .flag("--file=-")
        .flag("--format=gnu")
        .flag("--owner=0")
        .flag("--group=0")
        .flag("--numeric-owner")
        // For the server, which is another user than the one that unpacks it.
        .flag("--mode=u=rw,go=r")
        .flag("--transform=s|^planb-.*\\.bak$|database.bak|")
        .option("--directory", path(""))
        .flag(CONTENTS)
        .option("--directory", shared.local_dir())
        .value(&file);
    let artifact = Artifact::new("bak.tar", "application/x-tar", FORMAT).compressed(request.native_compression);
    let mut plan = BackupPlan::stdout(tar, artifact)
        .prepare(sqlcmd(request, contents)?.stdout_to(CONTENTS))
        .prepare(sqlcmd(request, backup)?)
        .cleanup(shared.remove(request, &file)?);
    if request.toggle("verify")? {
        plan = plan.prepare(sqlcmd(request, format!("RESTORE VERIFYONLY FROM DISK = {on_server} WITH CHECKSUM;"))?);
    }
    if copy_only.is_empty() {
        plan =
            plan.warning("this full backup is the new base of the server's own differential backups (copy-only=false)");
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Source, StdoutSource};

    use super::*;
    use crate::connect::tests::request;

    fn scripts(request: &Request) -> Vec<String> {
        let plan = plan(request).unwrap();
        plan.prepare
            .iter()
            .map(|command| command.to_string().split_once("-Q <").unwrap().1.replace("planb-", ""))
            .collect()
    }

    #[test]
    fn a_database() {
        let plan = plan(&request("orders")).unwrap();
        assert!(plan.prepare[0].to_string().ends_with("> {work}/contents.txt"));
        assert_eq!(
            scripts(&request("orders"))[1..],
            [
                "SET NOCOUNT ON; DECLARE @db sysname = N'orders', @file nvarchar(4000) = N'/var/opt/mssql/backup/orders-00125d9250be8b4c.bak';\n\
                 BACKUP DATABASE @db TO DISK = @file WITH COPY_ONLY, FORMAT, INIT, CHECKSUM, NO_COMPRESSION, NAME = N'planb';>",
                "RESTORE VERIFYONLY FROM DISK = N'/var/opt/mssql/backup/orders-00125d9250be8b4c.bak' WITH CHECKSUM;>",
            ]
        );
        let Source::Stdout(StdoutSource { command, trim: None }) = plan.source else { unreachable!() };
        assert_eq!(
            command.to_string(),
            "tar --create --file=- --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r \
             --transform=s|^planb-.*\\.bak$|database.bak| --directory={work}/ contents.txt --directory=/mnt/backup \
             planb-orders-00125d9250be8b4c.bak"
        );
        assert_eq!(plan.cleanup[0].to_string(), "rm -f -- /mnt/backup/planb-orders-00125d9250be8b4c.bak");
        assert!(!plan.artifact.compressed);
    }

    #[test]
    fn settings() {
        let mut request = request("orders").with_setting("verify", "false").with_setting("copy-only", "false");
        request.native_compression = true;
        let scripts = scripts(&request);
        assert_eq!(scripts.len(), 2);
        assert!(scripts[1].contains("WITH FORMAT, INIT, CHECKSUM, COMPRESSION,"));
        assert!(plan(&request).unwrap().artifact.compressed);
        assert!(plan(&request.server_is("12.0.2000.8")).unwrap_err().message.contains("older than 2016"));
    }

    #[test]
    fn hostile_names_stay_names() {
        let hostile = "a' \" \\ ` ] $(x) --";
        let text = scripts(&request(hostile)).concat();
        assert!(!text.contains(hostile));
        assert!(text.contains("N'a'' \" \\ ` ] $(x) --'"));
        assert!(text.contains("\"a'' \"\" \\ ` ] $(x) --\""), "{text}");
        assert!(plan(&request("a\nGO\n!!id")).is_err());
    }
}
