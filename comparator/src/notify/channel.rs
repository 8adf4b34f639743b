//! How a receiver is reached: where to, with which secret, in which words.

use super::signature::SigningSecret;
use super::{Common, Receiver, alertmanager, pagerduty, slack, webhook};
use crate::ledger::outbox::Message;
use crate::outbound::Address;
use bytes::Bytes;
use counterfoil_keys::Token;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// How a receiver is reached.
#[derive(Debug)]
pub enum Channel {
    /// CloudEvents, signed as in Standard Webhooks.
    Webhook {
        /// Where to.
        url: Address,
        /// What messages are signed with.
        secret: SigningSecret,
    },
    /// Alerts.
    Alertmanager {
        /// Where to.
        url: Address,
        /// What is shown to it.
        token: Option<Token>,
    },
    /// Messages to an incoming webhook of Slack.
    Slack {
        /// Where to; a secret.
        url: Address,
    },
    /// Events to PagerDuty.
    PagerDuty {
        /// Where to.
        url: Address,
        /// Which service they are for; a secret.
        routing_key: Token,
    },
}

impl Channel {
    /// Its kind, as it is written.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
        }
    }

    /// Where messages are posted to.
    pub(super) const fn address(&self) -> &Address {
        match self {
            Self::Webhook { url, .. }
            | Self::Alertmanager { url, .. }
            | Self::Slack { url }
            | Self::PagerDuty { url, .. } => url,
        }
    }

    /// Whether a message may have several groups.
    pub(super) const fn takes_several(&self) -> bool {
        matches!(self, Self::Alertmanager { .. })
    }
}

impl Receiver {
    /// The body of a message: the same each time it is sent.
    pub(super) fn body(&self, message: &Message, common: &Common) -> Bytes {
        let value = match &self.channel {
            Channel::Webhook { .. } => webhook::event(message, common),
            Channel::Alertmanager { .. } => Some(alertmanager::alerts(message, common, self.repeat)),
            Channel::Slack { .. } => slack::message(message, common),
            Channel::PagerDuty { routing_key, .. } => pagerduty::event(message, common, routing_key.expose()),
        };
        value.unwrap_or(Value::Null).to_string().into()
    }

    /// What stands in front of a message that is sent at this time: wall-clock, seconds since 1970.
    pub(super) fn headers(&self, message: &Message, body: &[u8], at_unix_s: i64) -> HeaderMap {
        if let Channel::Webhook { secret, .. } = &self.channel {
            return webhook::headers(secret, &message.id, at_unix_s, body);
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Channel::Alertmanager { token: Some(token), .. } = &self.channel {
            insert(&mut headers, AUTHORIZATION, &format!("Bearer {}", token.expose()));
        }
        headers
    }
}

/// All these texts are letters, digits and signs that may stand in a header.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(mut value) = HeaderValue::from_str(text) {
        value.set_sensitive(name == AUTHORIZATION);
        headers.insert(name, value);
    }
}
