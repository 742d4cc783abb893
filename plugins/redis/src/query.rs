//! Questions about a live server.
//!
//! `redis-cli` ends with 0 whatever the server answered, so an error is read from what it printed. With its commands on stdin it
//! ends with 0 even where there is no server; therefore a PING goes before.

use planb_sdk::{Answer, Failure, Object, Query, QueryPlan, Request, TargetState, Version};

use crate::facts::Facts;
use crate::strings::printable;
use crate::{connect, explain, groups};

/// CONFIG comes last: it is what a user may not be allowed, or a service does not have.
const VERSION: &str = "INFO\nCONFIG GET repl-diskless-sync\nCONFIG GET databases\n";
const STATE: &str = "INFO keyspace\nFUNCTION LIST\n";
/// What follows this line is the answer to FUNCTION LIST.
const LIBRARIES: &str = "planb-libraries";

/// A server with more keys is not looked through: it answers nobody else meanwhile. Measured: a third of a second for these.
const KEYS: u32 = 200_000;

/// Groups keys as an inspection does. One line each: kind, database, name in hexadecimal digits, keys.
fn inventory() -> String {
    let (prefix, groups, databases) = (groups::PREFIX, groups::GROUPS, groups::DATABASES);
    // On one line and without double quotes and backslashes, which redis-cli would read.
    let script = format!(
        "local dbs, all = {{}}, 0 \
         for db, keys in string.gmatch(redis.call('INFO', 'keyspace'), 'db(%d+):keys=(%d+)') do \
         dbs[#dbs + 1] = tonumber(db) all = all + tonumber(keys) end \
         if all > {KEYS} then return {{}} end \
         local out = {{}} \
         local function hex(text) return (string.gsub(text, '.', function(c) return string.format('%02x', string.byte(c)) end)) end \
         for _, db in ipairs(dbs) do \
         if db ~= 0 then redis.call('SELECT', db) end \
         local types, groups, count, plain, keys, cursor = {{}}, {{}}, 0, 0, 0, '0' \
         repeat \
         local page = redis.call('SCAN', cursor, 'COUNT', 1000) cursor = page[1] \
         for _, key in ipairs(page[2]) do \
         local kind = redis.call('TYPE', key)['ok'] \
         if kind ~= 'none' then \
         keys = keys + 1 types[kind] = (types[kind] or 0) + 1 \
         local colon = string.find(key, ':', 1, true) \
         if not colon or colon > {prefix} + 1 then plain = plain + 1 \
         elseif count <= {groups} then \
         local name = string.sub(key, 1, colon - 1) \
         if not groups[name] then count = count + 1 groups[name] = 0 end \
         groups[name] = groups[name] + 1 end \
         end end \
         until cursor == '0' \
         if keys > 0 then out[#out + 1] = 'planb database ' .. db .. ' - ' .. keys end \
         for kind, n in pairs(types) do out[#out + 1] = 'planb type ' .. db .. ' ' .. hex(kind) .. ' ' .. n end \
         if count <= {groups} and db < {databases} then \
         for name, n in pairs(groups) do out[#out + 1] = 'planb keys ' .. db .. ' ' .. hex(name) .. '. ' .. n end \
         if plain > 0 then out[#out + 1] = 'planb keys ' .. db .. ' - ' .. plain end end \
         end \
         return out"
    );
    format!("INFO keyspace\nEVAL \"{script}\" 0\nECHO {LIBRARIES}\nFUNCTION LIST\n")
}

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let cli = || connect::cli(request);
    let answered = |script: String| Ok(QueryPlan::new(cli()?.stdin(script)).prepare(cli()?.flag("PING")));
    match query {
        Query::Ping => Ok(QueryPlan::new(cli()?.flag("PING"))),
        Query::Version => answered(VERSION.to_owned()),
        Query::Size(_) => Ok(QueryPlan::new(cli()?.flag("INFO").flag("memory"))),
        Query::State(_) => answered(STATE.to_owned()),
        Query::Inventory(_) => answered(inventory()),
        Query::Databases => {
            Err(Failure::unsupported("the databases of a Redis server are in one RDB, and have only numbers")
                .hint("leave out --database: a backup holds all of them; planb show lists their keys"))
        }
    }
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(stdout);
    let unexpected = || explain::answer(&text).unwrap_or_else(|| Answer::unexpected("redis-cli", query));
    match query {
        Query::Ping => text.lines().any(|line| line.trim() == "PONG").then_some(Answer::Alive).ok_or_else(unexpected),
        Query::Version => {
            if text.lines().any(|line| line.trim() == "redis_mode:sentinel") {
                return Err(Failure::settings("this is a Sentinel, which holds no data")
                    .hint("ask it for the server: redis-cli SENTINEL get-master-addr-by-name NAME"));
            }
            Facts::read(&text).map(|(_, text)| Answer::Version(text)).ok_or_else(unexpected)
        }
        Query::Size(_) => {
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            let bytes = field("used_memory_dataset:").or_else(|| field("used_memory:"));
            bytes.map(Answer::Size).ok_or_else(unexpected)
        }
        Query::State(_) => {
            if !text.contains("# Keyspace") {
                return Err(unexpected());
            }
            let some = !keyspace(&text).is_empty() || !libraries(&text).is_empty();
            Ok(Answer::State(if some { TargetState::Occupied } else { TargetState::Empty }))
        }
        Query::Inventory(_) => {
            let (keys, functions) = text.split_once(LIBRARIES).unwrap_or((&text, ""));
            if !keys.contains("# Keyspace") {
                return Err(unexpected());
            }
            let mut objects = counted(keys).ok_or_else(|| Answer::unexpected("redis-cli", query))?;
            if objects.is_empty() {
                // Too many keys, or a user who may not run scripts: what the server counts itself.
                objects = keyspace(keys).iter().map(|(number, keys)| groups::database(*number, *keys)).collect();
            }
            objects.extend(libraries(functions).iter().map(|name| groups::library(name)));
            Ok(Answer::Inventory(objects))
        }
        Query::Databases => Err(unexpected()),
    }
}

/// `db0:keys=3,expires=0,avg_ttl=0`
fn keyspace(text: &str) -> Vec<(u64, u64)> {
    let database = |line: &str| {
        let (number, rest) = line.strip_prefix("db")?.split_once(":keys=")?;
        let keys = rest.split(',').next()?.trim().parse().ok()?;
        Some((number.parse().ok()?, keys))
    };
    text.lines().filter_map(database).collect()
}

/// The lines of [`inventory`]'s script.
fn counted(text: &str) -> Option<Vec<Object>> {
    let object = |line: &str| {
        let mut words = line.split(' ');
        let (kind, number, name) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let keys = words.next()?.parse().ok()?;
        Some(match kind {
            "database" => groups::database(number, keys),
            "type" => groups::of_type(number, &printable(&bytes(name)?), keys),
            "keys" => match name.strip_suffix('.') {
                Some(prefix) => groups::with_prefix(number, Some(&bytes(prefix)?), keys),
                None => groups::with_prefix(number, None, keys),
            },
            _ => return None,
        })
    };
    text.lines().filter_map(|line| line.trim_end().strip_prefix("planb ")).map(object).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// The line behind each `library_name`. An older server answers with an error, which holds no such line.
fn libraries(text: &str) -> Vec<&str> {
    let mut lines = text.lines().map(str::trim);
    let mut names = Vec::new();
    while lines.any(|line| line == "library_name") {
        names.extend(lines.next());
    }
    names
}

/// Whether a server keeps functions.
pub(crate) fn has_functions(server: Option<Version>) -> bool {
    server.is_some_and(|server| server.major >= 7)
}

#[cfg(test)]
mod tests {
    use planb_sdk::{FailureCode, Scope, testing};

    use super::*;

    #[test]
    fn questions() {
        let request = testing::request("").scope(Scope::All).tool("redis-cli", "7.0.15");
        let mut request = request.password();
        request.connection.user = None;
        let asked = |query| {
            let plan = plan(&request, &query).unwrap();
            let before: Vec<String> = plan.prepare.iter().map(ToString::to_string).collect();
            (before.join(" "), plan.command.to_string())
        };
        let cli = "REDISCLI_AUTH={secret password} redis-cli -h db";
        assert_eq!(asked(Query::Ping), (String::new(), format!("{cli} PING")));
        assert_eq!(asked(Query::Version), (format!("{cli} PING"), format!("{cli} << {VERSION}")));
        let (_, script) = asked(Query::Inventory(Scope::All));
        let lines: Vec<&str> = script.lines().collect();
        assert_eq!(lines.len(), 4);
        // redis-cli reads the quotes, and would read backslashes inside them.
        assert!(lines[1].starts_with("EVAL \"local ") && lines[1].ends_with(" return out\" 0"));
        assert!(lines[1].matches('"').count() == 2 && !lines[1].contains('\\'));
        assert!(plan(&request, &Query::Databases).is_err());
    }

    #[test]
    fn answers() {
        let read = |query, text: &str| read(&query, text.as_bytes());
        assert_eq!(read(Query::Ping, "PONG\n"), Ok(Answer::Alive));
        let refused = read(Query::Ping, "NOAUTH Authentication required.\n\n").unwrap_err();
        assert_eq!(refused.code, FailureCode::AccessDenied);
        assert!(read(Query::Version, "redis_mode:sentinel\nredis_version:7.0.15\n").is_err());
        assert_eq!(
            read(Query::Version, "redis_version:7.0.15\r\nrepl-diskless-sync\nyes\ndatabases\n16\n"),
            Ok(Answer::Version("Redis 7.0.15".to_owned()))
        );
        let size = Query::Size(Scope::All);
        assert_eq!(read(size, "used_memory:9\r\nused_memory_dataset:5\r\n"), Ok(Answer::Size(5)));
        let state = |text| read(Query::State(Scope::All), text);
        assert_eq!(state("# Keyspace\n\n"), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(state("# Keyspace\ndb3:keys=1,expires=0\n"), Ok(Answer::State(TargetState::Occupied)));
        assert_eq!(state("# Keyspace\n\nlibrary_name\nmylib\n"), Ok(Answer::State(TargetState::Occupied)));
        assert_eq!(state("# Keyspace\nERR unknown command `FUNCTION`\n"), Ok(Answer::State(TargetState::Empty)));
        assert_eq!(state("LOADING Redis is loading\n").unwrap_err().code, FailureCode::Unreachable);
    }

    #[test]
    fn inventories() {
        let read = |text: &str| match read(&Query::Inventory(Scope::All), text.as_bytes()).unwrap() {
            Answer::Inventory(objects) => objects,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            read(
                "# Keyspace\ndb0:keys=4,expires=0\n\nplanb database 0 - 4\nplanb type 0 68617368 3\nplanb keys 0 6dff. 3\n\
                 planb keys 0 . 2\nplanb keys 0 - 1\nplanb-libraries\nlibrary_name\nmylib\nengine\nLUA\n"
            ),
            [
                groups::database(0, 4),
                groups::of_type(0, "hash", 3),
                groups::with_prefix(0, Some(b"m\xff"), 3),
                groups::with_prefix(0, Some(b""), 2),
                groups::with_prefix(0, None, 1),
                groups::library("mylib"),
            ]
        );
        let without_scripts =
            "# Keyspace\ndb0:keys=4,expires=0\ndb7:keys=1,expires=0\nNOPERM no eval\nplanb-libraries\nNOPERM\n";
        assert_eq!(read(without_scripts), [groups::database(0, 4), groups::database(7, 1)]);
        assert_eq!(read("# Keyspace\n\n\nplanb-libraries\n"), []);
    }
}
