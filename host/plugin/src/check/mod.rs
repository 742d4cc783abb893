//! What a plugin says is checked before anyone acts on it: its description once, each plan before its first command, each
//! answer before it is shown or kept.
//!
//! A rule's message ends a sentence that names the plugin. What is only too long to be read, or holds control characters, is
//! cut and cleaned instead of refused: the plugin may have it from a tool.

mod answer;
mod description;
mod plan;

pub(crate) use answer::{answer, failure, inspection};
pub(crate) use description::check_description;
pub use plan::check_commands;
pub(crate) use plan::{Given, Rules};

use planb_model::redact::strip_control;

/// Of a sentence for people.
const SENTENCE: usize = 4 << 10;
/// Sentences in one list.
const SENTENCES: usize = 100;

fn within(what: &str, n: usize, limit: usize) -> Result<(), String> {
    if n <= limit { Ok(()) } else { Err(format!("{n} {what}; the limit is {limit}")) }
}

/// One line without anything that steers a terminal.
fn is_clean(text: &str) -> bool {
    !text.contains(['\n', '\t']) && strip_control(text) == text
}

/// A sentence as it can be shown: without control characters, and not longer than anyone reads.
fn sentence(text: &str) -> String {
    // Cut first: what is cut off need not be cleaned.
    let mut cut = text.len().min(SENTENCE);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut out = strip_control(&text[..cut]);
    if cut < text.len() {
        out.push_str(" ...");
    }
    out
}

/// Sentences as they can be shown, and not more of them than anyone reads.
fn sentences(list: &mut Vec<String>) {
    let more = list.len().saturating_sub(SENTENCES);
    list.truncate(SENTENCES);
    for text in list.iter_mut() {
        *text = sentence(text);
    }
    if more > 0 {
        list.push(format!("and {more} more"));
    }
}

/// A text for a message that complains about it.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_cut_and_cleaned() {
        assert_eq!(sentence("a\u{1b}[2Jb\u{202e}"), "a[2Jb");
        let long = "ä".repeat(SENTENCE);
        let cut = sentence(&long);
        assert!(cut.len() <= SENTENCE + 4 && cut.ends_with("ä ..."), "{}", cut.len());
        let mut list = vec!["x\r".to_owned(); SENTENCES + 7];
        sentences(&mut list);
        assert_eq!((list.len(), list[0].as_str(), list[SENTENCES].as_str()), (SENTENCES + 1, "x", "and 7 more"));
    }
}
