//! How documents are written again.
//!
//! awk lays the bodies that the filter writes into files of the work directory and lists them in a configuration of curl. Only when all of the
//! dump is there and was found undamaged the target is touched: then curl sends one body after the other, and awk reads the answers. CouchDB
//! answers 201 even where it refused documents, and names these in its answer, which otherwise is an empty list.

use planb_sdk::{Command, Failure, RestorePlan, RestoreRequest, TargetState, quote};

use crate::describe::{AWK, CURL};
use crate::{backup, connect};

/// A line that begins with `=` ends a body.
const LAY_OUT: &str = r#"
BEGIN { ORS = ""; file = "body.0"; printf "" > "bodies.conf" }
{ print substr($0, 2) > file }
/^=/ {
  if (close(file)) exit 1
  print "url = \"" url "\"\nupload-file = \"" file "\"\n" > "bodies.conf"
  file = "body." NR
}
END { if (close("bodies.conf") > 0) exit 1 }
"#;

/// curl adds a line with the status to each answer.
const CHECK: &str = r#"
FILENAME == "bodies.conf" { if (/^url/) sent++; next }
/^20[12]$/ { taken++; next }
/^(\[\])?[ \r]*$/ { next }
bad++ < 20 { print "answer: " substr($0, 1, 2000) > "/dev/stderr" }
END {
  if (!bad && sent != taken) print "answer: of " sent + 0 " requests " taken + 0 " were taken" > "/dev/stderr"
  exit (bad || sent != taken)
}
"#;

pub(crate) fn plan(request: &RestoreRequest) -> Result<RestorePlan, Failure> {
    let inner = &request.request;
    inner.need_tool("curl", CURL)?;
    inner.need_tool("awk", AWK)?;
    if request.artifact.format != backup::FORMAT {
        return Err(request.unknown_format());
    }
    request.refuse_occupied()?;
    let url = connect::database(inner)?;
    let lay_out = Command::tool("awk").pair("-v", format!("url={url}/_bulk_docs")).script(LAY_OUT);
    let mut plan = RestorePlan::stdin(lay_out).filtered().file(connect::login(&inner.connection)?);

    // What the server says of a refusal goes where it is explained.
    let ask = |method: &'static str| -> Result<Command, Failure> {
        let curl = connect::curl(inner)?.flag("--fail-with-body").pair("--output", "/dev/stderr");
        Ok(curl.pair("--request", method))
    };
    let make = || -> Result<Command, Failure> { Ok(ask("PUT")?.pair("--url", format!("{url}{}", new(request)?))) };
    let mut make_it = false;
    match request.target {
        TargetState::Missing => make_it = true,
        TargetState::Occupied | TargetState::Unknown if request.replace => {
            // CouchDB has no name for "if it is there": a database that is not there is answered with 404.
            let remove = ask("DELETE")?.pair("--url", url.clone());
            let remove = if request.target == TargetState::Unknown { remove.ok(0).ok(22) } else { remove };
            plan = plan.finish(remove).warning(
                "the database is deleted and made anew: its security object and its local documents are those of a new database afterwards",
            );
            make_it = true;
        }
        TargetState::Empty | TargetState::Occupied | TargetState::Unknown => {}
    }
    if make_it {
        plan = plan.finish(make()?);
    }
    let send = connect::curl(inner)?
        .flag("--fail-with-body")
        // Not one more after the first that is refused.
        .flag("--fail-early")
        .pair("--request", "POST")
        .pair("--header", "Content-Type: application/json")
        // Otherwise curl waits for a permission that CouchDB may never give.
        .pair("--header", "Expect:")
        .pair("--write-out", "\\n%{http_code}\\n")
        .extra()
        .pair("--config", planb_sdk::path("bodies.conf"))
        .stdout_to("answers")
        // 22: refused, which the next command tells with the server's own words. 2: there is nothing to send.
        .ok(0)
        .ok(22)
        .ok(2);
    let check = Command::tool("awk").script(CHECK).flag("bodies.conf").flag("answers");
    Ok(plan.finish(send).finish(check))
}

/// The query of the URL that makes the database.
fn new(request: &RestoreRequest) -> Result<String, Failure> {
    let mut query = Vec::new();
    if request.request.toggle("partitioned")? {
        query.push("partitioned=true".to_owned());
    }
    if let Some(shards) = request.request.number("shards")? {
        if shards == 0 {
            return Err(Failure::settings("shards has to be at least 1"));
        }
        query.push(format!("q={}", quote::percent(&shards.to_string(), "")));
    }
    Ok(if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) })
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Artifact, testing};

    use super::*;

    fn request(target: TargetState) -> RestoreRequest {
        let request = testing::request("orders").password().tool("curl", "7.88.1").tool("awk", "1.3.4");
        request.restore(Artifact::new("json", "application/json", "all-docs"), target)
    }

    fn shown(request: &RestoreRequest) -> String {
        let plan = plan(request).map_or_else(|failure| failure.message, |plan| plan.to_string());
        plan.replace(&LAY_OUT.replace('\n', "\\n"), "lay out").replace(&CHECK.replace('\n', "\\n"), "check")
    }

    const CURL: &str = "curl --disable --no-progress-meter --globoff --proto http,https --connect-timeout 15 --header Accept: application/json \
                        --config {work}/curl.conf --fail-with-body";

    #[test]
    fn restores() {
        let tail = format!(
            "finish {CURL} --fail-early --request POST --header Content-Type: application/json --header Expect: \
             --write-out \\n%{{http_code}}\\n [extra] --config {{work}}/bodies.conf > {{work}}/answers\n\
             finish awk <check> bodies.conf answers\n"
        );
        let head = "file {work}/curl.conf: user = \"app:{secret password}\"\\n\n\
                    filtered stdin awk -v url=http://db:5984/orders/_bulk_docs <lay out>\n";
        assert_eq!(shown(&request(TargetState::Empty)), format!("{head}{tail}"));
        let put = format!("finish {CURL} --output /dev/stderr --request PUT --url http://db:5984/orders");
        assert_eq!(shown(&request(TargetState::Missing)), format!("{head}{put}\n{tail}"));
        let mut made = request(TargetState::Missing);
        made.request = made.request.with_setting("partitioned", "true").with_setting("shards", "4");
        assert!(shown(&made).contains(&format!("{put}?partitioned=true&q=4\n")));
        let mut replace = request(TargetState::Occupied);
        assert!(shown(&replace).contains("orders holds data"));
        replace.replace = true;
        let delete = format!("finish {CURL} --output /dev/stderr --request DELETE --url http://db:5984/orders");
        assert!(shown(&replace).starts_with(&format!("{head}{delete}\n{put}\n{tail}warning ")));
    }

    #[test]
    fn what_is_refused() {
        let mut other = request(TargetState::Empty);
        other.artifact.format = "plain".to_owned();
        assert!(shown(&other).contains("does not write"));
        let mut without = request(TargetState::Empty);
        without.request.tools.pop();
        assert!(shown(&without).contains("awk is not installed"));
    }
}
