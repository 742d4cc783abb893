//! What `awk` makes of the server's answers. Plain POSIX awk: mawk, gawk and busybox have been tried.
//!
//! The listing of keys is that of `lru_crawler metadump hash` (doc/protocol.txt in memcached): one line each, the key with
//! percent signs as in a URL. By `hash` it walks the hash table; `all` walks the lists by age, and misses items that are moved in them
//! meanwhile (seen: some of those written within the last second). Newer servers say `OK` before it.

use planb_sdk::{Command, Failure, Request, path};

use crate::describe::AWK;
use crate::groups;

/// The listing as commands that ask for each item: value, key, flags, seconds left.
const GETS: &str = r#"
function base64(key,   codes, n, i, c, out, word) {
  n = 0
  for (i = 1; i <= length(key); i++) {
    c = substr(key, i, 1)
    if (c == "%") { codes[n++] = code[substr(key, i + 1, 2)]; i += 2 } else codes[n++] = code[hex[c]]
  }
  out = ""
  for (i = 0; i < n; i += 3) {
    word = codes[i] * 65536 + (i + 1 < n ? codes[i + 1] * 256 : 0) + (i + 2 < n ? codes[i + 2] : 0)
    out = out substr(letters, int(word / 262144) + 1, 1) substr(letters, int(word / 4096) % 64 + 1, 1)
    out = out (i + 1 < n ? substr(letters, int(word / 64) % 64 + 1, 1) : "=") (i + 2 < n ? substr(letters, word % 64 + 1, 1) : "=")
  }
  return out
}
BEGIN {
  letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  for (i = 0; i < 256; i++) { h = sprintf("%02X", i); code[h] = i; char[h] = sprintf("%c", i); if (i) hex[char[h]] = h }
  printf "stats\r\n"
}
{ sub(/\r$/, "") }
/^key=/ {
  key = substr($1, 5)
  odd = 0
  if (index(key, "%")) {
    n = split(key, parts, "%")
    plain = parts[1]
    for (i = 2; i <= n; i++) {
      h = substr(parts[i], 1, 2)
      if (code[h] <= 32 || code[h] == 127) odd = 1
      plain = plain char[h] substr(parts[i], 3)
    }
  } else plain = key
  if (odd) printf "mg %s b k f t v\r\n", base64(key)
  else printf "mg %s k f t v\r\n", plain
  next
}
$0 == "END" { ended = 1; next }
$0 == "OK" { next }
{ print > "/dev/stderr"; bad = 1; exit }
END {
  if (bad) exit 1
  if (!ended) { print "the list of keys has no end" > "/dev/stderr"; exit 3 }
  printf "mn\r\n"
}
"#;

/// The answer to `stats` and the listing, counted by what stands before the first colon.
const COUNT: &str = r#"
{ sub(/\r$/, "") }
/^key=/ {
  expires = substr($2, 5) + 0
  if (expires != -1 && expires <= now) next
  all++
  key = substr($1, 5)
  colon = index(key, "%3A")
  prefix = substr(key, 1, colon - 1)
  size = length(prefix)
  escapes = gsub(/%/, "%", prefix)
  if (!colon || size - 2 * escapes > PREFIX) plain++
  else if (count <= GROUPS) { if (!(prefix in groups)) count++; groups[prefix]++ }
  next
}
/^STAT time / { now = $3 + 0 }
/^STAT / { next }
$0 == "END" { ended++; next }
$0 == "OK" { next }
{ print > "/dev/stderr"; bad = 1; exit }
END {
  if (bad) exit 1
  if (ended < 2) { print "the list of keys has no end" > "/dev/stderr"; exit 3 }
  if (all) print "all", "-", all
  if (count > GROUPS) exit
  for (prefix in groups) print "prefix", prefix ":", groups[prefix]
  if (plain) print "prefix", "-", plain
}
"#;

/// The answers to a restore: an `HD` for each item, the statistics before and after, and an `MN` at the end.
const JUDGE: &str = r#"
{ sub(/\r$/, "") }
/^HD/ { next }
/^STAT evictions / { if (begun) after = $3 + 0; else before = $3 + 0; begun = 1 }
/^STAT / || $0 == "END" { next }
$0 == "MN" { ended = 1; next }
{ if (bad++ < 5) print > "/dev/stderr" }
END {
  if (bad) exit 1
  if (!ended) { print "the server ended the connection" > "/dev/stderr"; exit 3 }
  if (after > before) { print "evicted", after - before, "items" > "/dev/stderr"; exit 4 }
}
"#;

/// The answer to `flush_all`.
const FLUSHED: &str = r#"
{ sub(/\r$/, "") }
$0 == "OK" { ok = 1; next }
{ print > "/dev/stderr" }
END { if (!ok) exit 1 }
"#;

fn awk(request: &Request, script: String, input: &str) -> Result<Command, Failure> {
    request.need_tool("awk", AWK)?;
    // Bytes, not characters: else gawk prints two bytes for one above 127.
    Ok(Command::tool("awk").script(script).stdin_from(input).env("LC_ALL", "C"))
}

pub(crate) fn gets(request: &Request, listing: &str) -> Result<Command, Failure> {
    awk(request, GETS.to_owned(), listing)
}

pub(crate) fn count(request: &Request, stats: &str, listing: &str) -> Result<Command, Failure> {
    request.need_tool("awk", AWK)?;
    let script = COUNT.replace("PREFIX", &groups::PREFIX.to_string()).replace("GROUPS", &groups::GROUPS.to_string());
    Ok(Command::tool("awk").script(script).value(path(stats)).value(path(listing)).env("LC_ALL", "C"))
}

pub(crate) fn judge(request: &Request, answers: &str) -> Result<Command, Failure> {
    awk(request, JUDGE.to_owned(), answers)
}

pub(crate) fn flushed(request: &Request, answer: &str) -> Result<Command, Failure> {
    awk(request, FLUSHED.to_owned(), answer)
}
