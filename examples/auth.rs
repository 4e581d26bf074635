//! Tokens alone: mint one, recognise and parse it, decide what it may do, and revoke it.
//!
//! Nothing here does I/O or reads a clock: `now` is an argument, and the index is a value that you share.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use keyward_auth::{
    Decision, Grant, Kind, Model, NewToken, Permission, Permissions, RunAsk, Scope, TokenIndex,
    TokenRecord, TokenText, decide_run, is_ours,
};
use keyward_secret::AccountId;

fn main() -> Result<(), Box<dyn Error>> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let account = AccountId::parse("0123456789abcdef0123456789abcdef")?;

    // Mint. The text is shown to its owner once; what is kept holds its digest only.
    let token = NewToken::generate(Kind::Gateway)?;
    let record = TokenRecord {
        id: token.id,
        kind: Kind::Gateway,
        digest: token.digest,
        retiring: None,
        name: "chat service".into(),
        grant: Grant {
            providers: Scope::only(["openai"]),
            expires_at: Some(now + Duration::from_secs(3600)),
            ..Grant::new(account, Permissions::from_iter([Permission::AiGatewayRun]))
        },
        spend_limits: None,
        issued_at: now,
        modified_at: now,
    };
    let id = record.id;
    let index = TokenIndex::default().with(record);
    println!("minted a token for one provider and one hour");

    // A request brings it. Recognising goes by the prefix, so that no damaged token ever passes for something
    // else; parsing checks the form and the checksum before anything is looked up.
    let presented = token.text.expose();
    println!("ours by its prefix: {}", is_ours(presented));
    let (_last, typo) = presented.split_last().ok_or("an empty token")?;
    println!(
        "with a character missing: {}",
        described(TokenText::parse(typo))
    );

    // Decide. The reason of a refusal is for the log, not for the client.
    let ask = RunAsk {
        account,
        gateway: "default",
        provider: "openai",
        alias: Some("default"),
        class: 1,
        model: Model::Named("gpt-5"),
        source: "203.0.113.7".parse()?,
    };
    let digest = TokenText::parse(presented)?.digest();
    let decide = |index: &TokenIndex, ask: &RunAsk<'_>, now| match index.find(&digest, now) {
        None => "unknown token".to_owned(),
        Some(token) => match decide_run(token.record.kind, &token.record.grant, ask, now) {
            Decision::Allow => "allowed".to_owned(),
            Decision::Deny(reason) => format!("refused: {reason}"),
        },
    };
    println!("openai: {}", decide(&index, &ask, now));
    let other = RunAsk {
        provider: "anthropic",
        ..ask
    };
    println!("anthropic: {}", decide(&index, &other, now));
    let tomorrow = now + Duration::from_secs(86_400);
    println!("openai, tomorrow: {}", decide(&index, &ask, tomorrow));

    // Revoke. The next index does not know the token; readers swap to it when they like.
    let index = index.without(id);
    println!("openai, revoked: {}", decide(&index, &ask, now));
    Ok(())
}

fn described<T, E: Error>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "parsed".to_owned(),
        Err(error) => format!("refused: {error}"),
    }
}
