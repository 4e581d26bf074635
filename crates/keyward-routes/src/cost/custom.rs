//! What a client says that its request costs: `cf-aig-custom-cost`.

use serde::Deserialize;

use super::{Price, Rates, rate::Rate};

/// The prices of one request, as its client has them, in the format of Cloudflare's custom costs.
///
/// ```
/// use keyward_routes::CustomCost;
///
/// assert!(CustomCost::parse(br#"{"per_token_in":0.000001,"per_token_out":0.000002}"#).is_ok());
/// let refused = CustomCost::parse(br#"{"per_token_in":-1,"per_token_out":0}"#);
/// assert_eq!(
///     refused.map_err(|error| error.to_string()),
///     Err("`per_token_in` of cf-aig-custom-cost is a number of dollars per token, 0 to 1".to_owned()),
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomCost(Price);

/// Why a value of `cf-aig-custom-cost` says no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomCostError {
    /// It is no JSON object of numbers with the two names that it must have.
    #[error(
        "cf-aig-custom-cost is a JSON object of numbers: per_token_in, per_token_out and, where a cache has prices of its own, \
         per_cache_read_token and per_cache_write_token"
    )]
    Syntax,
    /// A price is none.
    #[error("`{0}` of cf-aig-custom-cost is a number of dollars per token, 0 to 1")]
    Amount(&'static str),
    /// It is longer than [`CustomCost::LONGEST`].
    #[error("cf-aig-custom-cost is at most {longest} bytes", longest = CustomCost::LONGEST)]
    Long,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    per_token_in: f64,
    per_token_out: f64,
    per_cache_read_token: Option<f64>,
    per_cache_write_token: Option<f64>,
}

impl CustomCost {
    /// The longest value that is read, in bytes.
    pub const LONGEST: usize = 1024;

    /// Reads the header's value: a JSON object with `per_token_in` and `per_token_out`, and `per_cache_read_token` and
    /// `per_cache_write_token` where there are any; in dollars per token. A cache without a price of its own costs
    /// `per_token_in`.
    ///
    /// # Errors
    ///
    /// When it is no such object, has another name in it or one twice, or a price is below 0 or above a dollar.
    pub fn parse(header: &[u8]) -> Result<Self, CustomCostError> {
        if header.len() > Self::LONGEST {
            return Err(CustomCostError::Long);
        }
        let text: Text =
            serde_json::from_slice(header).map_err(|_malformed| CustomCostError::Syntax)?;
        let rate = |name, dollars| Rate::per_token(dollars).ok_or(CustomCostError::Amount(name));
        let input = rate("per_token_in", text.per_token_in)?;
        let output = rate("per_token_out", text.per_token_out)?;
        let or_input =
            |name, dollars: Option<f64>| dollars.map_or(Ok(input), |dollars| rate(name, dollars));
        let cache_write = or_input("per_cache_write_token", text.per_cache_write_token)?;
        Ok(Self(Price {
            rates: Rates {
                input,
                output: Some(output),
                cache_read: or_input("per_cache_read_token", text.per_cache_read_token)?,
                cache_write,
                cache_write_hour: cache_write,
            },
            tiers: Box::default(),
            context: None,
            max_output: None,
        }))
    }

    /// The price that it says.
    #[must_use]
    pub const fn price(&self) -> &Price {
        &self.0
    }
}
