//! What a plugin answers beside plans: answers of the server, inspections, failures.

use planb_model::engine::{Answer, Failure, Inspection, Object};

use super::{is_clean, sentence, sentences, short, within};

/// Objects in one answer. More hardly fit into what a call may pass to the host.
const OBJECTS: usize = 1_000_000;
const DATABASES: usize = 100_000;
/// Of a name that the database knows: an object's, a database's, a file's.
const NAME: usize = 4 << 10;
const KIND: usize = 64;
const VERSION: usize = 1_000;

/// Whether an answer can be one.
pub(crate) fn answer(answer: &mut Answer) -> Result<(), String> {
    match answer {
        Answer::Alive | Answer::Size(_) | Answer::State(_) => Ok(()),
        Answer::Version(version) => {
            within("bytes in the server's version", version.len(), VERSION)?;
            *version = sentence(version).replace(['\n', '\t'], " ");
            Ok(())
        }
        Answer::Databases(names) => {
            within("databases", names.len(), DATABASES)?;
            names.iter().try_for_each(|name| is_name("a database's name", name))
        }
        Answer::Inventory(objects) => check_objects(objects),
    }
}

/// Whether an inspection can be one, with findings that can be shown and kept.
pub(crate) fn inspection(inspection: &mut Inspection) -> Result<(), String> {
    sentences(&mut inspection.findings);
    check_objects(&inspection.objects)
}

/// A failure that can be shown.
pub(crate) fn failure(failure: Failure) -> Failure {
    let message = match failure.message.trim() {
        "" => "the plugin does not say why".to_owned(),
        message => sentence(message),
    };
    Failure { message, hint: failure.hint.map(|hint| sentence(&hint)), ..failure }
}

pub(super) fn check_objects(objects: &[Object]) -> Result<(), String> {
    within("objects", objects.len(), OBJECTS)?;
    for object in objects {
        if object.kind.is_empty() || object.kind.len() > KIND || !is_clean(&object.kind) {
            return Err(format!("the kind of object {:?} is not a word", short(&object.kind)));
        }
        is_name("an object's name", &object.name)?;
    }
    Ok(())
}

fn is_name(what: &str, name: &str) -> Result<(), String> {
    within(&format!("bytes in {what}"), name.len(), NAME)?;
    if name.contains('\0') { Err(format!("{what} holds a NUL")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use planb_model::Blame;
    use planb_model::engine::FailureCode;

    fn object(kind: &str, name: &str) -> Object {
        Object { kind: kind.to_owned(), name: name.to_owned(), rows: None }
    }

    #[test]
    fn a_failure_is_fit_for_a_terminal() {
        let said = |message: &str| {
            failure(Failure {
                code: FailureCode::Failed,
                blame: Blame::Tool,
                message: message.to_owned(),
                hint: Some(message.to_owned()),
                retryable: false,
            })
        };
        let huge = said(&"x".repeat(60 << 20));
        assert!(huge.message.len() < 5000 && huge.hint.unwrap().len() < 5000);
        assert_eq!(said("\u{1b}[31mno\r").message, "[31mno");
        assert_eq!(said(" \n").message, "the plugin does not say why");
    }

    #[test]
    fn answers_have_bounds() {
        assert!(answer(&mut Answer::Version("x".repeat(1001))).is_err());
        let mut version = Answer::Version("16.4\n\u{1b}[2J".to_owned());
        answer(&mut version).unwrap();
        assert_eq!(version, Answer::Version("16.4 [2J".to_owned()));
        assert!(answer(&mut Answer::Databases(vec![String::new(); DATABASES + 1])).is_err());
        assert!(answer(&mut Answer::Databases(vec!["a\0b".to_owned()])).is_err());
        for wrong in [object("", "x"), object("ta\nble", "x"), object(&"k".repeat(65), "x"), object("table", "a\0")] {
            assert!(answer(&mut Answer::Inventory(vec![wrong.clone()])).is_err(), "{wrong:?}");
            assert!(inspection(&mut Inspection { objects: vec![wrong], ..Inspection::default() }).is_err());
        }
        // A name may hold what a database lets it hold.
        assert!(answer(&mut Answer::Inventory(vec![object("table", "a\nb -- ü\u{202e}")])).is_ok());
    }

    #[test]
    fn findings_are_cut_and_the_rest_is_counted() {
        let mut seen = Inspection { findings: vec!["x".repeat(5000); 1000], ..Inspection::default() };
        inspection(&mut seen).unwrap();
        assert_eq!((seen.findings.len(), seen.findings[100].as_str()), (101, "and 900 more"));
        assert!(seen.findings[0].ends_with(" ...") && seen.findings[0].len() < 5000);
    }
}
