//! A small known index, in a server that is there: a throw-away one would need the files of its own distribution.

use planb_sdk::{Failure, Object, Request, SeedPlan, quote};

use crate::http::Requests;
use crate::inspect::INDEX;
use crate::names;

/// Movies and actors together, since an index is what is backed up.
const DOCUMENTS: &[(&str, &str)] = &[
    ("movie-1", r#"{"title":"Metropolis","year":1927}"#),
    ("movie-2", r#"{"title":"Casablanca","year":1942}"#),
    ("movie-3", r#"{"title":"Rashomon","year":1950}"#),
    ("actor-1", r#"{"name":"Brigitte Helm"}"#),
    ("actor-2", r#"{"name":"Ingrid Bergman"}"#),
    ("actor-3", r#"{"name":"Toshiro Mifune"}"#),
];

pub(crate) fn plan(request: &Request) -> Result<SeedPlan, Failure> {
    let name = request.database()?;
    names::index(name)?;
    let index = quote::percent(name, "");
    let mut requests = Requests::new(request, "seed.conf");
    for (id, document) in DOCUMENTS {
        requests = requests
            .add("PUT", &format!("{index}/_doc/{id}?refresh=true"))?
            .or_fail()
            .option("header", "Content-Type: application/json")?
            .option("data-raw", document)?;
    }
    let (file, curl) = requests.build();
    Ok(SeedPlan::new([Object::new(INDEX, name).rows(6)]).file(file).command(curl))
}

#[cfg(test)]
mod tests {
    use planb_sdk::testing;

    use super::*;

    #[test]
    fn one_command() {
        let plan = plan(&testing::request("suite")).unwrap();
        assert_eq!((plan.commands.len(), plan.holds[0].rows), (1, Some(6)));
    }
}
