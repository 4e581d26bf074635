//! Settling what was reserved for a request, when it is known what it cost.

use keyward_routes::{Prices, Reserve};

use super::{Entry, clock};
use crate::spend::{self, Ended};

impl Entry {
    /// Settles what was reserved for the request by what it cost; nothing where that is done.
    pub(crate) fn settle(&mut self, prices: &Prices) {
        let Some(spending) = self.spending.take() else {
            return;
        };
        let now = clock();
        let provider = self.series.parts().provider.as_str();
        let estimate = spending.estimate.unwrap_or_default();
        let cost = match prices.reserve(provider, &spending.model, now) {
            Reserve::Price(price) | Reserve::Fallback(price) => {
                let ended = Ended {
                    status: self.status,
                    is_own: self.code.is_some(),
                    is_whole: self.is_whole,
                    usage: self.usage,
                    seen: self.seen,
                    bytes: self.response_bytes,
                };
                spend::cost(price, &spending.asked, estimate, ended)
            }
            Reserve::Uncounted | Reserve::Refused => estimate,
        };
        if self.model.is_none() {
            self.model = Some(spending.model.clone());
        }
        spending.settle(cost, now);
    }
}
