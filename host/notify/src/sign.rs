//! Signatures, by which a receiver tells our requests from others: HMAC-SHA-256 of time and body.

use hmac::{Hmac, KeyInit as _, Mac as _};
use planb_model::secret::Secret;
use sha2::Sha256;

/// The header with the time of the try, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "X-PlanB-Timestamp";
/// The header with the signature, `sha256=` and hexadecimal digits.
pub const SIGNATURE_HEADER: &str = "X-PlanB-Signature";

/// The signature of a body sent at a time: of the timestamp's text, a dot, and the body.
pub fn signature(key: &Secret, timestamp: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else {
        // HMAC takes keys of every length.
        return String::new();
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HMAC as RFC 2104 writes it down, over the plain digest.
    fn by_hand(key: &[u8], message: &[u8]) -> String {
        use sha2::Digest as _;
        let mut block = [0_u8; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let padded = |with: u8| block.map(|byte| byte ^ with);
        let inner = Sha256::digest([&padded(0x36)[..], message].concat());
        hex::encode(Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()))
    }

    #[test]
    fn the_hand_written_one_is_the_rfcs() {
        // RFC 4231, case 2.
        assert_eq!(
            by_hand(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn signs_time_and_body() {
        for key in ["s", "webhook_secret_key", &"long".repeat(40)] {
            let signed = signature(&Secret::new(key.to_owned()), "1732147200", b"{\"a\":1}");
            assert_eq!(signed, format!("sha256={}", by_hand(key.as_bytes(), b"1732147200.{\"a\":1}")));
        }
    }
}
