//! Whose fault it is: a wrong password is the user's, a server that is not there is nobody's but its own.

use std::path::Path;
use std::sync::Arc;

use planb_model::Blame;
use planb_model::engine::{FailureCode, Mode, Purpose, Query};
use planb_model::secret::{Secret, Secrets};
use planb_pipeline::RunError;

use crate::lab::{Lab, Place};
use crate::round_trip::{Way, back_up};

/// Another password than the place's.
pub(crate) const WRONG: &str = "w0rngPassw0rdOfTheSuite";

/// The place with a password that is not right; none where it has no password.
pub(crate) fn with_wrong_password(place: &Place) -> Option<Place> {
    place.secrets.get("password").ok()?;
    let mut secrets = Secrets::default();
    secrets.insert("password", Secret::new(WRONG.to_owned()));
    Some(Place { secrets: Arc::new(secrets), ..place.clone() })
}

/// The place with nothing behind its address.
pub(crate) fn unreachable(place: &Place) -> Option<Place> {
    let mut place = place.clone();
    if let Some(socket) = &mut place.connection.socket {
        socket.push_str("-that-is-not-there");
        return Some(place);
    }
    place.connection.host.as_ref()?;
    // Just free, and nobody was told of it.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).ok()?.port();
    place.connection.port = Some(port);
    Some(place)
}

/// Asks and dumps at a place where that has to fail, in this way.
pub(crate) async fn fails(
    lab: &Lab<'_>,
    place: &Place,
    folder: &Path,
    code: FailureCode,
    blame: Blame,
) -> Result<Result<String, String>, RunError> {
    let mut op = lab.open(place, &[Purpose::Query]).await?;
    let asked = op.query(&place.scope, &Query::Ping).await;
    drop(op);
    let mode = lab.plugin.description().modes.first().copied().unwrap_or(Mode::Stream);
    let dumped = dump(lab, place, &Way { mode, native: false, choice: None }, folder).await;
    let mut said = String::new();
    for (what, outcome) in [("a question", asked.map(drop)), ("a dump", dumped)] {
        let Err(error) = outcome else { return Ok(Err(format!("{what} succeeded"))) };
        let Some(failure) = error.failure() else { return Ok(Err(format!("{what} failed otherwise: {error}"))) };
        if failure.code != code || failure.blame != blame {
            return Ok(Err(format!(
                "for {what} it says {:?}, the fault of {:?}, and not {code:?}, the fault of {blame:?}: {}",
                failure.code, failure.blame, failure.message
            )));
        }
        if failure.hint.as_ref().is_none_or(|hint| hint.trim().is_empty()) {
            return Ok(Err(format!("for {what} it does not say what to do next: {}", failure.message)));
        }
        if failure.message.contains(WRONG) {
            return Ok(Err(format!("what it says of {what} holds the password")));
        }
        said.clone_from(&failure.message);
    }
    Ok(Ok(said))
}

/// A dump without the greeting that would have failed before it.
async fn dump(lab: &Lab<'_>, place: &Place, way: &Way, folder: &Path) -> Result<(), RunError> {
    back_up(lab, place, way, folder).await.map(drop)
}
