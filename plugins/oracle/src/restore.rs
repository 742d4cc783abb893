//! How a schema, or the whole database, is imported (Oracle Database Utilities, "Data Pump Import").

use planb_sdk::{Command, Failure, RestorePlan, RestoreRequest, TargetState, quote};

use crate::backup::{FORMAT, clean, gnu};
use crate::connect::{parfile, pump, sqlplus};
use crate::names;

const PARAMETERS: &str = "import.par";

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    if request.artifact.format != FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    gnu(inner, "tar", "GNU tar")?;
    gnu(inner, "find", "GNU findutils")?;
    let folder = names::directory_path(inner)?;
    let source = names::of_scope(&request.source_scope)?;
    let target = names::of_scope(&inner.scope)?;
    let stem = names::stem(source);

    let mut lines = vec![
        format!("directory={}", names::directory(inner)?),
        format!("dumpfile={stem}_%U.dmp"),
        format!("logfile={stem}_import.log"),
    ];
    match (source, target) {
        (Some(source), Some(target)) => {
            lines.push(format!("schemas={}", names::in_parfile(source)));
            if source != target {
                lines.push(format!("remap_schema={}:{}", names::in_parfile(source), names::in_parfile(target)));
            }
            // A user that is there would be an error of the import.
            if matches!(request.target, TargetState::Empty | TargetState::Occupied) {
                lines.push("exclude=USER".to_owned());
            }
        }
        (None, None) => lines.push("full=y".to_owned()),
        (Some(_), None) | (None, Some(_)) => {
            return Err(Failure::settings("a schema goes back into a schema, and a whole database into a database")
                .hint("choose a backup of the same kind as the target"));
        }
    }
    for pair in names::remaps(inner)? {
        lines.push(format!("remap_tablespace={pair}"));
    }
    if !inner.toggle("storage")? {
        lines.push("transform=segment_attributes:n".to_owned());
    }
    if let Some(workers) = inner.number("parallel")?.filter(|workers| *workers > 1) {
        lines.push(format!("parallel={workers}"));
    }

    let unpack = Command::tool("tar")
        .flag("--extract")
        .flag("--file=-")
        .flag("--no-same-owner")
        // Readable for the server's user, whatever the umask is here.
        .flag("--same-permissions")
        .flag("--keep-old-files")
        .option("--directory", folder);
    let clean = clean(folder, &stem);
    let mut plan =
        RestorePlan::stdin(unpack).filtered().file(parfile(inner, PARAMETERS, &lines)?).prepare(clean.clone());
    if let (Some(target), TargetState::Occupied, true) = (target, request.target, request.replace) {
        plan = plan
            .finish(sqlplus(inner, &drop_objects(target))?)
            .warning("the schema's objects are dropped before the import; the user itself, its password, quotas and grants stay as they are");
    }
    if target.is_none() {
        plan = plan.warning("what the database has already is left as it is, and makes the import end with errors");
    }
    Ok(plan.finish(pump("impdp", inner)?.flag("parfile=import.par").extra()).cleanup(clean))
}

/// Drops what a schema holds, several times over since some of it depends on other. The user stays: a dump that its owner took
/// does not make it again.
fn drop_objects(schema: &str) -> String {
    format!(
        "DECLARE\n\
         \x20 schema_name CONSTANT VARCHAR2(128) := {};\n\
         BEGIN\n\
         \x20 FOR pass IN 1 .. 3 LOOP\n\
         \x20   FOR o IN (\n\
         \x20     SELECT object_type, object_name FROM all_objects WHERE owner = schema_name AND object_name NOT LIKE 'BIN$%'\n\
         \x20       AND object_type IN ('MATERIALIZED VIEW', 'VIEW', 'TABLE', 'CLUSTER', 'SEQUENCE', 'SYNONYM', 'PACKAGE', 'PROCEDURE', 'FUNCTION', 'TYPE')\n\
         \x20     ORDER BY DECODE(object_type, 'MATERIALIZED VIEW', 1, 'VIEW', 2, 'TABLE', 3, 'CLUSTER', 4, 5)\n\
         \x20   ) LOOP\n\
         \x20     BEGIN\n\
         \x20       EXECUTE IMMEDIATE 'DROP ' || o.object_type || ' \"' || schema_name || '\".\"' || o.object_name || '\"'\n\
         \x20         || CASE o.object_type WHEN 'TABLE' THEN ' CASCADE CONSTRAINTS PURGE' WHEN 'TYPE' THEN ' FORCE' END;\n\
         \x20     EXCEPTION WHEN OTHERS THEN\n\
         \x20       IF pass = 3 THEN RAISE; END IF;\n\
         \x20     END;\n\
         \x20   END LOOP;\n\
         \x20 END LOOP;\n\
         END;\n\
         /",
        quote::sql_string(schema)
    )
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, PrivatePiece, Scope, Sink};

    use super::*;
    use crate::connect::tests::request;

    fn restore(source: &str, target: &str, state: TargetState) -> RestoreRequest {
        let mut restore = request(target).restore(Artifact::new("dmp.tar", "application/x-tar", FORMAT), state);
        restore.source_scope = Scope::Database(source.to_owned());
        restore
    }

    fn parameters(request: &RestoreRequest) -> String {
        let plan = plan(request).unwrap();
        match &plan.files[0].content[2] {
            PrivatePiece::Text(text) => text.split_once('\n').unwrap().1.to_owned(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn into_a_new_schema() {
        let request = restore("HR", "HR2", TargetState::Missing);
        let plan = plan(&request).unwrap();
        assert_eq!(
            parameters(&request),
            "directory=PLANB_DIR\ndumpfile=planb_HR_09276607b5bba19f_%U.dmp\nlogfile=planb_HR_09276607b5bba19f_import.log\n\
             schemas=HR\nremap_schema=HR:HR2\n"
        );
        let Sink::Stdin(unpack) = &plan.sink else { unreachable!() };
        assert_eq!(
            unpack.to_string(),
            "tar --extract --file=- --no-same-owner --same-permissions --keep-old-files --directory=/mnt/dump"
        );
        let finish: Vec<_> = plan.finish.iter().map(ToString::to_string).collect();
        assert_eq!(finish, ["NLS_LANG=AMERICAN_AMERICA.AL32UTF8 impdp parfile=import.par [extra]"]);
        assert_eq!(plan.prepare, plan.cleanup);
    }

    #[test]
    fn over_what_may_go() {
        assert!(plan(&restore("HR", "HR", TargetState::Occupied)).is_err());
        let mut request = restore("HR", "HR", TargetState::Occupied);
        request.replace = true;
        assert!(parameters(&request).ends_with("schemas=HR\nexclude=USER\n"));
        let text = plan(&request).unwrap().finish[0].to_string();
        assert!(text.contains("schema_name CONSTANT VARCHAR2(128) := 'HR';"), "{text}");
        assert!(text.contains("'DROP ' || o.object_type || ' \"' || schema_name"), "{text}");
    }

    #[test]
    fn settings() {
        let mut request = restore("HR", "HR", TargetState::Missing);
        request.request = request
            .request
            .with_setting("remap-tablespace", "USERS:DATA, IDX:DATA")
            .with_setting("storage", "false")
            .with_setting("parallel", "2");
        assert!(parameters(&request).ends_with(
            "remap_tablespace=USERS:DATA\nremap_tablespace=IDX:DATA\ntransform=segment_attributes:n\nparallel=2\n"
        ));
        request.request = request.request.with_setting("remap-tablespace", "A:B\nfull=y");
        assert!(plan(&request).is_err());
        let mut whole = restore("HR", "HR", TargetState::Unknown);
        whole.source_scope = Scope::All;
        assert!(plan(&whole).is_err());
        whole.request.scope = Scope::All;
        assert!(parameters(&whole).contains("full=y\n"));
    }
}
