//! StarTree's backup of MariaDB.

use planb_harness::skip;
use planb_harness::stores::SeaweedFs;

use crate::common::{PASSWORD, but, dumps, planb};
use crate::mariadb::MariaDb;

#[test]
fn startree_s_cron_job() {
    let server = skip!(MariaDb::start("127.0.0.78"));
    let bucket = skip!(SeaweedFs::start());
    bucket.create_bucket("platform-backups");
    server.sql(
        "CREATE DATABASE one; CREATE TABLE one.t (a INT); INSERT INTO one.t VALUES (1);
         CREATE DATABASE two; CREATE TABLE two.t (a INT); INSERT INTO two.t VALUES (1), (2);
         CREATE EVENT one.e ON SCHEDULE EVERY 1 DAY DO SELECT 1; CREATE FUNCTION two.f() RETURNS INT RETURN 7",
    );
    let (endpoint, keys) = (bucket.endpoint(), bucket.env());
    let env = [
        ("CLOUD_PROVIDER", "aws"),
        ("S3_BUCKET", "platform-backups"),
        ("S3_REGION", "us-west-2"),
        ("CELL_DEFAULT_NAMESPACE", "cell"),
        ("MARIADB_HA_SERVICE_NAME", "127.0.0.78"),
        ("MARIADB_HA_SECRET_NAME", "mariadb"),
        // The machine's own, in the place of a role and of Amazon.
        ("AWS_ACCESS_KEY_ID", &keys[0].1),
        ("AWS_SECRET_ACCESS_KEY", &keys[1].1),
        ("AWS_ENDPOINT_URL", &endpoint),
    ];
    // The password was fetched from Kubernetes. Planb says how the CronJob hands it over.
    let asked = planb("run", &env).run().expect_code(2);
    let asked = asked.says(&["mariadb", "cell", "DB_PASSWORD", "secretKeyRef", "root-password"]);
    assert!(asked.stdout.is_empty());
    let env = but(&env, &[("DB_PASSWORD", Some(PASSWORD))]);
    planb("run", &env).run().ok();
    let there = dumps(&bucket, "platform-backups");
    assert!(there.len() == 1 && there[0].starts_with("mariadb-ha-backup/"), "{there:?}");
    // A second day does not write over the first.
    planb("run", &but(&env, &[("BACKUP_NAME_TEMPLATE", Some("mariadb-ha-backup/{db}-{uuid}"))])).run().ok();
    assert_eq!(dumps(&bucket, "platform-backups").len(), 2);
    // It holds all databases, their events and routines.
    server.sql("DROP DATABASE one; DROP DATABASE two");
    planb("restore", &env).args(["latest", "--replace", "--yes", "--host", "127.0.0.78"]).run().ok();
    assert_eq!(server.sql("SELECT COUNT(*) FROM two.t"), "2");
    assert_eq!(server.sql("SELECT two.f()"), "7");
    assert_eq!(server.sql("SELECT event_name FROM information_schema.events WHERE event_schema = 'one'"), "e");
}
