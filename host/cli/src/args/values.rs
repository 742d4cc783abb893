//! What a flag's text becomes.

use planb_config::units;

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it has to be KEY=VALUE".to_owned()),
    }
}

/// A time as planb.toml has it; a bare number is seconds, and 0 no limit at all.
pub(super) fn time(text: &str) -> Result<std::time::Duration, String> {
    units::duration_or_seconds(text).map_err(|takes| format!("it takes {takes}"))
}

/// A size as planb.toml has it, and `2G` for `2GiB`; a bare number is bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if let Ok(bytes) = text.parse() {
        return Ok(bytes);
    }
    let letter = text.len() > 1 && text.ends_with(|c: char| "kmgtKMGT".contains(c));
    let read = if letter { units::size(&format!("{text}iB")) } else { units::size(text) };
    read.map_err(|takes| format!("it takes {takes}"))
}

pub(super) fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| "an IP address and a port are wanted, as in 127.0.0.1:8080 or [::1]:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_settings() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!((size("10"), size("2G"), size("2g"), size("1 KiB")), (Ok(10), Ok(2 << 30), Ok(2 << 30), Ok(1024)));
        assert_eq!((size("1 kb"), size("5GB")), (Ok(1000), Ok(5_000_000_000)));
        assert!(size("much").is_err() && size("99999999999T").is_err() && size("").is_err() && size("G").is_err());
    }

    #[test]
    fn times_are_those_of_the_settings() {
        assert_eq!(time("90"), Ok(std::time::Duration::from_secs(90)));
        assert_eq!(time("1h30m"), Ok(std::time::Duration::from_mins(90)));
        assert_eq!(time("7d"), Ok(std::time::Duration::from_hours(168)));
        assert!(time("-5s").is_err() && time("soon").is_err());
    }
}
