//! Questions about a live server. Names come back as hexadecimal digits, so that no name can look like another row.

use planb_sdk::{Failure, Query, QueryPlan, Request, Scope};

use crate::{connect, sql};

/// Without the server's own, and without those that only show another server's or a file's tables.
const DATABASES: &str = "SELECT hex(name) FROM system.databases \
    WHERE name NOT IN ('system', 'information_schema', 'INFORMATION_SCHEMA', '_temporary_and_external_tables') \
    AND engine NOT IN ('MySQL', 'MaterializedMySQL', 'MaterializeMySQL', 'PostgreSQL', 'MaterializedPostgreSQL', 'SQLite', 'S3', 'HDFS', \
    'Filesystem', 'Dictionary', 'Backup', 'DataLakeCatalog') ORDER BY name FORMAT TSVRaw;\n";

const COUNTS: &str = "inventory.sql";

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let script = || Ok(connect::client(request)?.flag("--multiquery"));
    let plan = match query {
        Query::Ping => QueryPlan::new(script()?.stdin("SELECT 1 FORMAT TSVRaw;\n")),
        Query::Version => QueryPlan::new(script()?.stdin("SELECT version() FORMAT TSVRaw;\n")),
        Query::Databases => QueryPlan::new(script()?.stdin(DATABASES)),
        Query::Size(Scope::Database(name)) => QueryPlan::new(script()?.stdin(format!(
            "SELECT sum(data_uncompressed_bytes) FROM system.parts WHERE active AND database = {} FORMAT TSVRaw;\n",
            sql::string(name)
        ))),
        Query::State(Scope::Database(name)) => {
            let name = sql::string(name);
            QueryPlan::new(script()?.stdin(format!(
                "SELECT if((SELECT count() FROM system.databases WHERE name = {name}) = 0, 'missing', \
                 if((SELECT count() FROM system.tables WHERE database = {name} AND NOT is_temporary) = 0, 'empty', 'occupied')) \
                 FORMAT TSVRaw;\n"
            )))
        }
        Query::Inventory(Scope::Database(name)) => {
            let list = connect::script(request, name)?.stdin(sql::inventory(name)).stdout_to(COUNTS);
            let count = connect::reading(connect::script(request, name)?, request).stdin_from(COUNTS);
            QueryPlan::new(count).prepare(list)
        }
        Query::Size(_) | Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported(format!("ClickHouse answers {} for one database only", query.name())));
        }
    };
    Ok(plan.file(connect::config(request)?))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("shop").tool("clickhouse-client", "18.16.1");
        let client = "clickhouse-client --config-file={work}/client.xml --host=db --user=app";
        let ask = |query| plan(&request, &query).unwrap();
        assert_eq!(ask(Query::Ping).command.to_string(), format!("{client} --multiquery << SELECT 1 FORMAT TSVRaw;\n"));
        let state = ask(Query::State(Scope::Database("a'b".to_owned()))).command.to_string();
        assert!(state.contains("database = 'a\\'b' "), "{state}");
        let inventory = ask(Query::Inventory(Scope::Database("shop".to_owned())));
        assert!(inventory.prepare[0].to_string().ends_with("> {work}/inventory.sql"));
        assert!(inventory.command.to_string().ends_with("< {work}/inventory.sql"));
        assert!(plan(&request, &Query::Inventory(Scope::All)).is_err());
    }
}
