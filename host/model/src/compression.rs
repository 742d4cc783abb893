//! How the host compresses an artifact: `zstd[:N]`, `gzip[:N]`, `none`, or `native` (the tool does it).

use std::fmt;
use std::str::FromStr;

/// What `--compress` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard at this level (1 to 22), on several cores.
    Zstd(i32),
    /// Gzip at this level (1 to 9).
    Gzip(u32),
    /// The dump as it is.
    None,
    /// The dump tool compresses.
    Native,
}

/// Level 3: above 6 zstd costs ten times the time for a few percent on SQL dumps (docs/benchmarks.md).
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(ZSTD_LEVEL)
    }
}

impl Compression {
    /// What the artifact's name gets: `.zst`, `.gz`, nothing.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd(_) => ".zst",
            Self::Gzip(_) => ".gz",
            Self::None | Self::Native => "",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::None => f.write_str("none"),
            Self::Native => f.write_str("native"),
        }
    }
}

/// Why a `--compress` value is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a compression: use zstd[:1-22], gzip[:1-9], none or native")]
pub struct CompressionError(String);

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || CompressionError(text.to_owned());
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u32>().map_err(|_| error())?)),
            None => (text, None),
        };
        match (name, level) {
            ("zstd", None) => Ok(Self::Zstd(ZSTD_LEVEL)),
            ("zstd", Some(level @ 1..=22)) => Ok(Self::Zstd(i32::try_from(level).map_err(|_| error())?)),
            ("gzip", None) => Ok(Self::Gzip(GZIP_LEVEL)),
            ("gzip", Some(level @ 1..=9)) => Ok(Self::Gzip(level)),
            ("none", None) => Ok(Self::None),
            ("native", None) => Ok(Self::Native),
            _ => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_it_prints_it_reads() {
        for text in ["zstd:3", "zstd:19", "gzip:9", "none", "native"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        assert_eq!("zstd".parse::<Compression>().unwrap(), Compression::default());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "zstd:", "zstd:0", "zstd:23", "gzip:10", "none:1", "lz4", "zstd:-1"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
