//! A pool as an argument: `PROVIDER[:STRATEGY]=ALIAS[:WEIGHT],…`.

use keyward_registry::{Alias, Member, Pool, PoolStrategy, ProviderSlug, Weight};

/// Parses `openai=team-a:3,team-b` or `openai:ordered=main,spare`. Without a strategy it is by weight.
pub(crate) fn parse(text: &str) -> Result<Pool, String> {
    let (target, members) = text
        .split_once('=')
        .ok_or("a pool looks like openai=team-a:3,team-b")?;
    let (provider, strategy) = match target.split_once(':') {
        Some((provider, strategy)) => {
            let strategy = PoolStrategy::parse(strategy);
            (
                provider,
                strategy.map_err(|error| format!("the strategy {error}"))?,
            )
        }
        None => (target, PoolStrategy::Weighted),
    };
    let provider = ProviderSlug::parse(provider).map_err(|error| error.to_string())?;
    let members = members.split(',').map(member).collect::<Result<_, _>>()?;
    Pool::new(provider, strategy, members).map_err(|error| format!("a pool {error}"))
}

fn member(text: &str) -> Result<Member, String> {
    let (alias, weight) = match text.split_once(':') {
        Some((alias, weight)) => {
            let weight = weight.parse().unwrap_or_default();
            let weight = Weight::new(weight).map_err(|error| format!("a weight {error}"))?;
            (alias, weight)
        }
        None => (text, Weight::default()),
    };
    Ok(Member {
        alias: Alias::parse(alias).map_err(|error| error.to_string())?,
        weight,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = parse(text).map(|pool| serde_json::to_string(&pool).unwrap());
        assert_eq!(
            found.as_ref().map(String::as_str).map_err(String::as_str),
            expected,
            "{text}"
        );
    }

    #[test]
    fn a_pool_is_read_as_it_is_written() {
        check(
            "openai=team-a:3,team-b",
            Ok(
                r#"{"provider":"openai","strategy":"weighted","members":[{"alias":"team-a","weight":3},{"alias":"team-b","weight":1}]}"#,
            ),
        );
        check(
            "custom-llm:ordered=a,b",
            Ok(
                r#"{"provider":"custom-llm","strategy":"ordered","members":[{"alias":"a","weight":1},{"alias":"b","weight":1}]}"#,
            ),
        );
    }

    #[test]
    fn what_is_none_is_told() {
        check("openai", Err("a pool looks like openai=team-a:3,team-b"));
        check("openai=a", Err("a pool must list 2 to 16 keys"));
        check(
            "openai=a,a",
            Err("a pool lists the alias `a` twice; give it a weight instead"),
        );
        for weight in ["0", "1001", "70000", "x", ""] {
            check(
                &format!("openai=a:{weight},b"),
                Err("a weight must be a whole number from 1 to 1000"),
            );
        }
        check(
            "openai:random=a,b",
            Err("the strategy must be `ordered`, `weighted` or `conversation`"),
        );
        assert!(parse("Open AI=a,b").is_err());
        assert!(parse("openai=a,b b").is_err());
    }
}
