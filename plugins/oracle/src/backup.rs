//! How a schema, or the whole database, is exported (Oracle Database Utilities, "Data Pump Export").

use planb_sdk::{Artifact, BackupPlan, Command, Failure, FailureCode, Request, path};

use crate::connect::{parfile, pump};
use crate::describe::GNU;
use crate::names;

pub(crate) const FORMAT: &str = "datapump";
pub(crate) const LOG: &str = "_export.log";
const PARAMETERS: &str = "export.par";
const LIST: &str = "files";

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let schema = names::of_scope(&request.scope)?;
    gnu(request, "tar", "GNU tar")?;
    gnu(request, "find", "GNU findutils")?;
    let folder = names::directory_path(request)?;
    let stem = names::stem(schema);

    let mut lines = vec![
        format!("directory={}", names::directory(request)?),
        format!("dumpfile={stem}_%U.dmp"),
        format!("logfile={stem}{LOG}"),
        "reuse_dumpfiles=y".to_owned(),
        // The host compresses better, on several cores, and needs no license for it.
        format!("compression={}", if request.native_compression { "all" } else { "none" }),
    ];
    lines.push(schema.map_or_else(|| "full=y".to_owned(), |schema| format!("schemas={}", names::in_parfile(schema))));
    if request.toggle("consistent")? {
        lines.push("flashback_time=systimestamp".to_owned());
    }
    if let Some(workers) = request.number("parallel")?.filter(|workers| *workers > 1) {
        lines.push(format!("parallel={workers}"));
    }
    let (exclude, include) = (request.text("exclude"), request.text("include"));
    if exclude.is_some() && include.is_some() {
        return Err(Failure::settings("Data Pump takes either exclude or include"));
    }
    for (name, list) in [("exclude", exclude), ("include", include)] {
        for item in names::filters(name, list.unwrap_or_default())? {
            lines.push(format!("{name}={item}"));
        }
    }

    let list = dump_files(folder, &stem).flag("-printf").flag("%f\\0").stdout_to(LIST);
    let tar = Command::tool("tar")
        .flag("--create")
        .flag("--file=-")
        .flag("--format=gnu")
        .flag("--owner=0")
        .flag("--group=0")
        .flag("--numeric-owner")
        // For the server, which is another user than the one that unpacks them.
        .flag("--mode=u=rw,go=r")
        .option("--directory", folder)
        .flag("--null")
        .option("--files-from", path(LIST));
    let artifact = Artifact::new("dmp.tar", "application/x-tar", FORMAT).compressed(request.native_compression);
    let clean = clean(folder, &stem);
    Ok(BackupPlan::stdout(tar, artifact)
        .file(parfile(request, PARAMETERS, &lines)?)
        .prepare(clean.clone())
        .prepare(pump("expdp", request)?.flag("parfile=export.par").extra())
        .prepare(list)
        .cleanup(clean))
}

/// Finds the files of a dump and its logs.
fn dump_files(folder: &str, stem: &str) -> Command {
    Command::tool("find")
        .value(folder)
        .flag("-maxdepth")
        .flag("1")
        .flag("-type")
        .flag("f")
        .pair("-name", format!("{stem}_*"))
}

/// Removes them.
pub(crate) fn clean(folder: &str, stem: &str) -> Command {
    dump_files(folder, stem).flag("-delete")
}

/// Fails where the program is not the GNU one, whose options the plans use.
pub(crate) fn gnu(request: &Request, id: &str, banner: &str) -> Result<(), Failure> {
    request.need_tool(id, GNU)?;
    if request.banner(id).is_none_or(|found| found.contains(banner)) {
        return Ok(());
    }
    Err(Failure::tool(format!("{id} is not {banner}"))
        .code(FailureCode::ToolUnfit)
        .hint(format!("point --tool-path {id}=/path/to/{id} at {banner}")))
}

#[cfg(test)]
mod tests {
    use planb_sdk::{PrivatePiece, Scope, Source, StdoutSource};

    use super::*;
    use crate::connect::tests::request;

    fn parameters(request: &Request) -> String {
        let plan = plan(request).unwrap();
        let piece = |piece: &PrivatePiece| match piece {
            PrivatePiece::Text(text) => text.clone(),
            PrivatePiece::Path(path) => path.clone(),
            PrivatePiece::Secret(secret) => format!("{{{}}}", secret.name),
        };
        plan.files[0].content.iter().map(piece).collect()
    }

    #[test]
    fn a_schema() {
        let plan = plan(&request("HR")).unwrap();
        assert_eq!(
            parameters(&request("HR")),
            "userid=app/\"{password}\"@//db:1521/FREEPDB1\ndirectory=PLANB_DIR\ndumpfile=planb_HR_09276607b5bba19f_%U.dmp\n\
             logfile=planb_HR_09276607b5bba19f_export.log\nreuse_dumpfiles=y\ncompression=none\nschemas=HR\nflashback_time=systimestamp\n"
        );
        let prepare: Vec<_> = plan.prepare.iter().map(ToString::to_string).collect();
        assert_eq!(
            prepare,
            [
                "find /mnt/dump -maxdepth 1 -type f -name planb_HR_09276607b5bba19f_* -delete",
                "NLS_LANG=AMERICAN_AMERICA.AL32UTF8 expdp parfile=export.par [extra]",
                "find /mnt/dump -maxdepth 1 -type f -name planb_HR_09276607b5bba19f_* -printf %f\\0 > {work}/files",
            ]
        );
        let Source::Stdout(StdoutSource { command, trim: None }) = plan.source else { unreachable!() };
        assert_eq!(
            command.to_string(),
            "tar --create --file=- --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r --directory=/mnt/dump \
             --null --files-from={work}/files"
        );
        assert_eq!(plan.cleanup[0].to_string(), prepare[0]);
    }

    #[test]
    fn everything_given() {
        let mut request = request("C##APP")
            .with_setting("parallel", "4")
            .with_setting("exclude", "STATISTICS,TABLE:\"LIKE 'TMP%'\"")
            .with_setting("consistent", "false");
        request.native_compression = true;
        let text = parameters(&request);
        assert!(
            text.ends_with(
                "compression=all\nschemas='\"C##APP\"'\nparallel=4\nexclude=STATISTICS\nexclude=TABLE:\"LIKE 'TMP%'\"\n"
            ),
            "{text}"
        );
        request.scope = Scope::All;
        assert!(parameters(&request).contains("\nfull=y\n"));
        assert!(plan(&request.clone().with_setting("include", "TABLE")).is_err());
        assert!(plan(&request.with_setting("exclude", "A\ndumpfile=x")).is_err());
    }

    #[test]
    fn what_is_refused() {
        assert!(
            plan(&request("HR").with_setting("directory-path", ""))
                .unwrap_err()
                .hint
                .unwrap()
                .contains("directory-path")
        );
        assert!(plan(&request("HR").with_setting("directory", "a b")).is_err());
        assert!(plan(&request("a'\"\\`")).is_err());
        assert!(plan(&request("HR").scope(Scope::Globals)).is_err());
    }
}
