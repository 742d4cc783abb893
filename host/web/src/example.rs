//! A whole snapshot with jobs in every state: for the preview, the documentation and the tests.

use jiff::{SignedDuration, Timestamp};
use planb_model::Blame;
use planb_model::drill::DrillCheck;
use planb_model::engine::Object;

use crate::status::{
    DrillSummary, InspectionSummary, JobStatus, Reason, ReasonKind, RetentionStatus, RunStatus, RunStore, RunSummary,
    RunningStatus, SCHEMA, Snapshot, StoreStatus,
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const S3: &str = "s3://backups/production";
const FOLDER: &str = "/mnt/backups";
const SLOW: &str = "503 SlowDown after 4 tries";

/// What a job's past is made from.
struct Recipe {
    name: &'static str,
    engine: &'static str,
    database: &'static str,
    server: &'static str,
    schedule: &'static str,
    timezone: &'static str,
    /// Seconds from run to run, and when in such a stretch of Unix time a run begins.
    every: i64,
    phase: i64,
    /// So many of the newest runs are missing.
    missing: u32,
    runs: u32,
    /// Size of the newest dump, how much of it the oldest had, and how many bytes a second it flows.
    bytes: u64,
    grown_from: u64,
    rate: u64,
    /// Percent of the plain size that is stored.
    stored: u64,
    objects: &'static [(&'static str, &'static str, u64)],
    /// What was different about the newest run.
    newest: fn(&mut RunSummary),
}

const TABLES: &[(&str, &str, u64)] = &[
    ("table", "public.order_lines", 48_211_904),
    ("table", "public.orders", 12_904_332),
    ("table", "public.addresses", 2_310_877),
    ("table", "public.customers", 1_998_120),
    ("table", "public.vouchers", 18_204),
    ("table", "public.countries", 249),
];
const LEDGER: &[(&str, &str, u64)] =
    &[("table", "book.entries", 7_120_442), ("table", "book.accounts", 5_120), ("table", "book.periods", 96)];
const COLLECTIONS: &[(&str, &str, u64)] =
    &[("collection", "events.clicks", 91_442_010), ("collection", "events.views", 310_220_441)];
const KEYS: &[(&str, &str, u64)] = &[("database", "0", 210_334), ("database", "1", 1_204)];

const DAILY: Recipe = Recipe {
    name: "orders",
    engine: "pg",
    database: "orders",
    server: "db-1.internal:5432",
    schedule: "0 3 * * *",
    timezone: "UTC",
    every: DAY,
    phase: 3 * HOUR,
    missing: 0,
    runs: 40,
    bytes: 42_700_000_000,
    grown_from: 70,
    rate: 118_000_000,
    stored: 21,
    objects: TABLES,
    newest: |_| {},
};

impl Recipe {
    /// The job as it is when nothing ever went wrong.
    fn job(&self, now: Timestamp) -> JobStatus {
        let last = self.begun(now, 0);
        let mut job = JobStatus {
            name: self.name.to_owned(),
            enabled: true,
            engine: self.engine.to_owned(),
            database: self.database.to_owned(),
            server: Some(self.server.to_owned()),
            schedule: Some(self.schedule.to_owned()),
            timezone: Some(self.timezone.to_owned()),
            next_run: Some(after(self.slot(now), self.every)),
            drill_schedule: Some("0 5 * * 0".to_owned()),
            next_drill: Some(after(self.slot(now), 3 * DAY)),
            max_age_seconds: Some(2 * self.every.unsigned_abs() + 7_200),
            drill_max_age_seconds: Some(8 * DAY.unsigned_abs()),
            retention: Some(RetentionStatus { kept: 22, removed: 61, last_at: Some(after(last, 40)), error: None }),
            stores: vec![self.store("offsite", S3, 84), self.store("nas", FOLDER, 3)],
            ..JobStatus::default()
        };
        for back in (0..self.runs).rev() {
            let mut run = self.run(now, back);
            if back == 0 {
                (self.newest)(&mut run);
            }
            job.record(run);
        }
        let drilled = job.history.iter().rev().nth(1).map(|run| (run.id.clone(), run.started_at));
        if let Some((id, at)) = drilled {
            job.record_drill(drill(
                &id,
                after(at, self.every.min(7_200) / 3),
                true,
                "6 objects came back with the same rows",
            ));
        }
        job
    }

    fn store(&self, name: &str, url: &str, latency: u64) -> StoreStatus {
        StoreStatus {
            name: name.to_owned(),
            url: Some(format!("{url}/{}", self.name)),
            ok: true,
            error: None,
            last_latency_ms: Some(latency),
            backups: Some(22),
            bytes: Some(22 * self.bytes / 100 * self.stored),
        }
    }

    /// The newest time of the schedule.
    fn slot(&self, now: Timestamp) -> Timestamp {
        let into = (now.as_second() - self.phase).rem_euclid(self.every);
        Timestamp::from_second(now.as_second() - into).unwrap_or(now)
    }

    /// When the run so many runs ago began.
    fn begun(&self, now: Timestamp, back: u32) -> Timestamp {
        after(self.slot(now), -self.every * i64::from(back + self.missing))
    }

    /// The run so many runs ago.
    fn run(&self, now: Timestamp, back: u32) -> RunSummary {
        let bytes = self.bytes / 1000 * self.share(back);
        let objects = self.objects.iter().map(|(kind, name, rows)| Object {
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
            rows: Some(rows * self.share(back) / 1000),
        });
        let objects: Vec<Object> = objects.collect();
        RunSummary {
            id: id(self.name, back),
            started_at: self.begun(now, back),
            duration_ms: bytes / (self.rate / 1000) + 800 + u64::from(noise(self.name, back + 99)) * bytes / self.rate,
            status: RunStatus::Success,
            plain_bytes: bytes,
            stored_bytes: bytes / 100 * self.stored,
            rows: Some(objects.iter().filter_map(|object| object.rows).sum()),
            objects: Some(objects.len() as u64),
            error: None,
            hint: None,
            blame: None,
            warnings: Vec::new(),
            stores: ["offsite", "nas"].map(|name| RunStore { name: name.to_owned(), ok: true, error: None }).into(),
            inspection: Some(InspectionSummary { complete: true, objects, more: 0, findings: Vec::new() }),
            drill: None,
        }
    }

    /// How large the dump was so many runs ago, in thousandths of the newest.
    fn share(&self, back: u32) -> u64 {
        let grown = (100 - self.grown_from) * 10 * u64::from(back) / u64::from(self.runs.max(1));
        1000 - grown - u64::from(noise(self.name, back)) / 8
    }
}

fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

/// A number below 200 that looks like chance and is always the same.
fn noise(name: &str, at: u32) -> u32 {
    hash(&format!("{name} {at}")) % 200
}

/// FNV-1a, for its brevity.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn id(name: &str, back: u32) -> String {
    let part = |salt: &str| hash(&format!("{name}{back}{salt}"));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:08x}0000",
        part("a"),
        part("b") >> 16,
        part("c") >> 20,
        part("d") >> 20,
        part("e")
    )
}

fn drill(id: &str, at: Timestamp, ok: bool, detail: &str) -> DrillSummary {
    let check = |name: &str, ok, detail: &str| DrillCheck { name: name.to_owned(), ok, detail: detail.to_owned() };
    let checks = vec![check("restore", true, "the tool ended well"), check("compare", ok, detail)];
    DrillSummary { id: id.to_owned(), at, duration_ms: 412_000, ok, error: None, checks }
}

fn failed(run: &mut RunSummary, blame: Blame, error: &str, hint: &str) {
    run.status = RunStatus::Failed;
    run.blame = Some(blame);
    run.error = Some(error.to_owned());
    run.hint = Some(hint.to_owned());
    run.inspection = None;
    run.rows = None;
    run.objects = None;
    (run.plain_bytes, run.stored_bytes) = (run.plain_bytes / 7, 0);
    run.duration_ms /= 6;
    for store in &mut run.stores {
        store.ok = false;
    }
}

impl Snapshot {
    /// One with fourteen jobs, in every state that there is.
    pub fn example(now: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: "backup-1.internal".to_owned(),
            started_at: after(now, -9 * DAY),
            now,
            ready: true,
            healthy: false,
            reasons: vec![Reason {
                kind: ReasonKind::RunHung,
                job: Some("sessions".to_owned()),
                detail: "the run 5f0c9a11 of sessions goes on 12 min past its time limit".to_owned(),
            }],
            config_problem: Some(
                "planb.toml, line 41: unknown key `schedul` in [jobs.search]; did you mean `schedule`?".to_owned(),
            ),
            jobs: well(now).into_iter().chain(unwell(now)).collect(),
        }
    }
}

fn well(now: Timestamp) -> Vec<JobStatus> {
    let orders = DAILY.job(now);
    let mut customers = Recipe {
        name: "customers",
        database: "customers",
        schedule: "every 6h",
        timezone: "Europe/Berlin",
        every: 6 * HOUR,
        phase: HOUR,
        runs: 60,
        bytes: 3_910_000_000,
        grown_from: 92,
        ..DAILY
    }
    .job(now);
    let roles = Recipe {
        name: "roles",
        database: "globals",
        bytes: 48_211,
        rate: 400_000,
        grown_from: 97,
        objects: &[("role", "app", 0), ("role", "report", 0)],
        ..DAILY
    }
    .job(now);
    let config = Recipe {
        name: "cluster-config",
        engine: "etcd",
        database: "all",
        server: "etcd.internal:2379",
        schedule: "*/15 * * * *",
        every: 15 * MINUTE,
        phase: 0,
        runs: 100,
        bytes: 8_812_000,
        rate: 30_000_000,
        objects: &[("keyspace", "/registry", 11_204)],
        ..DAILY
    };
    let mut etcd = config.job(now);
    for back in [20, 21] {
        let at = etcd.history.len() - back;
        etcd.history[at].status = RunStatus::Skipped;
        (etcd.history[at].plain_bytes, etcd.history[at].stored_bytes, etcd.history[at].duration_ms) = (0, 0, 0);
    }
    let analytics = Recipe {
        name: "analytics",
        engine: "clickhouse",
        database: "metrics",
        server: "ch-2.internal:9000",
        runs: 24,
        bytes: 310_000_000_000,
        rate: 160_000_000,
        ..DAILY
    };
    let mut running = analytics.job(now);
    running.running = Some(RunningStatus {
        run_id: id("analytics", 9_000),
        since: after(now, -21 * MINUTE),
        stage: "streaming".to_owned(),
        bytes: 196_400_000_000,
        expected_bytes: Some(312_000_000_000),
        deadline: Some(after(now, 3 * HOUR)),
        work: None,
        hung: false,
    });
    let mut shop = Recipe { name: "new-shop", database: "shop", runs: 0, ..DAILY }.job(now);
    shop.retention = None;
    shop.stores.iter_mut().for_each(|store| (store.backups, store.bytes) = (Some(0), Some(0)));
    let mut old = Recipe { name: "old-intranet", database: "intranet", missing: 90, runs: 12, ..DAILY }.job(now);
    (old.enabled, old.next_run) = (false, None);
    customers.queued_at = Some(after(now, -40));
    vec![orders, customers, roles, etcd, running, shop, old]
}

fn unwell(now: Timestamp) -> Vec<JobStatus> {
    let billing = Recipe {
        name: "billing",
        engine: "mysql",
        database: "billing",
        server: "mysql-1.internal:3306",
        bytes: 9_120_000_000,
        newest: |run| {
            let said = "mysqldump: Got error: 1045: Access denied for user 'backup'@'10.0.4.17' (using password: YES)";
            failed(run, Blame::Database, said, "check the user and the password; planb databases tries them");
        },
        ..DAILY
    };
    let mut billing = billing.job(now);
    billing.retry_at = Some(after(now, 8 * MINUTE));

    let hourly = Recipe {
        name: "sessions",
        engine: "redis",
        database: "all",
        server: "redis-1.internal:6379",
        schedule: "every 1h",
        every: HOUR,
        phase: 0,
        missing: 1,
        runs: 80,
        bytes: 712_000_000,
        objects: KEYS,
        ..DAILY
    };
    let mut sessions = hourly.job(now);
    sessions.running = Some(RunningStatus {
        run_id: "5f0c9a11-77aa-4f0e-9a3e-0d5f6f3b2a10".to_owned(),
        since: after(now, -42 * MINUTE),
        stage: "finishing".to_owned(),
        bytes: 709_400_000,
        expected_bytes: None,
        deadline: Some(after(now, -12 * MINUTE)),
        work: None,
        hung: true,
    });

    let catalog = Recipe {
        name: "catalog",
        engine: "mariadb",
        database: "catalog",
        server: "maria-1.internal:3306",
        missing: 3,
        bytes: 1_310_000_000,
        ..DAILY
    };
    let mut catalog = catalog.job(now);
    catalog.stale = true;

    let events = Recipe {
        name: "events",
        engine: "mongo",
        database: "events",
        server: "mongo-1.internal:27017",
        bytes: 88_000_000_000,
        objects: COLLECTIONS,
        newest: |run| {
            run.status = RunStatus::Partial;
            run.blame = Some(Blame::Storage);
            (run.stores[0].ok, run.stores[0].error) = (false, Some(SLOW.to_owned()));
        },
        ..DAILY
    };
    let mut events = events.job(now);
    (events.stores[0].ok, events.stores[0].error) = (false, Some(SLOW.to_owned()));
    events.stores[0].last_latency_ms = Some(9_400);

    let search = Recipe {
        name: "search",
        engine: "elasticsearch",
        database: "products",
        server: "es-1.internal:9200",
        bytes: 5_600_000_000,
        objects: &[("index", "products", 4_100_220)],
        newest: |run| {
            (run.plain_bytes, run.stored_bytes, run.duration_ms) = (1_900_000_000, 402_000_000, 17_400);
            run.warnings.push("the dump is 66 % smaller than the one before".to_owned());
        },
        ..DAILY
    }
    .job(now);

    let ledger = Recipe { name: "ledger", database: "ledger", bytes: 6_240_000_000, objects: LEDGER, ..DAILY };
    let mut ledger = ledger.job(now);
    let newest = ledger.last.as_ref().map(|run| (run.id.clone(), run.started_at)).unwrap_or_default();
    let wrong = "table book.periods has 95 rows, the dump had 96";
    ledger.record_drill(drill(&newest.0, after(newest.1, 1_200), false, wrong));

    let personnel = Recipe {
        name: "personnel",
        engine: "firebird",
        database: "/data/hr.fdb",
        server: "fb.internal:3050",
        bytes: 2_980_000_000,
        objects: &[("table", "EMPLOYEE", 84_202)],
        ..DAILY
    };
    let mut personnel = personnel.job(now);
    (personnel.drill_stale, personnel.last_drill_ok_at) = (true, Some(after(now, -19 * DAY)));
    if let Some(drill) = &mut personnel.last_drill {
        drill.at = after(now, -19 * DAY);
    }
    personnel.history.iter_mut().for_each(|run| run.drill = None);
    vec![billing, sessions, catalog, events, search, ledger, personnel]
}
