//! Reads a gzip stream as it passes (RFC 1952): what is in it, and whether it ends as one does, with the right check sum and
//! size. Several members after another are one stream.

use crc32fast::Hasher;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// A gzip stream in chunks of any size.
pub(crate) struct Gunzip {
    state: State,
    inflater: Box<InflateState>,
    out: Vec<u8>,
    crc: Hasher,
    size: u32,
    members: u64,
}

impl std::fmt::Debug for Gunzip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gunzip").field("state", &self.state).field("members", &self.members).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The ten bytes that every member begins with, or none of a further one.
    Header(Vec<u8>),
    /// The two bytes that say how long the extra field is.
    ExtraLength(u8, Vec<u8>),
    /// What of the header is to be passed over: so many bytes, then by the flags.
    Extra(u8, usize),
    /// A text that ends with a NUL: the name, or the comment.
    Text(u8),
    /// The header's own check sum.
    HeaderCrc(usize),
    Body,
    Trailer(Vec<u8>),
    Bad,
}

const FLAG_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Header(Vec::new()),
            inflater: InflateState::new_boxed(DataFormat::Raw),
            out: vec![0; 64 << 10],
            crc: Hasher::new(),
            size: 0,
            members: 0,
        }
    }

    /// Takes the next bytes and hands on what was in them.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut plain: impl FnMut(&[u8])) {
        let mut rest = chunk;
        while !rest.is_empty() && self.state != State::Bad {
            let read = match self.state.clone() {
                State::Body => self.body(rest, &mut plain),
                state => self.frame(state, rest),
            };
            rest = rest.get(read..).unwrap_or_default();
        }
    }

    /// The last member was whole, and there was one.
    pub(crate) fn complete(&self) -> bool {
        self.members > 0 && self.state == State::Header(Vec::new())
    }

    fn body(&mut self, bytes: &[u8], plain: &mut impl FnMut(&[u8])) -> usize {
        let result = inflate(&mut self.inflater, bytes, &mut self.out, MZFlush::None);
        let made = self.out.get(..result.bytes_written).unwrap_or_default();
        self.crc.update(made);
        self.size = self.size.wrapping_add(u32::try_from(made.len()).unwrap_or(0));
        plain(made);
        match result.status {
            Ok(MZStatus::StreamEnd) => self.state = State::Trailer(Vec::new()),
            // It waits for more, or has no room for what it has: both go on.
            Ok(_) | Err(MZError::Buf) if result.bytes_consumed > 0 || result.bytes_written > 0 => {}
            _ => self.state = State::Bad,
        }
        result.bytes_consumed
    }

    /// Reads what stands around a member's body.
    fn frame(&mut self, state: State, bytes: &[u8]) -> usize {
        let fill = |mut held: Vec<u8>, size: usize| {
            let take = size.saturating_sub(held.len()).min(bytes.len());
            held.extend_from_slice(bytes.get(..take).unwrap_or_default());
            (held, take)
        };
        match state {
            State::Header(held) => {
                let (held, take) = fill(held, 10);
                self.state = match *held.as_slice() {
                    [0x1f, 0x8b, 8, flags, _, _, _, _, _, _] => {
                        self.inflater.reset(DataFormat::Raw);
                        self.crc = Hasher::new();
                        self.size = 0;
                        if flags & FLAG_EXTRA == 0 {
                            after(flags)
                        } else {
                            State::ExtraLength(flags & !FLAG_EXTRA, Vec::new())
                        }
                    }
                    ref begun if begun.len() < 10 => State::Header(held),
                    _ => State::Bad,
                };
                take
            }
            State::ExtraLength(flags, held) => {
                let (held, take) = fill(held, 2);
                self.state = match *held.as_slice() {
                    [low, high] if low == 0 && high == 0 => after(flags),
                    [low, high] => State::Extra(flags, usize::from(low) | usize::from(high) << 8),
                    _ => State::ExtraLength(flags, held),
                };
                take
            }
            State::Extra(flags, left) => {
                let take = left.min(bytes.len());
                self.state = if take == left { after(flags) } else { State::Extra(flags, left - take) };
                take
            }
            State::Text(flags) => match memchr::memchr(0, bytes) {
                Some(end) => {
                    self.state = after(flags);
                    end + 1
                }
                None => bytes.len(),
            },
            State::HeaderCrc(left) => {
                let take = left.min(bytes.len());
                self.state = if take == left { State::Body } else { State::HeaderCrc(left - take) };
                take
            }
            State::Trailer(held) => {
                let (held, take) = fill(held, 8);
                let number = |at: usize| {
                    let bytes = held.get(at..at + 4).unwrap_or_default();
                    bytes.iter().rev().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte))
                };
                self.state = if held.len() < 8 {
                    State::Trailer(held)
                } else if number(0) == self.crc.clone().finalize() && number(4) == self.size {
                    self.members += 1;
                    State::Header(Vec::new())
                } else {
                    State::Bad
                };
                take
            }
            State::Body | State::Bad => bytes.len(),
        }
    }
}

/// What of the header comes next, by the flags of what is still to come.
fn after(flags: u8) -> State {
    if flags & FLAG_NAME != 0 {
        State::Text(flags & !FLAG_NAME)
    } else if flags & FLAG_COMMENT != 0 {
        State::Text(flags & !FLAG_COMMENT)
    } else if flags & FLAG_CRC != 0 {
        State::HeaderCrc(2)
    } else {
        State::Body
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A member with every optional field, as gzip -n would never write it.
    pub(crate) fn gzip(text: &[u8], every: bool) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, if every { 30 } else { 0 }, 0, 0, 0, 0, 0, 3];
        if every {
            out.extend([3, 0, 1, 2, 3]);
            out.extend(b"name\0comment\0");
            out.extend([9, 9]);
        }
        out.extend(miniz_oxide::deflate::compress_to_vec(text, 6));
        out.extend(crc32fast::hash(text).to_le_bytes());
        out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        out
    }

    fn read(bytes: &[u8], size: usize) -> (Vec<u8>, bool) {
        let (mut gunzip, mut out) = (Gunzip::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            gunzip.feed(chunk, |plain| out.extend_from_slice(plain));
        }
        (out, gunzip.complete())
    }

    #[test]
    fn what_is_in_it_and_where_it_ends() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(|n| (n * n).to_string().into_bytes()).collect();
        let long = gzip(&text, false);
        for size in [1, 7, 64 << 10] {
            assert!(read(&long, size) == (text.clone(), true), "chunks of {size}");
        }
        let short = [gzip(b"one ", true), gzip(b"two", false), gzip(b"", false)].concat();
        for size in 1..short.len() {
            assert_eq!(read(&short, size), (b"one two".to_vec(), true));
        }
        let one = gzip(b"one", true);
        for end in 0..one.len() {
            assert!(!read(&one[..end], 64).1, "cut at {end}");
        }
        let mut wrong = one.clone();
        let last = wrong.len() - 1;
        wrong[last] ^= 1;
        assert!(!read(&wrong, 64).1);
        assert!(!read(b"no gzip at all", 64).1);
    }
}
