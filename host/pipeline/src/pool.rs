//! Buffers for the stream that are used again: a fresh 256 KiB for each read would cost more in page faults than the read.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// A stack of buffers of one size.
#[derive(Clone)]
pub(crate) struct Pool {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
    size: usize,
}

/// A buffer on loan; it goes back when the last slice of it is dropped.
pub(crate) struct Loan {
    buffer: Vec<u8>,
    pool: Pool,
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self { free: Arc::default(), size }
    }

    /// A buffer with the pool's size, of unspecified content.
    pub(crate) fn take(&self) -> Loan {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Loan { buffer: free.unwrap_or_else(|| vec![0; self.size]), pool: self.clone() }
    }
}

impl Loan {
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Its first bytes, to be shared.
    pub(crate) fn into_bytes(self, len: usize) -> Bytes {
        Bytes::from_owner(self).slice(..len)
    }
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_all_slices_are_gone() {
        let pool = Pool::new(8);
        let mut loan = pool.take();
        loan.space()[..3].copy_from_slice(b"abc");
        let bytes = loan.into_bytes(3);
        let slice = bytes.slice(1..);
        drop(bytes);
        assert!(pool.free.lock().is_ok_and(|free| free.is_empty()));
        assert_eq!(&slice[..], b"bc");
        drop(slice);
        assert!(pool.free.lock().is_ok_and(|free| free.len() == 1));
    }
}
