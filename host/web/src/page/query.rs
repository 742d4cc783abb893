//! What the address of a page asks for.

use url::form_urlencoded::{Serializer, parse};

use crate::health::Health;

/// The part behind the question mark; whatever is not understood is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// Only jobs in this state.
    pub(crate) state: Option<Health>,
    /// Only jobs with this in their name, engine or database.
    pub(crate) text: String,
    /// Which page of the list, from 0.
    pub(crate) page: usize,
    /// Whether the page asks for itself again.
    pub(crate) refresh: bool,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let mut out = Self { state: None, text: String::new(), page: 0, refresh: true };
        for (key, value) in parse(query.as_bytes()) {
            match key.as_ref() {
                "state" => out.state = Health::ALL.into_iter().find(|health| health.as_str() == value),
                "q" => out.text = value.trim().chars().take(100).collect(),
                "page" => out.page = value.parse::<usize>().unwrap_or(1).saturating_sub(1),
                "refresh" => out.refresh = value != "off",
                _ => {}
            }
        }
        out
    }

    /// The same for all jobs.
    pub(crate) fn home(&self) -> Self {
        Self { state: None, text: String::new(), page: 0, refresh: self.refresh }
    }

    pub(crate) fn with_refresh(&self, refresh: bool) -> Self {
        Self { refresh, ..self.clone() }
    }

    pub(crate) fn with_state(&self, state: Option<Health>) -> Self {
        Self { state, page: 0, ..self.clone() }
    }

    pub(crate) fn with_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    /// An address with this behind it.
    pub(crate) fn link(&self, path: &str) -> String {
        let mut out = Serializer::new(String::new());
        if let Some(state) = self.state {
            out.append_pair("state", state.as_str());
        }
        if !self.text.is_empty() {
            out.append_pair("q", &self.text);
        }
        if self.page > 0 {
            out.append_pair("page", &(self.page + 1).to_string());
        }
        if !self.refresh {
            out.append_pair("refresh", "off");
        }
        let query = out.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_linked_is_parsed(state in 0..8usize, text in "[^\\s]{0,20}", page in 0..5usize, refresh: bool) {
            let query = Query { state: Health::ALL.get(state).copied(), text, page, refresh };
            let link = query.link("/x");
            prop_assert_eq!(Query::parse(link.split_once('?').map_or("", |(_, query)| query)), query);
        }

        #[test]
        fn no_query_makes_it_panic(text in any::<String>()) {
            prop_assert!(Query::parse(&text).text.chars().count() <= 100);
        }
    }
}
