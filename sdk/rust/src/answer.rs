//! Reading what a client printed in answer to a question.

use crate::{Answer, Failure, Object, Query, TargetState};

impl Answer {
    /// Reads an answer in the form that most clients can be made to print:
    ///
    /// | query | lines |
    /// |---|---|
    /// | ping | `1` |
    /// | version | the version as the first word |
    /// | databases | one name each, in hexadecimal digits |
    /// | size | a whole number |
    /// | state | `missing`, `empty`, `occupied` or `unknown` |
    /// | inventory | `kind`, the name in hexadecimal digits, and the rows or `-`, separated by `|` or a tab |
    ///
    /// Names are hexadecimal so that no name, whatever it holds, can look like another row.
    pub fn from_lines(tool: &str, query: &Query, stdout: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(stdout);
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let answer = match query {
            Query::Ping => lines.next().filter(|line| *line == "1").map(|_| Self::Alive),
            Query::Version => {
                let word = lines.next().and_then(|line| line.split_whitespace().next());
                word.map(|word| Self::Version(word.to_owned()))
            }
            Query::Databases => lines.map(unhex).collect::<Option<_>>().map(Self::Databases),
            Query::Size(_) => lines.next().and_then(|line| line.trim().parse().ok()).map(Self::Size),
            Query::State(_) => lines
                .next()
                .and_then(|line| match line.trim() {
                    "missing" => Some(TargetState::Missing),
                    "empty" => Some(TargetState::Empty),
                    "occupied" => Some(TargetState::Occupied),
                    "unknown" => Some(TargetState::Unknown),
                    _ => None,
                })
                .map(Self::State),
            Query::Inventory(_) => lines.map(object).collect::<Option<_>>().map(Self::Inventory),
        };
        answer.ok_or_else(|| Self::unexpected(tool, query))
    }

    /// The failure for an answer that cannot be read.
    pub fn unexpected(tool: &str, query: &Query) -> Failure {
        Failure::plugin(format!("{tool} answered {} in a way that was not expected", query.name()))
    }
}

fn object(line: &str) -> Option<Object> {
    let mut fields = line.split(['|', '\t']);
    let (kind, name, rows) = (fields.next()?, fields.next()?, fields.next()?);
    let rows = if rows == "-" { None } else { Some(rows.parse().ok()?) };
    Some(Object::new(kind, unhex(name)?).rows(rows))
}

/// The text behind hexadecimal digits; bytes that are not UTF-8 become U+FFFD.
pub fn unhex(digits: &str) -> Option<String> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = digits.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    });
    Some(String::from_utf8_lossy(&bytes.collect::<Option<Vec<_>>>()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    #[test]
    fn answers() {
        let answer = |query, text: &str| Answer::from_lines("psql", &query, text.as_bytes());
        assert_eq!(answer(Query::Ping, "1\n"), Ok(Answer::Alive));
        assert!(answer(Query::Ping, "").is_err());
        assert_eq!(answer(Query::Version, "15.20 (Debian 15.20-0+deb12u1)\n"), Ok(Answer::Version("15.20".to_owned())));
        assert_eq!(
            answer(Query::Databases, "61\n610a7c22\n"),
            Ok(Answer::Databases(vec!["a".to_owned(), "a\n|\"".to_owned()]))
        );
        assert_eq!(answer(Query::Size(Scope::All), "42\n"), Ok(Answer::Size(42)));
        assert_eq!(answer(Query::State(Scope::All), "empty\n"), Ok(Answer::State(TargetState::Empty)));
        let objects = vec![Object::new("view", "b"), Object::new("table", "a").rows(3)];
        assert_eq!(answer(Query::Inventory(Scope::All), "view|62|-\ntable\t61\t3\n"), Ok(Answer::Inventory(objects)));
        assert_eq!(answer(Query::Inventory(Scope::All), ""), Ok(Answer::Inventory(Vec::new())));
        assert!(answer(Query::Inventory(Scope::All), "table|6|3\n").is_err());
    }
}
