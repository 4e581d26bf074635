//! What happens to keys and tokens (classes 8, 9, 10, 11).

use data_encoding::{BASE64, HEXLOWER};
use keyward_auth::TokenText;
use keyward_testing::{Behaviour, EchoPlace, Form};

use crate::{
    ask::{Ask, Plane},
    case::{BOTH, Case, Must, Verdict, ensure, exchange, hold_always, hold_that},
    world::{ACCOUNT, World},
};

pub(super) fn cases(world: &World) -> Vec<Case> {
    let mut cases = redirects(world);
    cases.extend(urls(world));
    cases.extend(leaks(world));
    cases.extend(injections(world));
    cases
}

fn redirects(world: &World) -> Vec<Case> {
    let evil = world.attacker.addr();
    let own = world.provider.origin();
    let port = world.provider.addr().port();
    let mut cases = Vec::new();
    for location in [
        format!("http://{evil}/take"),
        format!("https://{evil}/take"),
        format!("//{evil}/take"),
        format!("https://127.0.0.1:{port}@{evil}/take"),
        format!("http://127.0.0.1:{port}/downgraded"),
        format!("https://127.0.0.1:{}/other-port", port ^ 1),
        format!("{own}.evil.example/take"),
        "https://evil.example/\\@127.0.0.1".to_owned(),
    ] {
        let name = format!(
            "to `{}`",
            location
                .replace(&evil.to_string(), "ATTACKER")
                .replace(&port.to_string(), "PORT")
                .replace(&(port ^ 1).to_string(), "OTHER")
        );
        let must = hold_that("502 without a location, asked once", |seen| {
            seen.status == Some(502) && seen.header("location").is_none() && seen.only().is_some()
        });
        cases.push(Case::ask(8, name, &Ask::chat(world), must).when(Behaviour::Redirect(location)));
    }
    for location in [format!("{own}/v1/moved?x=1"), "/v1/moved?x=1".to_owned()] {
        let expected = format!("/v1/{ACCOUNT}/prod/openai/moved?x=1");
        let must = hold_that("the location is below the gateway", move |seen| {
            seen.status == Some(307)
                && seen
                    .header("location")
                    .is_some_and(|location| location.ends_with(&expected))
                && seen.only().is_some()
        });
        let name = format!("to `{}` inside", location.replace(&own, "PROVIDER"));
        cases.push(Case::ask(8, name, &Ask::chat(world), must).when(Behaviour::Redirect(location)));
    }
    for rest in [
        "/ai-gateway/gateways/",
        "/ai-gateway",
        "",
        "/ai-gateway//gateways",
    ] {
        let must = hold_that("no redirect", |seen| {
            seen.status
                .is_some_and(|status| !(300..400).contains(&status))
        });
        let name = format!("`/accounts/ACCOUNT{rest}` leads nowhere else");
        cases.push(Case::ask(8, name, &Ask::api(world, "GET", rest, ""), must));
    }
    let root = Ask::list(world).target("/");
    let must = hold_that("no redirect but to the sign-in", |seen| {
        let leads = |status: u16| (300..400).contains(&status);
        match seen.status {
            Some(status) if leads(status) => seen.header("location").as_deref() == Some("/sign-in"),
            status => status.is_some(),
        }
    });
    cases.push(Case::ask(8, "`/` leads nowhere else", &root, must));
    cases
}

fn urls(world: &World) -> Vec<Case> {
    let token = world.token.text();
    let admin = world.admin.text();
    let mut cases = Vec::new();
    for query in [
        format!("key={token}"),
        format!("alt=sse&key={token}"),
        format!("key={token}&alt=sse"),
        format!("a=b&key={token}&c=d&key={token}"),
    ] {
        let ask = Ask::data(
            world,
            "POST",
            &format!("google-ai-studio/v1beta/models/m:generateContent?{query}"),
            b"{}",
        );
        let must = hold_that("the key went as a header, the query without it", |seen| {
            seen.only()
                .is_some_and(|request| !request.target.contains("key="))
        });
        cases.push(Case::ask(
            9,
            format!("`?{}`", query.replace(token, "TOKEN")),
            &ask.anonymous(),
            must,
        ));
    }
    for query in [
        format!("key={token}x"),
        format!("key=Bearer%20{token}"),
        format!("KEY=x{token}"),
        format!("a={}", token.replace('_', "%5F")),
    ] {
        let ask = Ask::data(
            world,
            "POST",
            &format!("google-ai-studio/v1beta/models/m:generateContent?{query}"),
            b"{}",
        );
        cases.push(Case::ask(
            9,
            format!(
                "`?{}` is none",
                query
                    .replace(token, "TOKEN")
                    .replace(&token.replace('_', "%5F"), "ENCODED")
            ),
            &ask.anonymous(),
            Must::RefuseWith(&[401]),
        ));
    }
    for query in ["token", "access_token", "api_key", "key", "authorization"] {
        let ask = Ask::create(world)
            .anonymous()
            .and(&format!("?{query}={admin}"));
        cases.push(Case::ask(
            9,
            format!("`?{query}=TOKEN`"),
            &ask,
            Must::RefuseWith(&[401]),
        ));
    }
    for plane in [Plane::Data, Plane::Control] {
        cases.push(Case::run_on(
            9,
            plane,
            "no log line of these holds a token",
            BOTH,
            move |world, protocol| {
                Box::pin(async move {
                    let mark = world.logs.mark();
                    let ask = match plane {
                        Plane::Data => Ask::chat(world)
                            .anonymous()
                            .and(&format!("?key={}", world.token.text())),
                        Plane::Control => Ask::create(world)
                            .anonymous()
                            .and(&format!("?key={}", world.admin.text())),
                    };
                    let seen = exchange(world, &ask, protocol).await;
                    hold_always(world, &seen)?;
                    no_secret_logged(world, mark)
                })
            },
        ));
    }
    cases
}

/// No log line since `mark` holds a secret or the digest of a token.
fn no_secret_logged(world: &World, mark: usize) -> Verdict {
    let logged = world.logs.contents_from(mark);
    for secret in [&world.key, &world.token, &world.admin] {
        ensure(!logged.contains(secret.random_part()), || {
            format!("{} was logged", secret.name())
        })?;
    }
    for token in [&world.token, &world.admin] {
        let digest = TokenText::parse(token.text().as_bytes()).unwrap().digest();
        let hex = HEXLOWER.encode(digest.as_bytes());
        ensure(!logged.to_ascii_lowercase().contains(&hex), || {
            "a digest was logged".to_owned()
        })?;
    }
    Ok(())
}

fn leaks(world: &World) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, status, place, form) in [
        (
            "a provider that echoes the key in a header",
            200,
            EchoPlace::Header,
            Form::Raw,
        ),
        ("in the body", 200, EchoPlace::Body, Form::Raw),
        ("in two pieces", 200, EchoPlace::SplitBody, Form::Raw),
        ("in a trailer", 200, EchoPlace::Trailer, Form::Raw),
        ("in an error", 500, EchoPlace::Body, Form::Raw),
        ("in a refusal", 401, EchoPlace::Body, Form::Raw),
    ] {
        let must = hold_that("an answer", |seen| seen.status.is_some());
        let behaviour = Behaviour::EchoCredential {
            status,
            place,
            form,
        };
        cases.push(Case::ask(10, name, &Ask::chat(world), must).when(behaviour));
    }
    let token = world.token.text().to_owned();
    let spoilt = format!(
        "{}{}",
        &token[..token.len() - 1],
        if token.ends_with('a') { 'b' } else { 'a' }
    );
    let basic = BASE64.encode(format!("{token}:").as_bytes());
    for (name, header, value) in [
        (
            "a mistyped token in `cf-aig-authorization`",
            "cf-aig-authorization",
            format!("Bearer {spoilt}"),
        ),
        (
            "in `authorization`",
            "authorization",
            format!("Bearer {spoilt}"),
        ),
        ("in `x-api-key`", "x-api-key", spoilt.clone()),
        ("in `Basic`", "authorization", format!("Basic {basic}")),
        (
            "an API token",
            "cf-aig-authorization",
            format!("Bearer {}", world.admin.text()),
        ),
    ] {
        let ask = Ask::chat(world).anonymous().with(header, &value);
        let random = world.token.random_part()[..20].to_owned();
        let must = hold_that("401 that says nothing more", move |seen| {
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            seen.status == Some(401)
                && seen.whole() == 0
                && !body.contains(&random)
                && !body.contains("kw_")
        });
        cases.push(Case::ask(10, name, &ask, must));
    }
    for (name, ask) in [
        (
            "a mistyped token",
            Ask::create(world)
                .anonymous()
                .with("authorization", &format!("Bearer {spoilt}")),
        ),
        (
            "a gateway token",
            Ask::create(world)
                .anonymous()
                .with("authorization", &format!("Bearer {token}")),
        ),
        (
            "a token in a path",
            Ask::api(world, "GET", &format!("/tokens/{token}"), ""),
        ),
        (
            "a key in a broken body",
            Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways/prod/provider_configs",
                &format!("{{\"secret\":\"{}\",}}", world.key.text()),
            ),
        ),
        (
            "a key of the wrong type",
            Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways/prod/provider_configs",
                &format!("{{\"secret\":[\"{}\"]}}", world.key.text()),
            ),
        ),
        (
            "a key that is stored already",
            Ask::api(
                world,
                "POST",
                "/ai-gateway/gateways/prod/provider_configs",
                &format!(
                    "{{\"alias\":\"default\",\"default_config\":true,\"provider_slug\":\"openai\",\"secret\":\"{}\"}}",
                    world.key.text()
                ),
            ),
        ),
        (
            "the list of keys",
            Ask::api(
                world,
                "GET",
                "/ai-gateway/gateways/prod/provider_configs",
                "",
            ),
        ),
        ("the list of tokens", Ask::api(world, "GET", "/tokens", "")),
    ] {
        let must = hold_that("no secret in it", |seen| {
            let body = String::from_utf8_lossy(&seen.body);
            seen.status.is_some_and(|status| status < 500)
                && !body.contains("kw_gw_")
                && !body.contains("kw_api_")
        });
        cases.push(Case::ask(10, name, &ask, must));
    }
    for plane in [Plane::Data, Plane::Control] {
        cases.push(Case::run_on(
            10,
            plane,
            "no log line of all before holds a secret or a digest",
            BOTH,
            |world, _| Box::pin(async { no_secret_logged(world, 0) }),
        ));
    }
    cases
}

fn injections(world: &World) -> Vec<Case> {
    let token = world.token.text();
    let long = format!("kw_gw_{}", "a".repeat(20_000));
    let mut cases = Vec::new();
    for (name, text) in [
        ("a quote", "kw_gw_' OR '1'='1".to_owned()),
        ("a comment", "kw_gw_x'; DROP TABLE tokens;--".to_owned()),
        ("a union", "kw_api_1 UNION SELECT * FROM tokens".to_owned()),
        ("20,000 characters", long),
        ("the token with a comment behind", format!("{token}'--")),
        ("the token in capitals", token.to_ascii_uppercase()),
        (
            "the token with a wildcard",
            format!("{}%", &token[..token.len() - 1]),
        ),
        ("a format", "kw_gw_%s%n${jndi:ldap://x}{{7*7}}".to_owned()),
        ("nothing behind the prefix", "kw_gw_".to_owned()),
    ] {
        let value = format!("Bearer {text}");
        let ask = Ask::chat(world)
            .anonymous()
            .with("cf-aig-authorization", &value);
        cases.push(Case::ask(11, name, &ask, Must::RefuseWith(&[401])));
        let ask = Ask::create(world).anonymous().with("authorization", &value);
        cases.push(Case::ask(11, name, &ask, Must::RefuseWith(&[401])));
    }
    cases
}
