//! How a database is put back: beside, under a name of its own, and renamed once it is whole, so that a restore that fails
//! leaves the old one as it was.
//!
//! Where its files go only the server can say, and which there are only the backup: the script asks both (RESTORE FILELISTONLY,
//! SERVERPROPERTY) and puts the statement together on the server. Files get names of their own, so they never meet those of
//! the database that is replaced.

use planb_sdk::{Command, Failure, RestorePlan, RestoreRequest, TargetState};

use crate::backup::{BAK, FORMAT};
use crate::connect::{self, Shared, sqlcmd};
use crate::quote;

/// The columns of RESTORE FILELISTONLY in SQL Server 2016 and newer.
const FILES: &str = "LogicalName nvarchar(128), PhysicalName nvarchar(260), Type char(1), FileGroupName nvarchar(128) NULL, \
    Size numeric(20,0), MaxSize numeric(20,0), FileId bigint, CreateLSN numeric(25,0), DropLSN numeric(25,0) NULL, \
    UniqueId uniqueidentifier, ReadOnlyLSN numeric(25,0) NULL, ReadWriteLSN numeric(25,0) NULL, BackupSizeInBytes bigint, \
    SourceBlockSize int, FileGroupId int, LogGroupGUID uniqueidentifier NULL, DifferentialBaseLSN numeric(25,0) NULL, \
    DifferentialBaseGUID uniqueidentifier NULL, IsReadOnly bit, IsPresent bit, TDEThumbprint varbinary(32) NULL, \
    SnapshotUrl nvarchar(360) NULL";

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    let database = quote::database(inner)?;
    if ["master", "model", "msdb", "tempdb"].iter().any(|name| database.eq_ignore_ascii_case(name)) {
        return Err(Failure::settings(format!("{database} belongs to the server and is not restored by this engine"))
            .hint("restore it under another name and look into it there, or follow Microsoft's guide for system databases"));
    }
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    connect::known_server(inner)?;
    connect::gnu_tar(inner)?;
    let shared = Shared::of(inner)?;
    let stem = quote::stem(database);
    let file = format!("{stem}-restore.bak");
    let new = beside(database);

    let unpack = Command::tool("tar")
        .flag("--extract")
        .flag("--file=-")
        .flag("--no-same-owner")
        // Readable for the server's user, whatever the umask is here.
        .flag("--same-permissions")
        .flag("--keep-old-files")
        .option("--directory", shared.local_dir())
        .option("--transform", format!("s|^database\\.bak$|{file}|"))
        .flag(BAK);
    let drop_new =
        format!("SET NOCOUNT ON; IF DB_ID({}) IS NOT NULL DROP DATABASE {};", quote::string(&new), quote::name(&new));
    let may_go =
        matches!(request.target, TargetState::Empty) || request.target == TargetState::Occupied && request.replace;
    let remove = shared.remove(inner, &file)?;
    Ok(RestorePlan::stdin(unpack)
        .filtered()
        .prepare(sqlcmd(inner, &drop_new)?)
        .prepare(remove.clone())
        .finish(sqlcmd(inner, load(&new, &stem, &shared.server_path(&file)))?)
        .finish(sqlcmd(inner, rename(database, &new, may_go))?)
        .cleanup(sqlcmd(inner, drop_new)?)
        .cleanup(remove))
}

/// Restores the backup as the database `new`.
fn load(new: &str, stem: &str, file: &str) -> String {
    format!(
        "SET NOCOUNT ON; SET XACT_ABORT ON;\n\
         DECLARE @file nvarchar(4000) = {file}, @name nvarchar(600) = QUOTENAME({new}), @id nvarchar(36) = CAST(NEWID() AS nvarchar(36));\n\
         RESTORE VERIFYONLY FROM DISK = @file WITH CHECKSUM;\n\
         DECLARE @data nvarchar(4000) = CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(4000));\n\
         DECLARE @log nvarchar(4000) = CAST(SERVERPROPERTY('InstanceDefaultLogPath') AS nvarchar(4000));\n\
         IF @data IS NULL OR @log IS NULL BEGIN; THROW 50500, 'planb: the server does not say where its files belong', 1; END;\n\
         DECLARE @files TABLE ({FILES});\n\
         DECLARE @from nvarchar(max) = N' FROM DISK = N''' + REPLACE(@file, '''', '''''') + N''' WITH CHECKSUM';\n\
         DECLARE @sql nvarchar(max) = N'RESTORE FILELISTONLY' + @from;\n\
         INSERT INTO @files EXEC (@sql);\n\
         DECLARE @logical nvarchar(128), @type char(1), @number bigint;\n\
         SET @sql = N'RESTORE DATABASE ' + @name + @from + N', RECOVERY';\n\
         DECLARE f CURSOR LOCAL FAST_FORWARD FOR SELECT LogicalName, Type, FileId FROM @files ORDER BY FileId;\n\
         OPEN f; FETCH NEXT FROM f INTO @logical, @type, @number;\n\
         WHILE @@FETCH_STATUS = 0 BEGIN\n\
         SET @sql += N', MOVE N''' + REPLACE(@logical, '''', '''''') + N''' TO N''' + REPLACE(CASE @type WHEN 'L' THEN @log ELSE @data END \
         + N'{stem}-' + @id + N'-' + CAST(@number AS nvarchar(20)) + CASE @type WHEN 'L' THEN N'.ldf' WHEN 'D' THEN N'.mdf' ELSE N'' END, \
         '''', '''''') + N'''';\n\
         FETCH NEXT FROM f INTO @logical, @type, @number;\n\
         END;\n\
         EXEC (@sql);",
        file = quote::string(file),
        new = quote::string(new),
    )
}

/// Gives the restored database its name. One of that name that may not go makes this fail.
fn rename(database: &str, new: &str, may_go: bool) -> String {
    let (text, name, new) = (quote::string(database), quote::name(database), quote::name(new));
    let mut script = "SET NOCOUNT ON; SET XACT_ABORT ON;\n".to_owned();
    if may_go {
        script += &format!(
            "IF DB_ID({text}) IS NOT NULL BEGIN\n\
             IF EXISTS (SELECT 1 FROM sys.databases WHERE name = {text} AND state = 0) ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE;\n\
             DROP DATABASE {name};\n\
             END;\n"
        );
    }
    script + &format!("ALTER DATABASE {new} MODIFY NAME = {name};")
}

/// A name for the database while it is built, of at most 128 UTF-16 units.
fn beside(database: &str) -> String {
    const SUFFIX: &str = ".planb-new";
    let mut units = 0;
    let kept = database.chars().take_while(|c| {
        units += c.len_utf16();
        units <= 128 - SUFFIX.len()
    });
    kept.chain(SUFFIX.chars()).collect()
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, Sink};

    use super::*;
    use crate::connect::tests::request;

    fn restore(database: &str, target: TargetState) -> RestoreRequest {
        request(database).restore(Artifact::new("bak.tar", "application/x-tar", FORMAT), target)
    }

    fn script(command: &Command) -> String {
        let text = command.to_string();
        text.split_once("-Q <").map_or(text.clone(), |(_, script)| script.trim_end_matches('>').to_owned())
    }

    #[test]
    fn a_new_database() {
        let plan = plan(&restore("orders", TargetState::Missing)).unwrap();
        let Sink::Stdin(unpack) = &plan.sink else { unreachable!() };
        assert_eq!(
            unpack.to_string(),
            "tar --extract --file=- --no-same-owner --same-permissions --keep-old-files --directory=/mnt/backup \
             --transform=s|^database\\.bak$|planb-orders-00125d9250be8b4c-restore.bak| database.bak"
        );
        assert!(plan.filter);
        let drop_new = "SET NOCOUNT ON; IF DB_ID(N'orders.planb-new') IS NOT NULL DROP DATABASE \"orders.planb-new\";";
        let remove = "rm -f -- /mnt/backup/planb-orders-00125d9250be8b4c-restore.bak";
        assert_eq!([script(&plan.prepare[0]), script(&plan.prepare[1])], [drop_new, remove]);
        assert_eq!([script(&plan.cleanup[0]), script(&plan.cleanup[1])], [drop_new, remove]);
        assert!(script(&plan.finish[0]).contains("QUOTENAME(N'orders.planb-new')"));
        assert_eq!(
            script(&plan.finish[1]),
            "SET NOCOUNT ON; SET XACT_ABORT ON;\nALTER DATABASE \"orders.planb-new\" MODIFY NAME = \"orders\";"
        );
    }

    #[test]
    fn in_place_of_another_only_when_told() {
        assert!(plan(&restore("orders", TargetState::Occupied)).is_err());
        let mut request = restore("o'r\"", TargetState::Occupied);
        request.replace = true;
        let text = script(&plan(&request).unwrap().finish[1]);
        assert!(text.contains("IF DB_ID(N'o''r\"') IS NOT NULL BEGIN"), "{text}");
        assert!(text.contains("DROP DATABASE \"o'r\"\"\";"), "{text}");
        assert!(!script(&plan(&restore("x", TargetState::Unknown)).unwrap().finish[1]).contains("DROP"));
        assert!(plan(&restore("Master", TargetState::Missing)).is_err());
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(beside(&"😀".repeat(64)), format!("{}.planb-new", "😀".repeat(59)));
        assert_eq!(beside("a"), "a.planb-new");
    }
}
