//! What has to be known of a server before a plan can be made, in the form of its version: the answer to `version` is all
//! that a plan hears of the server.
//!
//! `Redis 7.0.15`, and behind it in brackets what is not as it usually is: `Valkey 8.1.1 (cluster, replica, sync to disk)`.

use planb_sdk::{Blame, Failure, FailureCode, Version};

use crate::layout::Fork;

/// How a server gives its RDB to a replica (`repl-diskless-sync`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sync {
    /// As it is made, with a mark of 40 bytes behind it: the default from Redis 7.
    Diskless,
    /// From a file, whose length it tells before.
    Disk,
    /// The server did not say.
    #[default]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) valkey: bool,
    pub(crate) version: Option<Version>,
    pub(crate) cluster: bool,
    pub(crate) replica: bool,
    /// It drops keys where its memory is full (`maxmemory` and its policy), and tells nobody.
    pub(crate) evicts: bool,
    pub(crate) sync: Sync,
    /// None: the usual 16, or not told.
    pub(crate) databases: Option<u64>,
}

impl Facts {
    /// Reads what INFO and CONFIG GET printed. None: there is no version in it.
    pub(crate) fn read(answers: &str) -> Option<(Self, String)> {
        let lines = || answers.lines().map(str::trim);
        let info = |name: &str| lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let config = |name: &str| {
            let mut lines = lines();
            lines.find(|line| *line == name).and_then(|_| lines.next())
        };
        let valkey = info("valkey_version");
        let number = valkey.or_else(|| info("redis_version"))?;
        let mut notes = Vec::new();
        if info("cluster_enabled") == Some("1") {
            notes.push("cluster".to_owned());
        }
        if info("role") == Some("slave") {
            notes.push("replica".to_owned());
        }
        let limited = info("maxmemory").is_some_and(|limit| limit != "0");
        if limited && info("maxmemory_policy").is_some_and(|policy| policy != "noeviction") {
            notes.push("evicts".to_owned());
        }
        match config("repl-diskless-sync") {
            Some("yes") => {}
            Some(_) => notes.push("sync to disk".to_owned()),
            None => notes.push("sync unknown".to_owned()),
        }
        if let Some(count) =
            config("databases").and_then(|count| count.parse::<u64>().ok()).filter(|count| *count != 16)
        {
            notes.push(format!("{count} databases"));
        }
        let name = if valkey.is_some() { "Valkey" } else { "Redis" };
        let text = if notes.is_empty() {
            format!("{name} {number}")
        } else {
            format!("{name} {number} ({})", notes.join(", "))
        };
        Some((Self::parse(&text), text))
    }

    /// Reads what [`Self::read`] wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, notes) = text.split_once('(').unwrap_or((text, ""));
        let notes: Vec<&str> = notes.trim_end_matches(')').split(", ").collect();
        let has = |note: &str| notes.contains(&note);
        let databases = notes.iter().find_map(|note| note.strip_suffix(" databases")?.parse().ok());
        Self {
            valkey: head.starts_with("Valkey"),
            version: Version::parse(head),
            cluster: has("cluster"),
            replica: has("replica"),
            evicts: has("evicts"),
            sync: match (has("sync to disk"), has("sync unknown")) {
                (true, _) => Sync::Disk,
                (_, true) => Sync::Unknown,
                _ => Sync::Diskless,
            },
            databases,
        }
    }

    /// The version of the format in which this server gives its RDB to a replica of which it knows nothing. None: newer than
    /// this engine.
    pub(crate) fn writes(&self) -> Option<u32> {
        if self.valkey {
            // Valkey 9 too: replicaRdbVersion in its src/replication.c.
            return Some(11);
        }
        match self.version.map(|version| (version.major, version.minor))? {
            (8, 0 | 1) | (7, 4..) => Some(12),
            (7, 2 | 3) => Some(11),
            (7, _) => Some(10),
            (5 | 6, _) => Some(9),
            _ => None,
        }
    }

    fn name(&self) -> String {
        let name = if self.valkey { "Valkey" } else { "Redis" };
        self.version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
    }

    /// Whether RESTORE takes payloads of this version of the RDB format (RDB_VERSION in src/rdb.h of each release;
    /// rdbIsVersionAccepted in Valkey 9). What is newer than this engine is left to the server.
    pub(crate) fn takes(&self, fork: Fork, version: u32) -> Result<(), Failure> {
        let Some(server) = self.version else { return Ok(()) };
        let newest = match (self.valkey, server.major, server.minor) {
            (true, 7 | 8, _) | (false, 7, 2 | 3) => 11,
            (false, 7, 0 | 1) => 10,
            (false, 7, _) | (false, 8, 0 | 1) => 12,
            (false, 5 | 6, _) => 9,
            (false, 4, _) => 8,
            (false, 0..=3, _) => 7,
            _ => u32::MAX,
        };
        // Valkey leaves 12 to 79 to Redis, and Redis knows nothing of 80.
        let foreign = if self.valkey { (12..80).contains(&version) } else { fork == Fork::Valkey };
        if version <= newest && !foreign {
            return Ok(());
        }
        let writer = match (fork, version) {
            (Fork::Valkey, _) => "Valkey 9 or newer",
            (_, 10) => "Redis 7.0 or newer",
            (_, 11) => "Redis 7.2, Valkey 7.2 or newer",
            (_, 12) => "Redis 7.4 or newer",
            _ => "a newer Redis",
        };
        Err(Failure::new(
            FailureCode::ToolUnfit,
            Blame::Settings,
            format!("{} cannot take what {writer} wrote (version {version} of the RDB format)", self.name()),
        )
        .hint("restore into a server of the kind and version that was backed up, or a newer one"))
    }

    /// Whether there is a database of this number, as far as that is known.
    pub(crate) fn has_database(&self, number: u64) -> Result<(), Failure> {
        // Valkey 9 can have several in a cluster too.
        if self.cluster && !self.valkey && number > 0 {
            return Err(Failure::settings(format!(
                "the backup has keys in database {number}, and a cluster has database 0 only"
            ))
            .hint("restore into a server that is no cluster"));
        }
        match self.databases {
            Some(count) if number >= count => Err(Failure::settings(format!(
                "the backup has keys in database {number}, and the server has no more than {count}"
            ))
            .hint(
                "set `databases` in the server's configuration at least as high as at the source, and start it again",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_info_and_config() {
        let (facts, text) = Facts::read(
            "# Server\r\nredis_version:7.0.15\r\n\r\n# Replication\r\nrole:master\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\n\
             repl-diskless-sync\nyes\ndatabases\n16\n",
        )
        .unwrap();
        assert_eq!(text, "Redis 7.0.15");
        assert_eq!((facts.sync, facts.version), (Sync::Diskless, Some(Version::new(7, 0, 15))));
        let (facts, text) = Facts::read(
            "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nrole:slave\r\ncluster_enabled:1\r\n\
             maxmemory:1048576\r\nmaxmemory_policy:allkeys-lru\r\nrepl-diskless-sync\nno\ndatabases\n2\n",
        )
        .unwrap();
        assert_eq!(text, "Valkey 8.1.1 (cluster, replica, evicts, sync to disk, 2 databases)");
        assert_eq!((facts.databases, facts.evicts), (Some(2), true));
        let (facts, text) = Facts::read(
            "redis_version:6.0.16\r\nNOPERM this user has no permissions to run the 'config|get' command\n",
        )
        .unwrap();
        assert_eq!((facts.sync, text.as_str()), (Sync::Unknown, "Redis 6.0.16 (sync unknown)"));
        assert_eq!(Facts::read("NOAUTH Authentication required.\n"), None);
    }

    #[test]
    fn which_server_takes_which_rdb() {
        for (server, fork, version, takes) in [
            ("Redis 7.0.15", Fork::Redis, 10, true),
            ("Redis 7.0.15", Fork::Redis, 11, false),
            ("Redis 6.2.1", Fork::Redis, 10, false),
            ("Redis 8.0.2", Fork::Redis, 12, true),
            ("Redis 8.6.0", Fork::Redis, 14, true),
            ("Redis 8.0.2", Fork::Valkey, 80, false),
            ("Valkey 8.1.1", Fork::Redis, 11, true),
            ("Valkey 8.1.1", Fork::Redis, 12, false),
            ("Valkey 8.1.1", Fork::Valkey, 80, false),
            ("Valkey 9.1.2", Fork::Valkey, 80, true),
            ("Valkey 9.1.2", Fork::Redis, 12, false),
            ("Valkey 9.1.2", Fork::Redis, 11, true),
        ] {
            assert_eq!(Facts::parse(server).takes(fork, version).is_ok(), takes, "{server} {version}");
        }
        assert!(Facts::parse("Redis 7.0.15 (cluster)").has_database(1).is_err());
        assert!(Facts::parse("Redis 7.0.15 (2 databases)").has_database(2).is_err());
        assert!(Facts::parse("Redis 7.0.15").has_database(9).is_ok());
    }
}
