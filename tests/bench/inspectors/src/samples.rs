//! Dumps as the tools write them: a head, a body that is repeated, a tail.

/// A dump of one engine.
pub(crate) struct Sample {
    pub(crate) what: &'static str,
    /// The plugin's file, without `.wasm`.
    pub(crate) plugin: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) tail: Vec<u8>,
}

/// About a mebibyte of rows, the same on every machine.
fn rows(row: impl Fn(u64) -> String) -> Vec<u8> {
    let mut out = Vec::new();
    let mut n = 0;
    while out.len() < 1 << 20 {
        out.extend(row(n).into_bytes());
        n += 1;
    }
    out
}

/// Digits that do not repeat soon.
fn mix(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

pub(crate) fn all() -> Vec<Sample> {
    vec![postgres_copy(), postgres_inserts(), sqlite(), mysql("mysql"), mysql("mariadb"), redis()]
}

const POSTGRES_HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.20\n-- Dumped by pg_dump version 15.20\n\nSET statement_timeout = 0;\n\nCREATE TABLE public.events (\n    id bigint,\n    session text,\n    request text,\n    at timestamp without time zone\n);\n\n";
const POSTGRES_TAIL: &str = "\n--\n-- PostgreSQL database dump complete\n--\n\n";

fn postgres_copy() -> Sample {
    Sample {
        what: "PostgreSQL, plain, COPY",
        plugin: "postgres",
        settings: &[],
        head: format!("{POSTGRES_HEAD}COPY public.events (id, session, request, at) FROM stdin;\n").into_bytes(),
        body: rows(|n| {
            format!("{n}\t{:016x}\tGET /products/{}?page=7\t2026-01-01 00:00:{:02}\n", mix(n), n % 90_000, n % 60)
        }),
        tail: format!("\\.\n\n{POSTGRES_TAIL}").into_bytes(),
    }
}

fn postgres_inserts() -> Sample {
    Sample {
        what: "PostgreSQL, plain, --inserts",
        plugin: "postgres",
        settings: &[("inserts", "true")],
        head: POSTGRES_HEAD.as_bytes().to_vec(),
        body: rows(|n| {
            format!(
                "INSERT INTO public.events VALUES ({n}, '{:016x}', 'GET /products/{}?page=7', '2026-01-01 00:00:{:02}');\n",
                mix(n),
                n % 90_000,
                n % 60
            )
        }),
        tail: POSTGRES_TAIL.as_bytes().to_vec(),
    }
}

fn sqlite() -> Sample {
    Sample {
        what: "SQLite, .dump",
        plugin: "sqlite",
        settings: &[],
        head: b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE events (id INTEGER, session TEXT, request TEXT, at TEXT);\n".to_vec(),
        body: rows(|n| {
            format!(
                "INSERT INTO events VALUES({n},'{:016x}','GET /products/{}?page=7','2026-01-01 00:00:{:02}');\n",
                mix(n),
                n % 90_000,
                n % 60
            )
        }),
        tail: b"COMMIT;\n".to_vec(),
    }
}

/// Extended inserts: about a mebibyte of rows in each statement, as with the default net_buffer_length of the server's.
fn mysql(plugin: &'static str) -> Sample {
    let mut body = b"INSERT INTO `events` VALUES\n".to_vec();
    let mut tuples = rows(|n| {
        format!(
            "({n},'{:016x}','GET /products/{}?page=7 it\\'s','2026-01-01 00:00:{:02}'),\n",
            mix(n),
            n % 90_000,
            n % 60
        )
    });
    tuples.truncate(tuples.len() - 2);
    body.extend(tuples);
    body.extend(b";\n");
    Sample {
        what: if plugin == "mysql" { "MySQL, extended INSERT" } else { "MariaDB, extended INSERT" },
        plugin,
        settings: &[],
        head: b"-- MySQL dump 10.13  Distrib 9.7.4, for Linux (x86_64)\n--\n-- Host: localhost    Database: bench\n-- ------------------------------------------------------\n-- Server version\t9.7.4\n\nDROP TABLE IF EXISTS `events`;\nCREATE TABLE `events` (\n  `id` bigint,\n  `session` text,\n  `request` text,\n  `at` datetime\n) ENGINE=InnoDB;\n\nLOCK TABLES `events` WRITE;\n".to_vec(),
        body,
        tail: b"UNLOCK TABLES;\n\n-- Dump completed on 2026-11-21  8:00:00\n".to_vec(),
    }
}

/// Strings of 200 bytes under keys of about 20, and no checksum (eight zeros: the server was told to write none).
fn redis() -> Sample {
    let mut body = Vec::new();
    let mut n = 0;
    while body.len() < 1 << 20 {
        let key = format!("session:{:012x}", mix(n) & 0xffff_ffff_ffff);
        body.push(0);
        body.push(u8::try_from(key.len()).unwrap_or(63));
        body.extend(key.as_bytes());
        // A length of 14 bits.
        body.extend([0x40, 200]);
        body.extend((0..200u64).map(|at| u8::try_from(mix(n + at) & 0x7f).unwrap_or(0)));
        n += 1;
    }
    Sample {
        what: "Redis, RDB",
        plugin: "redis",
        settings: &[],
        head: b"REDIS0010\xfe\x00".to_vec(),
        body,
        tail: b"\xff\0\0\0\0\0\0\0\0".to_vec(),
    }
}
