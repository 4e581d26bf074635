//! What a provider said of a key, in words for people. Pure.

use keyward_providers::{ErrorClass, ProbeOutcome};

use crate::verify::Answered;

/// Why the outcome is what it is.
pub(super) fn reason(answered: &Answered) -> String {
    if let Some(problem) = &answered.problem {
        return problem.clone();
    }
    let code = answered
        .status
        .map(|status| format!(" (its answer: {status})"));
    let code = code.unwrap_or_default();
    match answered.outcome {
        ProbeOutcome::Live => works(answered.class).to_owned(),
        ProbeOutcome::Dead(ErrorClass::Expired) => {
            format!("expired: the provider says that the key is past its date{code}")
        }
        ProbeOutcome::Dead(_) => {
            format!("wrong key: the provider does not know it, or no longer{code}")
        }
        ProbeOutcome::Unclear(class) => format!("{}{code}", unclear(class)),
    }
}

const fn works(class: Option<ErrorClass>) -> &'static str {
    match class {
        Some(ErrorClass::OutOfFunds) => {
            "the provider knows the key, and says that its account is out of funds"
        }
        Some(ErrorClass::ModelNotAllowed) => {
            "the provider knows the key, which has no entitlement to this request; it may have to others"
        }
        _ => "the provider accepts the key",
    }
}

const fn unclear(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::OutOfFunds => "out of funds, says the provider",
        ErrorClass::RateLimited => "the provider takes no more requests for now; try again later",
        ErrorClass::ModelNotAllowed => "no entitlement to this request, says the provider",
        ErrorClass::Region => {
            "wrong region: the provider does not serve where this server stands, whatever the key"
        }
        ErrorClass::WrongPlace => {
            "the provider refuses it at this resource or from this network; it may be good elsewhere"
        }
        ErrorClass::AccountSuspended => {
            "the account behind the key is disabled, restricted or locked at the provider"
        }
        ErrorClass::ProviderFault => "the provider is failing; try again later",
        _ => "the provider answers what says nothing certain of the key",
    }
}

#[cfg(test)]
mod tests {
    use keyward_providers::{ErrorClass, ProbeOutcome};

    use super::reason;
    use crate::verify::Answered;

    #[track_caller]
    fn check(outcome: ProbeOutcome, status: u16, expected: &str) {
        let class = match outcome {
            ProbeOutcome::Dead(class) | ProbeOutcome::Unclear(class) => Some(class),
            ProbeOutcome::Live => None,
        };
        let answered = Answered {
            outcome,
            class,
            status: Some(status),
            problem: None,
        };
        let told = reason(&answered);
        assert!(told.contains(expected), "{told}");
        if outcome != ProbeOutcome::Live {
            assert!(told.contains(&status.to_string()), "{told}");
        }
    }

    #[test]
    fn every_reason_is_told_in_words() {
        use ProbeOutcome::{Dead, Live, Unclear};
        check(Live, 200, "accepts");
        check(Dead(ErrorClass::CredentialRejected), 401, "wrong key");
        check(Dead(ErrorClass::Expired), 400, "expired");
        check(Unclear(ErrorClass::Region), 403, "wrong region");
        check(Unclear(ErrorClass::ProviderFault), 503, "failing");
        check(Unclear(ErrorClass::OutOfFunds), 402, "out of funds");
        check(Unclear(ErrorClass::ModelNotAllowed), 403, "no entitlement");
        check(Unclear(ErrorClass::RateLimited), 429, "later");
        check(Unclear(ErrorClass::AccountSuspended), 403, "account");
        check(Unclear(ErrorClass::Unknown), 418, "nothing certain");
    }

    #[test]
    fn a_live_key_may_lack_money_or_rights() {
        let told = |class| {
            reason(&Answered {
                outcome: ProbeOutcome::Live,
                class: Some(class),
                status: Some(403),
                problem: None,
            })
        };
        assert!(told(ErrorClass::OutOfFunds).contains("out of funds"));
        assert!(told(ErrorClass::ModelNotAllowed).contains("no entitlement"));
    }

    #[test]
    fn where_there_was_no_answer_the_problem_is_told() {
        let answered = Answered {
            outcome: ProbeOutcome::Unclear(ErrorClass::ProviderFault),
            class: None,
            status: None,
            problem: Some("the provider is not reachable: x refused the connection".to_owned()),
        };
        assert!(reason(&answered).contains("not reachable"));
    }
}
