//! The pages before and after the one that is shown.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::visit::Info;

/// Where a list goes on, and where it came from.
pub(crate) struct Pager {
    /// This very page, for one that refreshes itself.
    pub(crate) own: String,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
    /// The number of the first item on the page, from 1, and of the last.
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) total: usize,
    pub(crate) is_cut: bool,
}

impl Pager {
    /// `kept` is what the page is narrowed to.
    pub(crate) fn new(path: &str, kept: &[(&str, &str)], info: &Info) -> Self {
        let to = |page: usize| link(path, kept, &page.to_string());
        let before = info.page.saturating_sub(1).saturating_mul(info.per_page);
        Self {
            own: to(info.page),
            previous: (info.page > 1).then(|| to(info.page - 1)),
            next: (info.page < info.total_pages).then(|| to(info.page.saturating_add(1))),
            first: before.saturating_add(1).min(info.total_count),
            last: before.saturating_add(info.count).min(info.total_count),
            total: info.total_count,
            is_cut: info.total_pages > 1,
        }
    }
}

fn link(path: &str, kept: &[(&str, &str)], page: &str) -> String {
    let own = [("page", page)];
    let set = kept
        .iter()
        .chain(&own)
        .filter(|(_, value)| !value.is_empty());
    let query = set.map(|(name, value)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    format!("{path}?{}", query.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::{Info, Pager};

    #[test]
    fn a_page_knows_its_neighbours_and_keeps_the_filter() {
        let info = Info {
            page: 2,
            per_page: 50,
            count: 20,
            total_count: 70,
            total_pages: 2,
            cursor: None,
        };
        let pager = Pager::new("/keys", &[("q", "a&b"), ("status", "")], &info);
        assert_eq!(pager.own, "/keys?q=a%26b&page=2");
        assert_eq!(pager.previous.as_deref(), Some("/keys?q=a%26b&page=1"));
        assert_eq!(pager.next, None);
        assert_eq!((pager.first, pager.last, pager.total), (51, 70, 70));
    }
}
