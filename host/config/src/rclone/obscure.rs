//! rclone's way of hiding a password in its file from eyes: AES-256-CTR with a key that everybody knows. It is no
//! protection, so a revealed password is treated as the secret that it is, and an obscured one too.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use planb_model::secret::Secret;

/// rclone's published key (fs/config/obscure).
const KEY: [u8; 32] = [
    0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c, 0x63, 0xc8, 0x86, 0xa9, 0x2b, 0xd3, 0x90, 0x19,
    0x8e, 0xb8, 0x12, 0x8a, 0xfb, 0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38,
];
const IV: usize = 16;

fn crypt(iv: &[u8; IV], bytes: &mut [u8]) {
    ctr::Ctr128BE::<Aes256>::new(&KEY.into(), iv.into()).apply_keystream(bytes);
}

/// Hides a password as `rclone obscure` does. `iv` has to be random, so that equal passwords do not look equal.
pub fn obscure(password: &Secret, iv: [u8; 16]) -> String {
    let mut bytes = iv.to_vec();
    bytes.extend_from_slice(password.expose().as_bytes());
    crypt(&iv, &mut bytes[IV..]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The password behind an obscured one. None where it is not obscured.
pub fn reveal(obscured: &str) -> Option<Secret> {
    let mut bytes = URL_SAFE_NO_PAD.decode(obscured.trim()).ok()?;
    let iv: [u8; IV] = bytes.get(..IV)?.try_into().ok()?;
    let mut password = bytes.split_off(IV);
    crypt(&iv, &mut password);
    String::from_utf8(password).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_rclone_itself_obscures_is_revealed() {
        // By `rclone obscure` of version 1.60.1.
        assert_eq!(reveal("6nu4dTOxX9G1Vz8xZTdtcK1F6tbqDA").unwrap().expose(), "potato");
        // With the initial value that rclone's own tests use.
        assert_eq!(obscure(&Secret::new("potato".to_owned()), *b"aaaaaaaaaaaaaaaa"), "YWFhYWFhYWFhYWFhYWFhYXMaGgIlEQ");
    }

    #[test]
    fn what_is_not_obscured_is_told() {
        for text in ["", "potato", "short", "!", "YWFhYWFhYWFhYWFhYWFhY"] {
            assert!(reveal(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_obscured_is_revealed(password in ".*", iv in any::<[u8; 16]>()) {
            let obscured = obscure(&Secret::new(password.clone()), iv);
            prop_assert_eq!(reveal(&obscured).map(|secret| secret.expose().to_owned()), Some(password));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = reveal(&text);
        }
    }
}
