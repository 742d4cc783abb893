//! What the engine was told to do.

use std::cell::RefCell;
use std::hint::black_box;

use planb_sdk::{Request, Scope};

const MARK: usize = 20;
const ROOM: usize = 236;

/// Where orders are planted that have to be known before any request. Kept in the component as it is.
#[used]
static PLANTED: [u8; MARK + ROOM] = {
    let mut all = [b'-'; MARK + ROOM];
    let mark = *b"planb-planted-order:";
    let mut at = 0;
    while at < MARK {
        all[at] = mark[at];
        at += 1;
    }
    all
};

/// One order: `what@call=with`. In `with`, `\0`, `\n`, `\r`, `\e` and `\b` (an override of the reading direction) stand for
/// characters that no command line or no test's text should hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) what: String,
    pub(crate) call: String,
    pub(crate) with: String,
}

impl Order {
    fn read(text: &str) -> Self {
        let (head, with) = text.split_once('=').unwrap_or((text, ""));
        let (what, call) = head.split_once('@').unwrap_or((head, ""));
        let with = with.replace("\\0", "\0").replace("\\n", "\n").replace("\\r", "\r");
        let with = with.replace("\\e", "\u{1b}").replace("\\b", "\u{202e}");
        Self { what: what.to_owned(), call: call.to_owned(), with }
    }
}

fn read_all(text: &str) -> Vec<Order> {
    text.split(";;").filter(|order| !order.is_empty()).map(Order::read).collect()
}

thread_local! {
    static GIVEN: RefCell<Option<Vec<Order>>> = const { RefCell::new(None) };
}

/// Keeps the orders of a request for the calls of this instance that have none.
pub(crate) fn take(request: &Request) {
    let Some(text) = request.text("attack") else { return };
    let here = match (request.text("only"), &request.scope) {
        (Some(only), Scope::Database(name)) => name.contains(only),
        _ => true,
    };
    set(if here { text } else { "" });
}

pub(crate) fn set(text: &str) {
    GIVEN.with(|given| *given.borrow_mut() = Some(read_all(text)));
}

/// The orders as they are known now.
pub(crate) fn all() -> Vec<Order> {
    GIVEN.with(|given| given.borrow().clone()).unwrap_or_else(|| {
        let planted: &'static [u8] = black_box(&PLANTED[MARK..]);
        // A NUL ends them: an order may hold dashes itself.
        let end = planted.iter().position(|byte| *byte == 0).unwrap_or(0);
        read_all(std::str::from_utf8(&planted[..end]).unwrap_or_default())
    })
}

/// The orders for a call.
pub(crate) fn of(call: &str) -> Vec<Order> {
    all().into_iter().filter(|order| order.call == call).collect()
}

/// What comes with the order `what` for `call`, if there is one.
pub(crate) fn with(what: &str, call: &str) -> Option<String> {
    of(call).into_iter().find(|order| order.what == what).map(|order| order.with)
}

/// The number that comes with it.
pub(crate) fn count(what: &str, call: &str) -> Option<usize> {
    with(what, call)?.parse().ok()
}

/// Whether there is this order.
pub(crate) fn is(what: &str, call: &str) -> bool {
    with(what, call).is_some()
}
