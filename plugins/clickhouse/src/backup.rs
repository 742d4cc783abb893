//! How a dump is taken: one script that the client replays, or a directory with the rows of each table in a file.
//!
//! Which tables there are the host has asked before (`plans-by-inventory`), so the plan names each.

use std::fmt::Write as _;

use planb_sdk::{Artifact, BackupPlan, Failure, Mode, Object, PrivateFile, Request, Scope, Version};

use crate::connect;
use crate::sql;

/// The directory of a dump, below the work directory.
pub(crate) const DUMP: &str = "dump";
/// The file of a directory dump that names all others.
pub(crate) const CONTENTS: &str = "contents.txt";

/// Above this, the client needs more memory to replay a script than a machine is likely to have.
const MANY_ROWS: u64 = 10_000_000;

pub(crate) fn plan(request: &Request) -> Result<BackupPlan, Failure> {
    let Scope::Database(database) = &request.scope else {
        return Err(Failure::unsupported("ClickHouse is dumped one database at a time")
            .hint("use --database '*', which backs up every database"));
    };
    if request.native_compression {
        return Err(Failure::settings("clickhouse-client does not compress what it prints").hint("use --compress zstd"));
    }
    let objects = chosen(request)?;
    let mut plan = match request.mode {
        Mode::Stream => stream(request, database, &objects)?,
        Mode::Directory => tree(request, database, &objects, "dir", "application/octet-stream")?,
        Mode::Tar => tree(request, database, &objects, "tar", "application/x-tar")?,
        Mode::File => {
            return Err(
                Failure::settings("there is no mode file for ClickHouse").hint("use --mode stream or --mode tar")
            );
        }
    };
    if connect::at_least(request, Version::new(21, 1, 0)) {
        return Ok(plan.file(connect::config(request)?));
    }
    plan = plan.warning(
        "client or server is older than 21.1: in columns of type DateTime('...') with a zone that has summer time, one hour of the \
         year cannot be told from the next",
    );
    Ok(plan.file(connect::config(request)?))
}

/// What the server holds, less what the user leaves out.
fn chosen(request: &Request) -> Result<Vec<Object>, Failure> {
    let Some(objects) = &request.objects else {
        return Err(Failure::plugin("the host did not say what the database holds"));
    };
    let (only, without, without_rows) =
        (request.list("table"), request.list("exclude-table"), request.list("exclude-table-data"));
    let named = only.iter().chain(&without).chain(&without_rows);
    if let Some(unknown) = named.into_iter().find(|name| !objects.iter().any(|object| object.name == **name)) {
        return Err(Failure::settings(format!("the database has no table {unknown:?}")));
    }
    let schema_only = request.toggle("schema-only")?;
    let kept = objects.iter().filter(|object| {
        let name = object.name.as_str();
        (only.is_empty() || only.contains(&name)) && !without.contains(&name)
    });
    Ok(kept
        .map(|object| {
            let bare = schema_only || without_rows.contains(&object.name.as_str());
            Object { rows: object.rows.filter(|_| !bare), ..object.clone() }
        })
        .collect())
}

fn stream(request: &Request, database: &str, objects: &[Object]) -> Result<BackupPlan, Failure> {
    let mut script = String::new();
    for object in objects {
        script += &sql::create(database, &object.name, None);
        match object.rows {
            None => {}
            Some(0) => script += &sql::line(&sql::no_rows(&object.name)),
            Some(_) => {
                script += &sql::bytes(&format!("INSERT INTO {} VALUES ", sql::identifier(&object.name)));
                script += &sql::rows(&object.name);
            }
        }
    }
    script += &sql::line(&sql::end(objects.len()));
    let dump = connect::reading(connect::script(request, database)?, request).extra().stdin(script);
    let format = if connect::iso(request) { "sql-iso" } else { "sql" };
    let plan = BackupPlan::stdout(dump, Artifact::new("sql", "application/sql", format));
    let rows: u64 = objects.iter().filter_map(|object| object.rows).sum();
    if rows <= MANY_ROWS {
        return Ok(plan);
    }
    Ok(plan.warning(format!(
        "{rows} rows as one script: to replay it, clickhouse-client reads all of it into memory, several times its size; --mode tar \
         is restored table by table"
    )))
}

fn tree(
    request: &Request,
    database: &str,
    objects: &[Object],
    extension: &str,
    media: &str,
) -> Result<BackupPlan, Failure> {
    let (mut contents, mut creates) = (String::new(), String::new());
    let mut rows = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        let (statement, values) = sql::files(at, object);
        creates += &sql::create(database, &object.name, Some(&format!("{DUMP}/{statement}")));
        let what = if object.rows.is_some() { "rows" } else { "no-rows" };
        let _ = writeln!(contents, "{}\t{}\t{what}", object.kind, sql::identifier(&object.name));
        if object.rows.is_some() {
            let command = connect::reading(connect::script(request, database)?, request);
            rows.push(command.stdin(sql::rows(&object.name)).stdout_to(format!("{DUMP}/{values}")));
        }
    }
    let _ = writeln!(contents, "end\t{}", objects.len());
    // With no object there is nothing to print.
    creates += "SELECT 1 FORMAT Null;\n";
    let format = if connect::iso(request) { "values-iso" } else { "values" };
    let command = connect::script(request, database)?.extra().stdin(creates);
    let plan = BackupPlan::from_tree(command, DUMP, Artifact::new(extension, media, format))
        .file(PrivateFile::new(format!("{DUMP}/{CONTENTS}")).text(contents));
    Ok(rows.into_iter().fold(plan, BackupPlan::prepare))
}

#[cfg(test)]
pub(crate) mod tests {
    use planb_sdk::{Source, testing};

    use super::*;

    /// Two tables, an odd one, and a view, at an old server.
    pub(crate) fn request() -> Request {
        let mut request =
            testing::request("shop").password().port(9000).tool("clickhouse-client", "18.16.1").server_is("18.16.1");
        request.objects = Some(vec![
            Object::new("table", "movies").rows(3),
            Object::new("table", "o`dd").rows(0),
            Object::new("table", "dist"),
            Object::new("view", "v"),
        ]);
        request
    }

    const CLIENT: &str = "clickhouse-client --config-file={work}/client.xml --host=db --port=9000 --user=app --database=shop --multiquery";
    const READ: &str = "--use_client_time_zone=1 --read_overflow_mode=throw --result_overflow_mode=throw --timeout_overflow_mode=throw";

    fn command(plan: BackupPlan) -> String {
        match plan.source {
            Source::Stdout(source) => source.command.to_string(),
            Source::Tree(output) => format!("{} -> {}", output.command, output.path),
            _ => unreachable!("stdout or a tree"),
        }
    }

    #[test]
    fn a_stream() {
        let pattern = r"'^(CREATE (?:(?:MATERIALIZED|LIVE|WINDOW) )?(?:TABLE|VIEW|DICTIONARY)) (?:`(?:[^`\\\\]|\\\\.)*`|[A-Za-z0-9_]+)\\.'";
        let create = |name: &str| {
            format!(
                "SELECT concat(replaceRegexpOne(create_table_query, {pattern}, '\\\\1 '), ';') FROM system.tables \
                 WHERE database = 'shop' AND name = '{name}' FORMAT TSVRaw;\n"
            )
        };
        let script = [
            create("movies").as_str(),
            "SELECT toFixedString('INSERT INTO `movies` VALUES ', 28) FORMAT RowBinary;\n",
            "SELECT * FROM `movies` FORMAT Values;\nSELECT toFixedString(';\\n', 2) FORMAT RowBinary;\n",
            create("o`dd").as_str(),
            "SELECT 'SELECT \\'planb: no rows\\', \\'o`dd\\';' FORMAT TSVRaw;\n",
            create("dist").as_str(),
            create("v").as_str(),
            "SELECT 'SELECT \\'planb: end of the dump\\', 4;' FORMAT TSVRaw;\n",
        ]
        .concat();
        assert_eq!(
            command(plan(&request().mode(Mode::Stream)).unwrap()),
            format!("{CLIENT} {READ} [extra] << {script}")
        );
    }

    #[test]
    fn a_tree() {
        let plan = plan(&request().mode(Mode::Tar)).unwrap();
        assert_eq!(plan.warnings.len(), 1);
        assert_eq!((plan.artifact.extension.as_str(), plan.artifact.format.as_str()), ("tar", "values"));
        let prepare: Vec<_> = plan.prepare.iter().map(ToString::to_string).collect();
        let rows = |name: &str, file: &str| {
            format!(
                "{CLIENT} {READ} << SELECT * FROM {name} FORMAT Values;\nSELECT toFixedString(';\\n', 2) FORMAT RowBinary;\n > {{work}}/dump/{file}"
            )
        };
        assert_eq!(prepare, [rows("`movies`", "00001-movies.values"), rows("`o\\`dd`", "00002-o-dd.values")]);
        let contents = format!("{:?}", plan.files[0].content);
        assert_eq!(plan.files[0].path, "dump/contents.txt");
        assert!(contents.contains(
            r"table\t`movies`\trows\ntable\t`o\\`dd`\trows\ntable\t`dist`\tno-rows\nview\t`v`\tno-rows\nend\t4\n"
        ));
        let source = command(plan);
        assert!(source.contains("AND name = 'movies' INTO OUTFILE 'dump/00001-movies.sql' FORMAT TSVRaw;"), "{source}");
        assert!(source.ends_with("-> dump"));
    }

    #[test]
    fn choices() {
        let names = |name: &str, value: &str| {
            let chosen = chosen(&request().with_setting(name, value));
            chosen
                .map(|objects| objects.iter().map(|o| format!("{}:{:?}", o.name, o.rows)).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names("table", "movies").as_deref(), Ok("movies:Some(3)"));
        assert_eq!(names("exclude-table", "movies, v").as_deref(), Ok("o`dd:Some(0) dist:None"));
        assert_eq!(names("exclude-table-data", "movies").as_deref(), Ok("movies:None o`dd:Some(0) dist:None v:None"));
        assert_eq!(names("schema-only", "true").as_deref(), Ok("movies:None o`dd:None dist:None v:None"));
        assert!(names("table", "nope").unwrap_err().message.contains("no table \"nope\""));
        let new = request().tool("clickhouse-client", "24.8.1").server_is("24.8.1");
        let new = Request { tools: new.tools[1..].to_vec(), ..new };
        assert_eq!(plan(&new.mode(Mode::Stream)).unwrap().artifact.format, "sql-iso");
        assert!(plan(&request().scope(Scope::All)).is_err());
    }
}
