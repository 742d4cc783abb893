//! What the engine can see of the world around it, told in sentences. Everything here has to be void.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A number that nobody could foresee, if there were any chance in here.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(7_u8)
}

/// Each sense and what it told. `place`: a path that exists outside.
#[expect(clippy::disallowed_methods, reason = "whether there is an environment to see")]
pub(crate) fn look(place: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |sense: &str, seen: Result<String, String>| {
        told.push(match seen {
            Ok(seen) => format!("{sense} sees {seen}"),
            Err(why) => format!("{sense} is blind: {why}"),
        });
    };
    let io = |error: std::io::Error| error.to_string();
    tell("list", std::fs::read_dir(place).map(|all| format!("{} entries", all.count())).map_err(io));
    tell("root", std::fs::read_dir("/").map(|all| format!("{} entries", all.count())).map_err(io));
    tell("here", std::fs::read_dir(".").map(|all| format!("{} entries", all.count())).map_err(io));
    tell("read", std::fs::read("/etc/passwd").map(|bytes| format!("{} bytes", bytes.len())).map_err(io));
    let file = format!("{place}/written-by-the-plugin");
    tell("write", std::fs::write(file, "x").map(|()| "a file".to_owned()).map_err(io));
    tell(
        "folder",
        std::fs::create_dir(format!("{place}/made-by-the-plugin")).map(|()| "a folder".to_owned()).map_err(io),
    );
    tell("stat", std::fs::metadata(place).map(|meta| format!("{meta:?}")).map_err(io));
    let mut input = Vec::new();
    let typed = std::io::stdin().take(10).read_to_end(&mut input);
    tell(
        "stdin",
        typed.map_err(io).and_then(|n| if n == 0 { Err("it is empty".to_owned()) } else { Ok(format!("{n} bytes")) }),
    );
    let vars: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    tell("environment", if vars.is_empty() { Err("it is empty".to_owned()) } else { Ok(vars.join(",")) });
    let args: Vec<_> = std::env::args().collect();
    tell("arguments", if args.is_empty() { Err("there are none".to_owned()) } else { Ok(args.join(",")) });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos());
    tell("clock", if now == 0 { Err("it stands at zero".to_owned()) } else { Ok(format!("{now} ns")) });
    let begin = Instant::now();
    let mut sum = 0_u64;
    for n in 0..10_000_000_u64 {
        sum = std::hint::black_box(sum.wrapping_add(n));
    }
    let took = begin.elapsed().as_nanos();
    tell("stopwatch", if took == 0 { Err("it stands still".to_owned()) } else { Ok(format!("{took} ns, {sum}")) });
    tell("chance", Ok(format!("{:016x}", chance())));
    told
}
