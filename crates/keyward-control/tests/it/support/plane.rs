//! A data plane that says what it is told to say, and keeps what it was asked.

use std::{
    future::{Future, pending, ready},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use http::{HeaderMap, Request, StatusCode, Uri};
use keyward_control::{
    explain::{Address, Explain, Explanation, Outcome, Refused, Token},
    trial::{Trial, Tried, Try},
    verify::{About, Answered, Verify},
};
use keyward_providers::ProbeOutcome;
use keyward_secret::AccountId;
use tokio::sync::Semaphore;

/// A data plane that says what it is told to say, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct FakePlane(Mutex<State>);

#[derive(Default)]
struct State {
    says: Option<(Token, Outcome)>,
    asked: Option<(Request<()>, IpAddr)>,
    tried: Option<Trial>,
    answer: Option<Tried>,
    is_silent: bool,
    verified: Vec<About>,
    verdict: Option<Answered>,
    gate: Option<Arc<Semaphore>>,
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

impl FakePlane {
    /// What the next request is answered with, instead of a word and no explanation.
    pub(crate) fn answer(&self, tried: Tried) {
        self.0.lock().unwrap().answer = Some(tried);
    }

    /// Requests are not answered any more.
    pub(crate) fn fall_silent(&self) {
        self.0.lock().unwrap().is_silent = true;
    }

    /// The last request that it was to send.
    pub(crate) fn take_tried(&self) -> Option<Trial> {
        self.0.lock().unwrap().tried.take()
    }
}

impl FakePlane {
    /// What providers say of keys from now on, instead of that they take them.
    pub(crate) fn judge(&self, answered: Answered) {
        self.0.lock().unwrap().verdict = Some(answered);
    }

    /// Providers answer about keys from now on when the gate is opened, a permit each.
    pub(crate) fn hold_verdicts(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.0.lock().unwrap().gate = Some(Arc::clone(&gate));
        gate
    }

    /// What providers were asked about since.
    pub(crate) fn take_verified(&self) -> Vec<About> {
        std::mem::take(&mut self.0.lock().unwrap().verified)
    }
}

impl Verify for FakePlane {
    fn ask(&self, about: About) -> Pin<Box<dyn Future<Output = Answered> + Send + '_>> {
        let (verdict, gate) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.verified.push(about);
            (state.verdict.clone(), state.gate.clone())
        };
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            verdict.unwrap_or(Answered {
                outcome: ProbeOutcome::Live,
                class: None,
                status: Some(200),
                problem: None,
            })
        })
    }
}

impl Try for FakePlane {
    fn send(&self, trial: Trial, _most: usize) -> Pin<Box<dyn Future<Output = Tried> + Send + '_>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.tried = Some(trial);
        if state.is_silent {
            return Box::pin(pending());
        }
        let answer = state.answer.take().unwrap_or_else(|| Tried {
            explanation: None,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: b"hello".to_vec(),
            is_cut: false,
            is_broken: false,
        });
        Box::pin(ready(answer))
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
