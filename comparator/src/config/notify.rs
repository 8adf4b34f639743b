//! The section `notify`: who is told of divergences, of which, and how.

mod written;

pub use written::{WrittenKind, WrittenNotify, WrittenReceiver};

use super::WrittenWebhook;
use crate::contract::Contracts;
use crate::ledger::State;
use crate::notify::{Channel, Receiver, Settings, SigningSecret};
use crate::outbound::Address;
use counterfoil_keys::{KeyError, SecretLine, Token};
use counterfoil_settings::Problems;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Where an Alertmanager takes alerts, below its own address.
const ALERTS: &str = "/api/v2/alerts";

/// How often an Alertmanager is told again what is open: it takes what it does not hear of for resolved.
const ALERTMANAGER_REPEAT_MS: u32 = 60_000;

/// As it is used by a comparator of these contracts; `None` if there are problems.
pub(super) fn used(
    written: &WrittenNotify,
    contracts: &Contracts,
    problems: &mut Problems,
) -> Option<Settings> {
    let external_url = written.external_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    if let Some(Err(why)) = external_url.as_deref().map(Address::parse) {
        problems.add("notify.external_url", why);
    }
    let mut receivers: Vec<Receiver> = Vec::new();
    for (at, one) in written.receivers.iter().enumerate() {
        let path = format!("notify.receivers[{at}]");
        if written.receivers.iter().take(at).any(|other| other.name == one.name) {
            problems.add(
                format!("{path}.name"),
                format!("`{}` is there twice; give each a name of its own", one.name),
            );
        }
        receivers.extend(one.used(&path, contracts, problems));
    }
    let severities =
        contracts.iter().map(|contract| (contract.name.to_string(), contract.severity)).collect();
    (receivers.len() == written.receivers.len()).then_some(Settings { external_url, severities, receivers })
}

impl WrittenReceiver {
    fn used(&self, path: &str, contracts: &Contracts, problems: &mut Problems) -> Option<Receiver> {
        let channel = self.channel(path, problems);
        let maps = self.maps(path, contracts, problems);
        let on: BTreeSet<_> = self.on.iter().copied().collect();
        self.check_turns(path, &on, problems);
        let repeat_ms = match self.kind {
            WrittenKind::Alertmanager => self.repeat_ms.unwrap_or(ALERTMANAGER_REPEAT_MS),
            _ => self.repeat_ms.unwrap_or(0),
        };
        Some(Receiver {
            name: self.name.as_str().into(),
            channel: channel?,
            maps,
            on,
            rate_per_minute_max: self.rate_per_minute_max.into(),
            group_wait: Duration::from_millis(self.group_wait_ms.into()),
            repeat: (repeat_ms > 0).then(|| Duration::from_millis(repeat_ms.into())),
            timeout: Duration::from_millis(self.timeout_ms.into()),
            give_up_after: Duration::from_secs(u64::from(self.give_up_after_h) * 3600),
            include_key: self.include_key,
        })
    }

    /// The names of the maps that the patterns let through, of the severities that are wanted.
    fn maps(&self, path: &str, contracts: &Contracts, problems: &mut Problems) -> BTreeSet<String> {
        let mut maps = BTreeSet::new();
        for (at, pattern) in self.maps.iter().enumerate() {
            let mut matching =
                contracts.iter().filter(|contract| matches(pattern, &contract.name)).peekable();
            if matching.peek().is_none() {
                let message = format!(
                    "`{pattern}`: no map has such a name; write one of maps[].name, or `*` for any characters"
                );
                problems.add(format!("{path}.maps[{at}]"), message);
            }
            let wanted = matching.filter(|contract| self.severities.contains(&contract.severity));
            maps.extend(wanted.map(|contract| contract.name.to_string()));
        }
        maps
    }

    fn check_turns(&self, path: &str, on: &BTreeSet<State>, problems: &mut Problems) {
        let path = |key: &str| format!("{path}.{key}");
        if !on.contains(&State::Opened) && !on.contains(&State::Confirmed) {
            problems.add(path("on"), "tells of no begin; write `opened` or `confirmed` too");
        }
        if self.kind == WrittenKind::Alertmanager && !on.contains(&State::Resolved) {
            problems.add(path("on"), "an Alertmanager has to hear of the end; write `resolved` too");
        }
        if self.kind == WrittenKind::Alertmanager && self.repeat_ms == Some(0) {
            let message =
                "is 0; an Alertmanager takes what it does not hear of for resolved, write 30000 to 180000";
            problems.add(path("repeat_ms"), message);
        }
    }

    fn channel(&self, path: &str, problems: &mut Problems) -> Option<Channel> {
        let count = problems.0.len();
        let mut keys = Keys { path, kind: self.kind, problems };
        let channel = match self.kind {
            WrittenKind::Webhook => {
                let url = keys.needed("url", self.url.as_ref()).and_then(|url| keys.address("url", url));
                let secret = keys.signing_secret(self.secret_file.as_deref());
                url.zip(secret).map(|(url, secret)| Channel::Webhook { url, secret })
            }
            WrittenKind::Alertmanager => {
                let url = keys.needed("url", self.url.as_ref()).and_then(|url| keys.address("url", url));
                let token = self.token_file.as_deref();
                let token = token.and_then(|file| keys.file("token_file", Some(file), Token::from_file));
                url.map(|url| Channel::Alertmanager { url: url.below(ALERTS), token })
            }
            WrittenKind::Slack => {
                let url = keys.file("url_file", self.url_file.as_deref(), SecretLine::from_file);
                url.and_then(|url| keys.address("url_file", url.expose())).map(|url| Channel::Slack { url })
            }
            WrittenKind::Pagerduty => {
                let url = keys.address("url", self.url.as_deref().unwrap_or(PAGERDUTY));
                let key = keys.file("routing_key_file", self.routing_key_file.as_deref(), Token::from_file);
                url.zip(key).map(|(url, routing_key)| Channel::PagerDuty { url, routing_key })
            }
        };
        self.refuse_others(&mut keys);
        channel.filter(|_| problems.0.len() == count)
    }

    /// Notes keys that mean nothing for the kind.
    fn refuse_others(&self, keys: &mut Keys<'_>) {
        use WrittenKind::{Alertmanager, Pagerduty, Slack, Webhook};
        let given: [(&str, bool, &[WrittenKind]); 5] = [
            ("url", self.url.is_some(), &[Webhook, Alertmanager, Pagerduty]),
            ("url_file", self.url_file.is_some(), &[Slack]),
            ("secret_file", self.secret_file.is_some(), &[Webhook]),
            ("token_file", self.token_file.is_some(), &[Alertmanager]),
            ("routing_key_file", self.routing_key_file.is_some(), &[Pagerduty]),
        ];
        for (key, is_given, kinds) in given {
            if is_given && !kinds.contains(&self.kind) {
                let why =
                    if key == "url" { "its address is a secret, write url_file" } else { "leave it out" };
                keys.add(key, format!("not with kind `{}`; {why}", self.kind.label()));
            }
        }
    }
}

impl WrittenKind {
    const fn label(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
            Self::Slack => "slack",
            Self::Pagerduty => "pagerduty",
        }
    }
}

/// Where tasks are posted to, and what they are signed with.
pub(super) fn webhook(
    WrittenWebhook { url, secret_file }: &WrittenWebhook,
    path: &str,
    problems: &mut Problems,
) -> Option<(Address, SigningSecret)> {
    let mut keys = Keys { path, kind: WrittenKind::Webhook, problems };
    let url = keys.address("url", url);
    url.zip(keys.signing_secret(Some(secret_file)))
}

/// The keys of a receiver, and what is wrong with them.
struct Keys<'a> {
    path: &'a str,
    kind: WrittenKind,
    problems: &'a mut Problems,
}

impl Keys<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.problems.add(format!("{}.{key}", self.path), message);
    }

    fn needed<T>(&mut self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(key, format!("missing; kind `{}` needs it", self.kind.label()));
        }
        value
    }

    fn good<T>(&mut self, key: &str, found: Result<T, &'static str>) -> Option<T> {
        found.map_err(|why| self.add(key, why)).ok()
    }

    fn address(&mut self, key: &str, text: &str) -> Option<Address> {
        self.good(key, Address::parse(text))
    }

    fn signing_secret(&mut self, file: Option<&Path>) -> Option<SigningSecret> {
        let secret = self.file("secret_file", file, SecretLine::from_file)?;
        self.good("secret_file", SigningSecret::of(&secret))
    }

    fn file<T>(
        &mut self,
        key: &str,
        file: Option<&Path>,
        read: impl FnOnce(&Path) -> Result<T, KeyError>,
    ) -> Option<T> {
        let file = self.needed(key, file)?;
        read(file).map_err(|error| self.add(key, error.to_string())).ok()
    }
}

/// Whether `pattern`, in which a `*` stands for any characters, is `name`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    parts.all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests;
