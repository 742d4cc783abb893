//! Compression and encryption: everybody's formats, so that a backup can be read without Plan B
//! (`age -d | zstd -d`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use age::secrecy::SecretString;
use planb_model::compression::Compression;
use planb_model::manifest::EncryptionRecord;
use planb_model::secret::Secret;

use crate::error::RunError;

/// Whom a backup is encrypted to. By default nobody: it is stored in the clear.
#[derive(Debug, Clone, Default)]
pub struct Encryption {
    recipients: Vec<String>,
    passphrase: Option<Secret>,
}

impl Encryption {
    /// `recipients`: age public keys (`age1...`). With a passphrase there can be none: age knows only the one or the other.
    ///
    /// # Errors
    /// [`RunError::Settings`] for a key that is none.
    pub fn new(recipients: Vec<String>, passphrase: Option<Secret>) -> Result<Self, RunError> {
        if passphrase.is_some() && !recipients.is_empty() {
            return Err(RunError::Settings(
                "a backup is encrypted to recipients or with a passphrase, not both".to_owned(),
            ));
        }
        if passphrase.as_ref().is_some_and(|passphrase| passphrase.expose().is_empty()) {
            return Err(RunError::Settings("the passphrase is empty".to_owned()));
        }
        let encryption = Self { recipients, passphrase };
        encryption.parse()?;
        Ok(encryption)
    }

    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        self.passphrase.is_some() || !self.recipients.is_empty()
    }

    /// What the manifest says of it.
    pub fn record(&self) -> Option<EncryptionRecord> {
        self.is_on().then(|| EncryptionRecord {
            format: "age".to_owned(),
            recipients: self.recipients.clone(),
            passphrase: self.passphrase.is_some(),
        })
    }

    fn parse(&self) -> Result<Vec<age::x25519::Recipient>, RunError> {
        self.recipients
            .iter()
            .map(|text| {
                text.parse().map_err(|error| {
                    // Someone who gives the secret half must not see it in a log.
                    let shown = if text.starts_with("AGE-SECRET-KEY") { "a secret key" } else { text.as_str() };
                    RunError::Settings(format!("{shown} is not an age public key (age1...): {error}"))
                })
            })
            .collect()
    }

    fn wrap<W: Write>(&self, inner: W) -> io::Result<age::stream::StreamWriter<W>> {
        let recipients = self.parse().map_err(io::Error::other)?;
        let encryptor = match &self.passphrase {
            Some(passphrase) => {
                age::Encryptor::with_user_passphrase(SecretString::from(passphrase.expose().to_owned()))
            }
            None => age::Encryptor::with_recipients(recipients.iter().map(|r| r as &dyn age::Recipient))
                .map_err(io::Error::other)?,
        };
        encryptor.wrap_output(inner)
    }
}

/// What opens encrypted backups.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    /// Files with age secret keys.
    pub files: Vec<PathBuf>,
    /// The passphrase of a backup that was encrypted with one.
    pub passphrase: Option<Secret>,
}

impl Identities {
    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.passphrase.is_none()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// [`RunError::Settings`] for one that cannot be read or holds no key.
    pub fn load(&self) -> Result<Vec<Box<dyn age::Identity + Send + Sync>>, RunError> {
        let mut all: Vec<Box<dyn age::Identity + Send + Sync>> = Vec::new();
        for path in &self.files {
            let fail = |error: &dyn std::fmt::Display| {
                RunError::Settings(format!("the identity file {}: {error}", path.display()))
            };
            let file =
                age::IdentityFile::from_file(path.to_string_lossy().into_owned()).map_err(|error| fail(&error))?;
            all.extend(file.into_identities().map_err(|error| fail(&error))?);
        }
        if let Some(passphrase) = &self.passphrase {
            let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.expose().to_owned()));
            // What counts is the backup, not how fast this machine is today.
            identity.set_max_work_factor(MOST_WORK);
            all.push(Box::new(identity));
        }
        Ok(all)
    }
}

/// A chain of encoders over an output, ended from the outside in.
pub(crate) trait Encoder<W>: Write + Send {
    fn finish(self: Box<Self>) -> io::Result<W>;
}

struct Plain<W>(W);
struct Zstd<W: Write>(zstd::Encoder<'static, W>);
struct Gzip<W: Write>(flate2::write::GzEncoder<W>);
/// Any of them over age, whose own end has to be written too.
struct Sealed<W: Write>(Box<dyn Encoder<age::stream::StreamWriter<W>>>);

macro_rules! forward {
    ($name:ident) => {
        impl<W: Write> Write for $name<W> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.0.flush()
            }
        }
    };
}
forward!(Plain);
forward!(Zstd);
forward!(Gzip);
forward!(Sealed);

impl<W: Write + Send> Encoder<W> for Plain<W> {
    fn finish(self: Box<Self>) -> io::Result<W> {
        Ok(self.0)
    }
}

impl<W: Write + Send> Encoder<W> for Zstd<W> {
    fn finish(self: Box<Self>) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write + Send> Encoder<W> for Gzip<W> {
    fn finish(self: Box<Self>) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write + Send> Encoder<W> for Sealed<W> {
    fn finish(self: Box<Self>) -> io::Result<W> {
        self.0.finish()?.finish()
    }
}

/// The encoders for one file.
pub(crate) fn encoder<W: Write + Send + 'static>(
    compression: Compression,
    threads: u32,
    encryption: &Encryption,
    inner: W,
) -> io::Result<Box<dyn Encoder<W>>> {
    if encryption.is_on() {
        let sealed = encryption.wrap(inner)?;
        return Ok(Box::new(Sealed(compressor(compression, threads, sealed)?)));
    }
    compressor(compression, threads, inner)
}

fn compressor<W: Write + Send + 'static>(
    compression: Compression,
    threads: u32,
    inner: W,
) -> io::Result<Box<dyn Encoder<W>>> {
    Ok(match compression {
        Compression::None | Compression::Native => Box::new(Plain(inner)),
        Compression::Gzip(level) => {
            Box::new(Gzip(flate2::write::GzEncoder::new(inner, flate2::Compression::new(level))))
        }
        Compression::Zstd(level) => {
            let mut encoder = zstd::Encoder::new(inner, level)?;
            encoder.include_checksum(true)?;
            if threads > 1 {
                encoder.multithread(threads)?;
            }
            Box::new(Zstd(encoder))
        }
    })
}

/// The decoders for one file. What comes out is bounded by the reader, not here: see `decode`.
pub(crate) fn decoder<'a>(
    compression: Compression,
    encrypted: bool,
    identities: &[Box<dyn age::Identity + Send + Sync>],
    inner: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>, DecodeError> {
    let opened: Box<dyn BufRead + Send + 'a> = if encrypted {
        let decryptor = age::Decryptor::new_buffered(BufReader::with_capacity(128 << 10, inner)).map_err(open)?;
        let reader = decryptor.decrypt(identities.iter().map(|i| i.as_ref() as &dyn age::Identity)).map_err(open)?;
        Box::new(BufReader::with_capacity(128 << 10, reader))
    } else {
        Box::new(BufReader::with_capacity(128 << 10, inner))
    };
    Ok(match compression {
        Compression::None | Compression::Native => Box::new(opened),
        Compression::Gzip(_) => Box::new(flate2::bufread::MultiGzDecoder::new(opened)),
        Compression::Zstd(_) => Box::new(zstd::Decoder::with_buffer(opened).map_err(DecodeError::Io)?),
    })
}

/// The most work that a passphrase may ask for, as a power of two (scrypt's N; it takes N KiB of memory): 4 GiB. age itself
/// chooses what takes a second where the backup is made, which has been 2^18 to 2^21.
const MOST_WORK: u8 = 22;

/// Why an encrypted backup cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("none of the given keys opens this backup")]
    NoKey,
    #[error("its passphrase takes more than {} MiB of memory to check, so it was not tried; the age tool opens it", 1u64 << (MOST_WORK - 10))]
    TooMuchWork,
    #[error("the encrypted data is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Io(io::Error),
}

fn open(error: age::DecryptError) -> DecodeError {
    match error {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed => DecodeError::NoKey,
        age::DecryptError::Io(error) => DecodeError::Io(error),
        age::DecryptError::ExcessiveWork { .. } => DecodeError::TooMuchWork,
        age::DecryptError::InvalidHeader => DecodeError::Damaged("its header is not age's".to_owned()),
        age::DecryptError::InvalidMac => DecodeError::Damaged("its header was changed".to_owned()),
        other => DecodeError::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn round(
        compression: Compression,
        encryption: &Encryption,
        identities: &Identities,
    ) -> Result<Vec<u8>, DecodeError> {
        let data: Vec<u8> = (0..3_000_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut encoder = encoder(compression, 2, encryption, Vec::new()).unwrap();
        for chunk in data.chunks(100_001) {
            encoder.write_all(chunk).unwrap();
        }
        let stored = encoder.finish().unwrap();
        let keys = identities.load().unwrap();
        let mut back = Vec::new();
        decoder(compression, encryption.is_on(), &keys, stored.as_slice())?.read_to_end(&mut back).unwrap();
        assert!(back == data);
        Ok(stored)
    }

    #[test]
    fn every_combination_comes_back() {
        let key = age::x25519::Identity::generate();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.txt");
        std::fs::write(&file, age::secrecy::ExposeSecret::expose_secret(&key.to_string())).unwrap();
        let to_key = Encryption::new(vec![key.to_public().to_string()], None).unwrap();
        let with_key = Identities { files: vec![file], passphrase: None };
        let passphrase = Some(Secret::new("correct horse".to_owned()));
        let to_phrase = Encryption::new(vec![], passphrase.clone()).unwrap();
        let with_phrase = Identities { files: vec![], passphrase };
        for compression in [Compression::None, Compression::Native, Compression::Zstd(3), Compression::Gzip(6)] {
            round(compression, &Encryption::default(), &Identities::default()).unwrap();
            round(compression, &to_key, &with_key).unwrap();
            round(compression, &to_phrase, &with_phrase).unwrap();
            assert!(matches!(round(compression, &to_key, &with_phrase), Err(DecodeError::NoKey)));
        }
    }

    #[test]
    fn a_key_that_is_none_is_named_and_a_secret_one_is_not_shown() {
        assert!(Encryption::new(vec!["age1nonsense".to_owned()], None).is_err());
        let error = Encryption::new(vec!["AGE-SECRET-KEY-1QQQ".to_owned()], None).unwrap_err().to_string();
        assert!(error.contains("a secret key") && !error.contains("QQQ"), "{error}");
    }
}
