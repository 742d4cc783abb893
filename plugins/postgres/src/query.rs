//! Questions about a live server, all put by `psql`.
//!
//! Names come back as hexadecimal digits, so that no name, whatever it holds, can look like another row.

use planb_sdk::{Failure, Query, QueryPlan, Request, Scope};

use crate::{connect, describe};

const PING: &str = "SELECT 1;\n";
const VERSION: &str = "SHOW server_version;\n";
const DATABASES: &str = "\
SELECT encode(convert_to(datname::text, 'UTF8'), 'hex') FROM pg_catalog.pg_database
WHERE datallowconn AND NOT datistemplate ORDER BY datname;
";
const SIZE_ONE: &str = "SELECT pg_database_size(current_database());\n";
const SIZE_ALL: &str =
    "SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_catalog.pg_database WHERE datallowconn;\n";

/// Whether a user made anything here, if only an empty table. What an extension brought is no data of the user's: a dump makes
/// extensions only where they are missing.
const STATE: &str = r"
SET search_path = pg_catalog;
SELECT CASE WHEN EXISTS (SELECT FROM pg_largeobject_metadata) OR EXISTS (
  SELECT FROM (
    SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND relpersistence <> 't'
    UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace WHERE nspname <> 'public'
    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
    WHERE typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A'
  ) AS made (class, id, space) JOIN pg_namespace n ON n.oid = space
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = class AND objid = id AND deptype = 'e')
) THEN 'occupied' ELSE 'empty' END;
";

/// Counts all tables in one snapshot. The names are those that pg_dump writes (`public."Odd Name"`), and what belongs to an
/// extension is left out as pg_dump leaves it out, so that the answer can be compared with an inspection.
const INVENTORY: &str = r"
SET search_path = pg_catalog;
SET row_security = off;
SET statement_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'schema', encode(convert_to(quote_ident(nspname), 'UTF8'), 'hex'), '-' FROM pg_namespace n
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_namespace'::regclass AND objid = n.oid AND deptype = 'e')
ORDER BY nspname;
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign-table' ELSE 'table' END,
  encode(convert_to(format('%I.%I', nspname, relname), 'UTF8'), 'hex'), '-'
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('v', 'm', 'S', 'f', 'p') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
ORDER BY nspname, relname;
SELECT format('SELECT ''table'', %L, count(*) FROM ONLY %s', encode(convert_to(name, 'UTF8'), 'hex'), name)
FROM (
  SELECT format('%I.%I', nspname, relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
  ORDER BY nspname, relname
) AS tables
\gexec
SELECT 'large-object', encode('pg_largeobject', 'hex'), count(*) FROM pg_largeobject_metadata HAVING count(*) > 0;
COMMIT;
";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("psql", describe::CLIENT)?;
    let (database, script) = match query {
        Query::Ping => (connect::home(request), PING),
        Query::Version => (connect::home(request), VERSION),
        Query::Databases => (connect::maintenance(request), DATABASES),
        Query::Size(Scope::Database(name)) => (name.as_str(), SIZE_ONE),
        Query::Size(Scope::All) => (connect::maintenance(request), SIZE_ALL),
        Query::State(Scope::Database(name)) => (name.as_str(), STATE),
        Query::Inventory(Scope::Database(name)) => (name.as_str(), INVENTORY),
        Query::Size(Scope::Globals)
        | Query::State(Scope::Globals | Scope::All)
        | Query::Inventory(Scope::Globals | Scope::All) => {
            return Err(Failure::unsupported(format!("PostgreSQL answers {} for one database only", query.name())));
        }
    };
    let mut psql = connect::psql(request, database)?.flag("--no-align").flag("--tuples-only").stdin(script);
    // Whatever the database's encoding is, names are asked for in UTF-8.
    psql.env.retain(|var| var.name != "PGCLIENTENCODING");
    Ok(QueryPlan::new(psql.env("PGCLIENTENCODING", "UTF8")).file(connect::passfile(request)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn questions() {
        let plan = |query| plan(&request("orders"), &query).unwrap().command.to_string();
        assert_eq!(
            plan(Query::Ping),
            "PGAPPNAME=planb PGCONNECT_TIMEOUT=10 PGPASSFILE={work}/pgpass PGCLIENTENCODING=UTF8 psql --no-password --host=db \
             --port=5432 --username=app --dbname=orders --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --no-align --tuples-only << SELECT 1;\n"
        );
        assert!(plan(Query::Databases).contains("--dbname=postgres "));
        assert!(plan(Query::Inventory(Scope::Database("x y".to_owned()))).contains("--dbname=dbname='x y' "));
        let state = plan(Query::State(Scope::Database("x y".to_owned())));
        assert!(state.contains("--dbname=dbname='x y' ") && state.contains("'occupied' ELSE 'empty'"), "{state}");
    }
}
