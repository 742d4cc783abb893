//! Questions about a server, put by `influx` in InfluxQL.

use planb_sdk::{Answer, Failure, FailureCode, Object, Query, QueryPlan, Request, Scope, TargetState};

use crate::describe::CLIENT;
use crate::{connect, csv};

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    request.need_tool("influx", CLIENT)?;
    let connection = &request.connection;
    let command = match query {
        Query::Ping | Query::Databases | Query::State(Scope::All) => connect::ask(connection, "SHOW DATABASES")?,
        // Only an admin is told.
        Query::Version => connect::ask(connection, "SHOW DIAGNOSTICS")?.ok(0).ok(1),
        // SHOW MEASUREMENTS alone is silent of a database that is not there.
        Query::State(Scope::Database(name)) => {
            let name = connect::identifier(name)?;
            connect::ask(connection, format!("SHOW RETENTION POLICIES ON {name}; SHOW MEASUREMENTS ON {name} LIMIT 1"))?
        }
        Query::Inventory(Scope::Database(name)) => {
            connect::identifier(name)?;
            connect::ask(connection, "SELECT COUNT(*) FROM /.*/")?.pair("-database", name.clone())
        }
        Query::Size(_) => return Err(Failure::unsupported("InfluxDB does not tell how large a backup will be")),
        Query::State(Scope::Globals) | Query::Inventory(_) => {
            return Err(Failure::unsupported("values are counted in one database")
                .hint("name it: influxdb://host:8086/database"));
        }
    };
    Ok(QueryPlan::new(command))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let rows = csv::rows(&String::from_utf8_lossy(stdout));
    // Of its own doings, in every server.
    let databases = || {
        let names = rows.iter().filter(|row| row.first().is_some_and(|kind| kind == "databases"));
        names.filter_map(|row| row.get(1)).filter(|name| *name != "_internal").cloned().collect::<Vec<_>>()
    };
    match query {
        Query::Ping => Ok(Answer::Alive),
        Query::Databases => Ok(Answer::Databases(databases())),
        Query::Version => version(&rows).map(Answer::Version).ok_or_else(|| {
            Failure::unsupported("InfluxDB tells its version to admins only").code(FailureCode::Unsupported)
        }),
        Query::State(scope) => {
            let holds = match scope {
                Scope::All => !databases().is_empty(),
                _ => rows.iter().any(|row| row.first().is_some_and(|kind| kind == "measurements")),
            };
            Ok(Answer::State(if holds { TargetState::Occupied } else { TargetState::Empty }))
        }
        Query::Inventory(_) => Ok(Answer::Inventory(inventory(&rows))),
        Query::Size(_) => Err(Answer::unexpected("influx", query)),
    }
}

/// The series `build` of SHOW DIAGNOSTICS.
fn version(rows: &[Vec<String>]) -> Option<String> {
    let at = rows.iter().position(|row| row.first().is_some_and(|name| name == "build"))?;
    let column = rows.get(at.checked_sub(1)?)?.iter().position(|name| name == "Version")?;
    rows.get(at)?.get(column).cloned()
}

/// `name,time,count_a,count_b` and below it a measurement with how many values each of its fields has. All fields of the database stand in the
/// head; those that the measurement lacks are empty.
fn inventory(rows: &[Vec<String>]) -> Vec<Object> {
    let mut head: &[String] = &[];
    let mut objects = Vec::new();
    for row in rows {
        if matches!(row.as_slice(), [name, time, ..] if name == "name" && time == "time") {
            head = row;
            continue;
        }
        let Some(measurement) = row.first() else { continue };
        for (column, value) in head.iter().zip(row).skip(2) {
            if let (Some(field), Ok(count)) = (column.strip_prefix("count_"), value.parse::<u64>()) {
                objects.push(Object::new("field", format!("{measurement}.{field}")).rows(count));
            }
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("cinema").password().tool("influx", "1.6.7");
        let plan = |query| plan(&request, &query).map(|plan| plan.command.to_string());
        let one = || Scope::Database("ci\"n".to_owned());
        assert!(plan(Query::State(one())).unwrap().contains("ON \"ci\\\"n\" LIMIT 1>"));
        assert!(
            plan(Query::Inventory(one())).unwrap().ends_with("-execute <SELECT COUNT(*) FROM /.*/> -database ci\"n")
        );
        assert!(plan(Query::Inventory(Scope::All)).is_err());
        assert!(plan(Query::Size(Scope::All)).is_err());
    }

    #[test]
    fn answers() {
        let one = || Scope::Database("cinema".to_owned());
        let counts =
            b"name,time,count_born,count_year\nactors,0,3,\nname,time,count_born,count_year\n\"odd \"\"m,\",0,,2\n";
        let objects = vec![Object::new("field", "actors.born").rows(3), Object::new("field", "odd \"m,.year").rows(2)];
        assert_eq!(read(&Query::Inventory(one()), counts), Ok(Answer::Inventory(objects)));
        assert_eq!(
            read(&Query::Databases, b"name,name\ndatabases,_internal\ndatabases,a b\n"),
            Ok(Answer::Databases(vec!["a b".to_owned()]))
        );
        let diagnostics =
            b"name,Branch,Build Time,Commit,Version\nbuild,unknown,,unknown,1.6.7~rc0\nname,x\nconfig,y\n";
        assert_eq!(read(&Query::Version, diagnostics), Ok(Answer::Version("1.6.7~rc0".to_owned())));
        assert_eq!(read(&Query::Version, b"ERR: no").unwrap_err().code, FailureCode::Unsupported);
        let policies = "name,duration,shardGroupDuration,replicaN,default\nautogen,0s,168h0m0s,1,true\n";
        let state = |rest: &str| read(&Query::State(one()), format!("{policies}{rest}").as_bytes());
        assert_eq!(state(""), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(state("name,name\nmeasurements,actors\n"), Ok(Answer::State(TargetState::Occupied)));
    }
}
