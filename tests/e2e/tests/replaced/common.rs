//! What the replaced systems have in common: an environment, a PostgreSQL server, objects in a bucket.

use planb_harness::postgres::{Options, Postgres, Version};
use planb_harness::stores::SeaweedFs;
use planb_harness::{Planb, Skip};

pub(crate) const PASSWORD: &str = "it's a p@ss:word/";

/// Keys of objects, without manifests and what planb keeps for itself.
pub(crate) fn dumps(bucket: &SeaweedFs, name: &str) -> Vec<String> {
    let keys = bucket.objects(name).into_iter().map(|(key, _)| key);
    keys.filter(|key| !key.ends_with(".manifest.json") && !key.contains(".planb")).collect()
}

/// `planb` with an environment, and nothing else.
pub(crate) fn planb(command: &str, env: &[(&str, &str)]) -> Planb {
    env.iter().fold(Planb::new().args([command]), |planb, (name, value)| planb.env(name, value))
}

/// An environment with some of it changed; none: it is taken out.
pub(crate) fn but<'e>(env: &[(&'e str, &'e str)], changes: &[(&'e str, Option<&'e str>)]) -> Vec<(&'e str, &'e str)> {
    let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
    let mut all: Vec<_> = env.iter().filter(|(name, _)| !changed(name)).copied().collect();
    all.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    all
}

/// A PostgreSQL server with the database `myapp`, whose tools are on the path as in its official image.
pub(crate) fn postgres() -> Result<Postgres, Skip> {
    let server = Postgres::start(Version::V15, Options { password: Some(PASSWORD.to_owned()), ..Options::default() })?;
    server.create_database("myapp");
    server.psql(
        "myapp",
        "CREATE TABLE movies (id int PRIMARY KEY, title text); INSERT INTO movies VALUES (1, 'a'), (2, 'b'), (3, 'c');
         CREATE TABLE actors (id int PRIMARY KEY, name text); INSERT INTO actors VALUES (1, 'x'), (2, 'y'), (3, 'z');",
    );
    Ok(server)
}
