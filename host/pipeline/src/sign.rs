//! Signatures of manifests, in minisign's format: `{name}.manifest.json.minisig` beside the manifest.
//!
//! A manifest holds the digests of all that is in a backup, so its signature covers the whole. Who can write to a store
//! but has no key can then still remove backups, but forge none. `minisign -Vm x.manifest.json -p key.pub` checks one
//! without planb (format: <https://jedisct1.github.io/minisign/>).

use std::fmt;
use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use bytes::Bytes;
use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};
use planb_model::manifest::{LARGEST, Manifest};
use planb_model::secret::Secret;
use planb_store::{Entry, SIGNATURE, Store, StoreErrorKind};

use crate::error::RunError;

/// No signature file is larger.
const LARGEST_SIGNATURE: u64 = 16 << 10;

/// Signs manifests.
#[derive(Clone)]
pub struct Signer {
    key: SecretKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// Reads a minisign secret key from a file. `password`: what opens it, where it is encrypted.
    ///
    /// # Errors
    /// [`RunError::Settings`] for a file that is none, or a password that does not open it.
    pub fn load(path: &Path, password: Option<&Secret>) -> Result<Self, RunError> {
        let fail = |why: String| RunError::Settings(format!("the signing key {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let none = |error: &dyn fmt::Display| fail(format!("it is no minisign secret key ({error})"));
        // minisign -W writes no checksum, which the crate wants to see: so not by its own way.
        let line = text.lines().nth(1).unwrap_or_default().trim();
        let bytes = base64::engine::general_purpose::STANDARD.decode(line).map_err(|error| none(&error))?;
        let key = SecretKey::from_bytes(&bytes).map_err(|error| none(&error))?;
        let key = match (password, key.is_encrypted()) {
            (None, false) => key,
            (None, true) => {
                let why = "it needs a password: set PLANB_SIGN_PASSWORD or PLANB_SIGN_PASSWORD_FILE";
                return Err(fail(why.to_owned()));
            }
            (Some(_), false) => {
                let why = "it has no password: unset PLANB_SIGN_PASSWORD and PLANB_SIGN_PASSWORD_FILE";
                return Err(fail(why.to_owned()));
            }
            // Never without a password here: the crate would ask for it on the terminal.
            (Some(password), true) => SecretKeyBox::from_string(&text)
                .and_then(|key| SecretKey::from_box(key, Some(password.expose().to_owned())))
                .map_err(|error| fail(format!("the password does not open it ({error})")))?,
        };
        // A damaged key would sign what nobody can check.
        let trial = minisign::sign(None, &key, Cursor::new("x"), None, None).map_err(|error| none(&error))?;
        let public = PublicKey::from_secret_key(&key).map_err(|error| none(&error))?;
        minisign::verify(&public, &trial, Cursor::new("x"), true, false, false).map_err(|error| none(&error))?;
        Ok(Self { key })
    }

    /// The signature of a manifest's bytes, as a file.
    pub(crate) fn sign(&self, manifest: &[u8], id: &str) -> Result<Bytes, RunError> {
        let comment = format!("planb backup {id}");
        let signature = minisign::sign(
            None,
            &self.key,
            Cursor::new(manifest),
            Some(&comment),
            Some("signature of a planb manifest"),
        );
        let signature =
            signature.map_err(|error| RunError::Internal(format!("the manifest cannot be signed: {error}")))?;
        Ok(Bytes::from(signature.into_string()))
    }
}

/// Whose signatures are trusted.
#[derive(Clone, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} keys)", self.keys.len())
    }
}

impl Trust {
    /// Reads public keys: each the base64 text of one, or a file with one.
    ///
    /// # Errors
    /// [`RunError::Settings`].
    pub fn load(keys: &[String]) -> Result<Self, RunError> {
        let mut trust = Self::default();
        for text in keys {
            if let Ok(key) = PublicKey::from_base64(text) {
                trust.keys.push(key);
                continue;
            }
            let fail = |why: String| RunError::Settings(format!("the trusted key {text}: {why}"));
            let content = std::fs::read_to_string(text).map_err(|error| {
                fail(format!("it is neither a minisign public key nor a file that can be read ({error})"))
            })?;
            let key = PublicKeyBox::from_string(&content).and_then(PublicKeyBox::into_public_key);
            trust.keys.push(key.map_err(|error| fail(format!("it holds no minisign public key ({error})")))?);
        }
        Ok(trust)
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes a backup's manifest only if one of the keys signed it: reads it again, with its signature, and puts what was
    /// signed into the entry. Does nothing where no key is given.
    ///
    /// # Errors
    /// [`RunError::Untrusted`] where there is no signature, or none that is right.
    pub async fn check(&self, store: &Store, entry: &mut Entry) -> Result<(), RunError> {
        if self.is_empty() {
            return Ok(());
        }
        let id = entry.manifest.short_id().to_owned();
        let untrusted = |why: String| RunError::Untrusted { id: id.clone(), why };
        let bytes = store.read_small(&entry.key, LARGEST).await?;
        let signature = match store.read_small(&format!("{}{SIGNATURE}", entry.key), LARGEST_SIGNATURE).await {
            Ok(signature) => signature,
            Err(error) if error.kind == StoreErrorKind::NotFound => {
                return Err(untrusted("it is not signed".to_owned()));
            }
            Err(error) if error.kind == StoreErrorKind::Damaged => {
                return Err(untrusted(format!("its signature cannot be read ({})", error.detail)));
            }
            Err(error) => return Err(error.into()),
        };
        let signature = SignatureBox::from_string(&String::from_utf8_lossy(&signature))
            .map_err(|error| untrusted(format!("its signature cannot be read ({error})")))?;
        if !self
            .keys
            .iter()
            .any(|key| minisign::verify(key, &signature, Cursor::new(&bytes), true, false, false).is_ok())
        {
            return Err(untrusted("its signature is by no trusted key, or of another manifest".to_owned()));
        }
        let manifest = Manifest::parse(&bytes).map_err(|error| untrusted(error.to_string()))?;
        if manifest.id != entry.manifest.id {
            return Err(untrusted("it was exchanged while it was read".to_owned()));
        }
        entry.manifest = manifest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use minisign::KeyPair;

    #[test]
    fn a_key_signs_and_another_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, pair.sk.to_box(None).unwrap().to_string()).unwrap();
        let signer = Signer::load(&path, None).unwrap();
        let signature = signer.sign(b"manifest", "8f14e45f").unwrap();
        let signature = SignatureBox::from_string(std::str::from_utf8(&signature).unwrap()).unwrap();
        let verify =
            |key: &PublicKey, bytes: &[u8]| minisign::verify(key, &signature, Cursor::new(bytes), true, false, false);
        assert!(verify(&pair.pk, b"manifest").is_ok());
        assert!(verify(&pair.pk, b"manifesu").is_err());
        assert!(verify(&KeyPair::generate_unencrypted_keypair().unwrap().pk, b"manifest").is_err());
        assert_eq!(signature.trusted_comment().unwrap(), "planb backup 8f14e45f");
        assert!(Signer::load(&path, Some(&Secret::new("x".to_owned()))).is_err());
        assert!(Trust::load(&["/nowhere/key".to_owned()]).is_err());
        assert!(!Trust::load(&[pair.pk.to_base64()]).unwrap().is_empty());
    }
}
