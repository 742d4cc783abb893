//! Questions about a live server, all put by sqlcmd.
//!
//! Names come back as the hexadecimal digits of their UTF-16 bytes (CONVERT of varbinary, style 2), so that no name can look
//! like another row and no code page changes one.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, Scope, TargetState};

use crate::connect::sqlcmd;
use crate::quote;

/// The message that a script of this engine fails with where the database is not there.
pub(crate) const MISSING: &str = "planb: there is no such database";
/// The last row of an inventory.
const END: &str = "end";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let script = match query {
        Query::Ping => "SET NOCOUNT ON; SELECT '1';".to_owned(),
        Query::Version => "SET NOCOUNT ON; SELECT CAST(SERVERPROPERTY('ProductVersion') AS varchar(128));".to_owned(),
        // 1 to 4 are master, tempdb, model and msdb; a snapshot has a source; state 0 is ONLINE.
        Query::Databases => "SET NOCOUNT ON; SELECT CONVERT(varchar(600), CAST(name AS varbinary(300)), 2) FROM sys.databases \
                             WHERE database_id > 4 AND source_database_id IS NULL AND state = 0 AND name <> N'rdsadmin';"
            .to_owned(),
        Query::Size(scope) => format!(
            "SET NOCOUNT ON; SELECT CAST(ISNULL(SUM(CAST(size AS bigint)), 0) * 8192 AS varchar(20)) FROM sys.master_files \
             WHERE type = 0 AND database_id = DB_ID({});",
            quote::string(quote::of_scope(scope)?)
        ),
        Query::State(scope) => state(quote::of_scope(scope)?),
        Query::Inventory(scope) => inventory(quote::of_scope(scope)?, true),
    };
    Ok(QueryPlan::new(sqlcmd(request, script)?))
}

/// A database that is there and cannot be looked into holds something.
fn state(database: &str) -> String {
    let (text, name) = (quote::string(database), quote::name_in_string(database));
    format!(
        "SET NOCOUNT ON; IF DB_ID({text}) IS NULL SELECT 'missing';\n\
         ELSE IF NOT EXISTS (SELECT 1 FROM sys.databases WHERE name = {text} AND state = 0) OR ISNULL(HAS_DBACCESS({text}), 0) = 0 \
         SELECT 'occupied';\n\
         ELSE EXEC (N'IF EXISTS (SELECT 1 FROM {name}.sys.objects WHERE is_ms_shipped = 0) SELECT ''occupied'' ELSE SELECT ''empty''');"
    )
}

/// Lists what a database holds: `kind|name|rows`, a row each, and `end` as the last.
pub(crate) fn inventory(database: &str, count: bool) -> String {
    let (text, name) = (quote::string(database), quote::name_in_string(database));
    let rows = if count { "CAST(COUNT_BIG(*) AS varchar(20))" } else { "'-'" };
    let from = if count { "' FROM ' + @from" } else { "''" };
    // A cursor: the order in which a variable would add up rows is not defined.
    format!(
        "SET NOCOUNT ON; SET XACT_ABORT ON;\n\
         IF DB_ID({text}) IS NULL BEGIN; THROW 50404, '{MISSING}', 1; END;\n\
         CREATE TABLE #objects (kind varchar(20), hex varchar(1100), source nvarchar(800) NULL);\n\
         INSERT INTO #objects EXEC (N'SELECT CASE o.type WHEN ''U'' THEN ''table'' WHEN ''V'' THEN ''view'' WHEN ''P'' THEN ''procedure'' \
         ELSE ''function'' END, CONVERT(varchar(1100), CAST(s.name + N''.'' + o.name AS varbinary(550)), 2), \
         CASE o.type WHEN ''U'' THEN N''{nested}.'' + QUOTENAME(s.name) + N''.'' + QUOTENAME(o.name) END \
         FROM {name}.sys.objects o JOIN {name}.sys.schemas s ON s.schema_id = o.schema_id \
         LEFT JOIN {name}.sys.tables t ON t.object_id = o.object_id \
         WHERE o.is_ms_shipped = 0 AND o.type IN (''U'', ''V'', ''P'', ''FN'', ''IF'', ''TF'') AND ISNULL(t.is_external, 0) = 0');\n\
         DECLARE @kind varchar(20), @hex varchar(1100), @from nvarchar(800), @sql nvarchar(max);\n\
         DECLARE o CURSOR LOCAL FAST_FORWARD FOR SELECT kind, hex, source FROM #objects ORDER BY kind, hex;\n\
         OPEN o; FETCH NEXT FROM o INTO @kind, @hex, @from;\n\
         WHILE @@FETCH_STATUS = 0 BEGIN\n\
         IF @from IS NULL SELECT @kind + '|' + @hex + '|-';\n\
         ELSE BEGIN SET @sql = N'SELECT ''' + @kind + '|' + @hex + '|'' + {in_string}' + {from}; EXEC (@sql); END;\n\
         FETCH NEXT FROM o INTO @kind, @hex, @from;\n\
         END;\n\
         SELECT '{END}';",
        // It stands in a string inside a string.
        nested = name.replace('\'', "''"),
        in_string = rows.replace('\'', "''"),
    )
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().next();
    let answer = match query {
        Query::Ping => first.filter(|line| *line == "1").map(|_| Answer::Alive),
        Query::Version => first.map(|version| Answer::Version(version.to_owned())),
        Query::Databases => lines().map(unhex).collect::<Option<_>>().map(Answer::Databases),
        Query::Size(Scope::Database(_)) => first.and_then(|line| line.parse().ok()).map(Answer::Size),
        Query::State(_) => match first {
            Some("missing") => Some(Answer::State(TargetState::Missing)),
            Some("empty") => Some(Answer::State(TargetState::Empty)),
            Some("occupied") => Some(Answer::State(TargetState::Occupied)),
            _ => None,
        },
        Query::Inventory(_) => objects(&text).map(Answer::Inventory),
        Query::Size(_) => None,
    };
    answer.ok_or_else(|| Answer::unexpected("sqlcmd", query))
}

/// The rows of an inventory; none where its end is missing or a row is not one.
pub(crate) fn objects(text: &str) -> Option<Vec<Object>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut objects = Vec::new();
    for line in lines.by_ref() {
        if line == END {
            return lines.next().is_none().then_some(objects);
        }
        let mut fields = line.split('|');
        let (kind, name, rows) = (fields.next()?, fields.next()?, fields.next()?);
        let rows = if rows == "-" { None } else { Some(rows.parse().ok()?) };
        objects.push(Object::new(kind, unhex(name)?).rows(rows));
    }
    None
}

/// The text behind the hexadecimal digits of UTF-16, low byte first.
fn unhex(digits: &str) -> Option<String> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(4) {
        return None;
    }
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let units = (0..digits.len()).step_by(4).map(|at| Some(u16::from_le_bytes([byte(at)?, byte(at + 2)?])));
    Some(String::from_utf16_lossy(&units.collect::<Option<Vec<_>>>()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::connect::tests::request;

    /// An inventory as sqlcmd prints it with `-h-1 -W`: result sets with an empty line between.
    pub(crate) const ROWS: &str = "table|640062006F002E006D006F007600690065007300|3\n\ntable|640062006F002E0061006B00740065007500720065002000\
                                   FC00|3\n\nview|640062006F002E007600|-\n\nend\n";

    #[test]
    fn questions() {
        let script = |query| plan(&request("orders"), &query).unwrap().command.to_string();
        let one = || Scope::Database("o'b\"".to_owned());
        assert!(script(Query::Size(one())).contains("database_id = DB_ID(N'o''b\"');"));
        assert!(script(Query::State(one())).contains("IF EXISTS (SELECT 1 FROM \"o''b\"\"\".sys.objects"));
        let inventory = script(Query::Inventory(one()));
        // A string inside a string inside the script.
        assert!(inventory.contains("THEN N''\"o''''b\"\"\".'' + QUOTENAME(s.name)"), "{inventory}");
        assert!(
            inventory.contains("@hex + '|'' + CAST(COUNT_BIG(*) AS varchar(20))' + ' FROM ' + @from;"),
            "{inventory}"
        );
        assert!(super::inventory("x", false).contains("@hex + '|'' + ''-''' + '';"));
        assert!(plan(&request("x"), &Query::Inventory(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let answer = |query, text: &str| read(&query, text.as_bytes());
        assert_eq!(answer(Query::Ping, "1\n"), Ok(Answer::Alive));
        assert_eq!(answer(Query::Version, "16.0.4135.4\n"), Ok(Answer::Version("16.0.4135.4".to_owned())));
        assert_eq!(answer(Query::Databases, "61003DD800DE\n"), Ok(Answer::Databases(vec!["a😀".to_owned()])));
        assert_eq!(answer(Query::State(Scope::All), "empty\n"), Ok(Answer::State(TargetState::Empty)));
        let objects = vec![
            Object::new("table", "dbo.movies").rows(3),
            Object::new("table", "dbo.akteure ü").rows(3),
            Object::new("view", "dbo.v"),
        ];
        assert_eq!(answer(Query::Inventory(Scope::All), ROWS), Ok(Answer::Inventory(objects)));
        for end in 0..ROWS.trim_end().len() {
            assert!(answer(Query::Inventory(Scope::All), &ROWS[..end]).is_err(), "cut at {end}");
        }
        assert!(answer(Query::Databases, "6100z0\n").is_err());
    }
}
