//! A data plane that says what it is told to say, and keeps what it was asked.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use http::{Request, Uri};
use keyward_control::explain::{Address, Explain, Explanation, Outcome, Refused, Token};
use keyward_secret::AccountId;

/// A data plane that says what it is told to say, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct FakePlane(Mutex<State>);

#[derive(Default)]
struct State {
    says: Option<(Token, Outcome)>,
    asked: Option<(Request<()>, IpAddr)>,
}

impl FakePlane {
    pub(crate) fn say(&self, token: Token, outcome: Outcome) {
        self.0.lock().unwrap().says = Some((token, outcome));
    }

    /// The last request that it was asked about, and where it was said to come from.
    pub(crate) fn take_asked(&self) -> Option<(Request<()>, IpAddr)> {
        self.0.lock().unwrap().asked.take()
    }
}

impl Explain for FakePlane {
    fn address(&self, target: &Uri) -> Option<(AccountId, String)> {
        address(target.path()).map(|address| (address.account, address.gateway))
    }

    fn explain(&self, request: Request<()>, source: IpAddr, _now: SystemTime) -> Explanation {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = request.uri().path().to_owned();
        let address = address(&path);
        state.asked = Some((request, source));
        let (token, outcome) = state.says.clone().unwrap_or_else(|| {
            let refused = Refused {
                status: 401,
                code: Some(2009),
                message: "Unauthorized".to_owned(),
                reason: Some("why".to_owned()),
                help: None,
            };
            (Token::Absent, Outcome::Refused(refused))
        });
        Explanation {
            target: path,
            address,
            token,
            outcome,
        }
    }
}

fn address(path: &str) -> Option<Address> {
    let mut parts = path.split('/').skip(2);
    Some(Address {
        account: AccountId::parse(parts.next()?).ok()?,
        gateway: parts.next()?.to_owned(),
        provider: parts.next()?.to_owned(),
    })
}
