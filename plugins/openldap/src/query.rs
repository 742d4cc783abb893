//! Questions about a directory.

use planb_sdk::{Answer, Failure, Query, QueryPlan, Request, Scope, TargetState};

use crate::connect;
use crate::describe::{CLIENT, SERVER};
use crate::ldif::Walker;

pub(crate) fn plan(request: &Request, query: &Query) -> Result<QueryPlan, Failure> {
    let search = || {
        request.need_tool("ldapsearch", CLIENT)?;
        Ok::<_, Failure>(connect::search(&request.connection)?.flag("-LLL"))
    };
    let command = match query {
        // "No such object" is an answer too: the directory is empty, and the login was right.
        Query::Ping => {
            let suffix = connect::suffix_of(request.database()?)?;
            search()?.pair("-b", suffix).flag("-s").flag("base").flag("(objectClass=*)").flag("1.1").ok(0).ok(32)
        }
        // Of the entry without a name, which an argument cannot say.
        Query::Databases => {
            search()?.flag("-s").flag("base").flag("(objectClass=*)").flag("namingContexts").env("LDAPBASE", "")
        }
        // A restore goes into files, so these are what is looked at: the entry at their root.
        Query::State(Scope::Database(name)) => {
            request.need_tool("slapcat", SERVER)?;
            let filter = format!("(entryDN={})", escape(connect::suffix_of(name)?));
            connect::offline("slapcat", request, name)?.pair("-a", filter)
        }
        Query::Inventory(Scope::Database(name)) => {
            if !connect::names_a_server(&request.connection) {
                return Err(Failure::unsupported("without a server the entries are not counted"));
            }
            let suffix = connect::suffix_of(name)?;
            search()?.pair("-b", suffix).flag("-s").flag("sub").flag("(objectClass=*)").flag("1.1")
        }
        Query::Version => return Err(Failure::unsupported("OpenLDAP does not tell its version")),
        Query::Size(_) => return Err(Failure::unsupported("OpenLDAP does not tell how large a directory is")),
        Query::State(_) | Query::Inventory(_) => {
            return Err(Failure::unsupported("one directory is meant, by its suffix")
                .hint("write it behind the host: ldap://host/dc=example,dc=org"));
        }
    };
    Ok(QueryPlan::new(command).file(connect::passfile(&request.connection)))
}

pub(crate) fn read(query: &Query, stdout: &[u8]) -> Result<Answer, Failure> {
    let walk = || {
        let mut walker = Walker::new();
        walker.feed(stdout);
        walker
    };
    match query {
        Query::Ping => Ok(Answer::Alive),
        Query::Databases => {
            let text = String::from_utf8_lossy(stdout);
            let names = text.lines().filter_map(|line| line.strip_prefix("namingContexts: "));
            Ok(Answer::Databases(names.map(str::to_owned).collect()))
        }
        Query::State(_) if walk().entries() > 0 => Ok(Answer::State(TargetState::Occupied)),
        Query::State(_) => Ok(Answer::State(TargetState::Empty)),
        Query::Inventory(_) => Ok(Answer::Inventory(walk().objects())),
        Query::Version | Query::Size(_) => Err(Answer::unexpected("ldapsearch", query)),
    }
}

/// A value inside a filter (RFC 4515, 3).
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"=,.-_ +:/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("\\{byte:02x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use planb_sdk::{Object, testing};

    use super::*;

    #[test]
    fn questions() {
        let mut request = testing::request("dc=x").password().tool("ldapsearch", "2.5.13").tool("slapcat", "2.5");
        let plan = |request: &Request, query| plan(request, &query).map(|plan| plan.command.to_string());
        let name = Scope::Database("dc=a*b\\,c".to_owned());
        assert!(plan(&request, Query::Ping).unwrap().ends_with("-LLL -b dc=x -s base (objectClass=*) 1.1"));
        assert!(plan(&request, Query::Databases).unwrap().starts_with("LDAPBASE= ldapsearch "));
        assert_eq!(
            plan(&request, Query::State(name.clone())).unwrap(),
            "slapcat -b dc=a*b\\,c -a (entryDN=dc=a\\2ab\\5c,c)"
        );
        assert!(plan(&request, Query::Inventory(name.clone())).unwrap().ends_with("-s sub (objectClass=*) 1.1"));
        request.connection.host = None;
        assert!(plan(&request, Query::Inventory(name)).is_err());
        assert!(plan(&request, Query::Version).is_err());
    }

    #[test]
    fn answers() {
        let scope = || Scope::Database("dc=x".to_owned());
        let databases = b"dn:\nnamingContexts: dc=x\nnamingContexts: o=y z\n\n";
        assert_eq!(
            read(&Query::Databases, databases),
            Ok(Answer::Databases(vec!["dc=x".to_owned(), "o=y z".to_owned()]))
        );
        let entries = b"dn: dc=x\n\ndn: ou=a,dc=x\n\n";
        let objects = vec![Object::new("suffix", "dc=x").rows(2), Object::new("container", "dc=x").rows(1)];
        assert_eq!(read(&Query::Inventory(scope()), entries), Ok(Answer::Inventory(objects)));
        assert_eq!(read(&Query::State(scope()), entries), Ok(Answer::State(TargetState::Occupied)));
        assert_eq!(read(&Query::State(scope()), b""), Ok(Answer::State(TargetState::Empty)));
    }
}
