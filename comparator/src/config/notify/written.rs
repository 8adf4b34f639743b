//! The section `notify`, as a person writes it.

use crate::contract::Severity;
use crate::ledger::State;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Tells people of divergences. Without this section nobody is told; metrics, log and API have them all the same.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenNotify {
    /// Where people reach this comparator: links in messages begin with it, and it tells receivers which comparator speaks.
    /// Without it messages have no links.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub external_url: Option<String>,
    /// Who is told.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub receivers: Vec<WrittenReceiver>,
}

/// What a receiver understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenKind {
    /// CloudEvents 1.0 in JSON, signed as in Standard Webhooks.
    Webhook,
    /// Alerts of the Alertmanager's API v2.
    Alertmanager,
    /// Messages to an incoming webhook of Slack.
    Slack,
    /// Events of PagerDuty's Events API v2.
    Pagerduty,
}

/// Somebody who is told of divergences.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenReceiver {
    /// A name of his own, for log, metrics and status. What waits for him is kept under it.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,64}$"))]
    pub name: String,
    /// What he understands: `webhook`, `alertmanager`, `slack` or `pagerduty`.
    pub kind: WrittenKind,
    /// Where to post to: needed for `webhook`; for `alertmanager` its own address, `/api/v2/alerts` is put behind it; for
    /// `pagerduty` that of its events API unless something else is written.
    #[serde(default)]
    pub url: Option<String>,
    /// For `slack`: a file of the webhook's address, which is a secret, that others may not read (mode 0400).
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// For `webhook`: a file of the secret that messages are signed with, `whsec_` and 24 to 64 bytes in base 64 (mode 0400).
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// For `alertmanager`: a file of a bearer token to show to it, if it wants one (mode 0400).
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// For `pagerduty`: a file of the routing key, also called integration key (mode 0400).
    #[serde(default)]
    pub routing_key_file: Option<PathBuf>,
    /// The maps whose divergences he is told of, by their names; a `*` stands for any characters.
    #[serde(default = "every_map")]
    #[schemars(length(min = 1, max = 1_000))]
    pub maps: Vec<String>,
    /// Of which severities: those of the maps' contracts.
    #[serde(default = "every_severity")]
    #[schemars(length(min = 1, max = 3))]
    pub severities: Vec<Severity>,
    /// Of which turns: `opened` (seen), `confirmed` (outlived its deadline), `resolved`.
    #[serde(default = "confirmed_and_resolved")]
    #[schemars(length(min = 1, max = 3))]
    pub on: Vec<State>,
    /// Most messages in a minute. What is over it is told with the next message.
    #[serde(default = "rate_per_minute_max")]
    #[schemars(range(min = 1, max = 600))]
    pub rate_per_minute_max: u16,
    /// How long the first of a map's divergences waits for others to be told with it, in milliseconds.
    #[serde(default = "group_wait_ms")]
    #[schemars(range(max = 600_000))]
    pub group_wait_ms: u32,
    /// After how long he is told again that some are open, in milliseconds; 0 for never. Never if not given, but an Alertmanager
    /// each minute: it takes what it does not hear of for resolved.
    #[serde(default)]
    #[schemars(range(max = 604_800_000))]
    pub repeat_ms: Option<u32>,
    /// How long an answer may take, in milliseconds.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 100, max = 60_000))]
    pub timeout_ms: u32,
    /// How long a message is sent again and again before it is given up, in hours.
    #[serde(default = "give_up_after_h")]
    #[schemars(range(min = 1, max = 168))]
    pub give_up_after_h: u16,
    /// Whether messages have the keys of the divergences that they name. Values are never in them.
    #[serde(default)]
    pub include_key: bool,
}

fn every_map() -> Vec<String> {
    vec!["*".to_owned()]
}

fn every_severity() -> Vec<Severity> {
    vec![Severity::Critical, Severity::Warning, Severity::Info]
}

fn confirmed_and_resolved() -> Vec<State> {
    vec![State::Confirmed, State::Resolved]
}

const fn rate_per_minute_max() -> u16 {
    20
}

const fn group_wait_ms() -> u32 {
    10_000
}

const fn timeout_ms() -> u32 {
    10_000
}

const fn give_up_after_h() -> u16 {
    24
}
