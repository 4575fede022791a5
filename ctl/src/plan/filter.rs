//! A filter that a container is to have of its own: what its text says, and whether it stands beside its profile's or in its place. Pure.

use super::Host;
use crate::error::{Error, Outcome};
use policies::compile::{Otherwise, compile};
use policies::text::Policy;
use policies::texts;
use wire::ContainerName;
use wire::filter::{Filter, OwnFilter};
use wire::init::Profile;

/// A filter as it is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    policy: Policy,
    filter: Filter,
}

impl Asked {
    /// Reads its text. What is wrong is told with the file and the line.
    pub fn read(file: &str, text: &str) -> Outcome<Self> {
        let wrong = |e: policies::text::Wrong| Error::caller(e.to_string());
        let policy = texts::read_other(file, text).map_err(wrong)?;
        if let Some((fact, _)) = policy.facts.first() {
            return Err(Error::caller(format!(
                "{file}: a container's own filter has calls alone, and no {fact}"
            )));
        }
        let rules = policy.rules().map_err(wrong)?;
        compile(&rules, Otherwise::Missing).map_err(|e| Error::caller(format!("{file}: {e}")))?;
        let filter = Filter::try_from(rules).map_err(|e| Error::caller(format!("{file}: {e}")))?;
        Ok(Self { policy, filter })
    }

    /// In the place of the profile's if the host's policy names the container; else beside it, where what it allows beyond the profile could
    /// not be given, and is refused.
    pub fn decide(&self, profile: Profile, name: &ContainerName, host: &Host) -> Outcome<OwnFilter> {
        let in_place = host.policy.own_filter.contains(name);
        let own = OwnFilter {
            filter: self.filter.clone(),
            in_place,
        };
        if in_place {
            return Ok(own);
        }
        let wrong = |e: policies::text::Wrong| Error::Bug(e.to_string());
        let theirs = texts::read(texts::profile(profile)).map_err(wrong)?;
        let beyond = texts::allowing(&self.policy).find(|r| !texts::allowing(&theirs).any(|t| t.name == r.name));
        match beyond {
            None => Ok(own),
            Some(rule) => {
                let missing = match host.user {
                    true => super::user::NOBODYS.to_owned(),
                    false => format!("/etc/lazaret.policy has no `seccomp` for {name}"),
                };
                Err(Error::caller(format!(
                    "{}:{}: {} is not a call of the profile {}, and {missing}",
                    rule.place.0,
                    rule.place.1,
                    rule.name,
                    texts::profile(profile)
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::host;
    use super::*;

    const LEAST: &str = "[calls]\nexecve | any: it is executed | x\nexit_group | any | x\n";

    fn refusal(more: &str) -> String {
        Asked::read("f", &format!("{LEAST}{more}")).unwrap_err().to_string()
    }

    #[test]
    fn refuses_what_no_filter_says_with_its_line() {
        assert_eq!(refusal("raed | any | x"), "f:4: unknown system call raed");
        assert_eq!(refusal("read | any"), "f:4: read has no reason");
        assert!(
            Asked::read("f", "")
                .unwrap_err()
                .to_string()
                .contains("must allow execve")
        );
        assert!(
            Asked::read("f", &format!("power KILL\n{LEAST}"))
                .unwrap_err()
                .to_string()
                .contains("no power")
        );
    }

    #[test]
    fn what_the_profile_lacks_takes_consent_for_this_container() {
        let name = ContainerName::new("web").unwrap();
        let decide = |more: &str, host: &Host| {
            let asked = Asked::read("f", &format!("{LEAST}{more}")).unwrap();
            asked.decide(Profile::App, &name, host)
        };
        let mut host = host();
        assert!(!decide("read | any | x", &host).unwrap().in_place);
        let refused = decide("read | any | x\nchroot | any: a test | x", &host)
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with("f:5: chroot is not a call of the profile app"),
            "{refused}"
        );
        host.policy.own_filter = vec![name.clone()];
        assert!(decide("chroot | any: a test | x", &host).unwrap().in_place);
    }

    #[test]
    fn the_profiles_themselves_can_be_included() {
        let asked = Asked::read(
            "f",
            "include payload.policy\n[calls]\nclone | arg0 without CLONE_NEWUSER | x",
        )
        .unwrap();
        let name = ContainerName::new("web").unwrap();
        assert!(asked.decide(Profile::App, &name, &host()).is_ok());
    }
}
