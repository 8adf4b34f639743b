//! Who has signed in to the pages: a browser keeps a random number, never the token.
//!
//! Only hashes of the numbers are kept, so looking one up takes no time that would tell anything of it.

use crate::callers::{Asking, Role};
use axum::http::{HeaderMap, header};
use counterfoil_judge::Time;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The cookie's name.
pub(super) const COOKIE: &str = "counterfoil_session";

/// How long a session lasts, in seconds: a working day.
pub(super) const LASTS_S: i64 = 8 * 3_600;

/// Sessions at a time; beyond that the one that would end first ends.
const SESSIONS_MAX: usize = 1_024;

/// Random bytes of a session's number and of its forms' token.
const RANDOM_BYTES: usize = 32;

/// Everybody who has signed in.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<blake3::Hash, Session>>);

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    name: Arc<str>,
    role: Role,
    /// What each form that he is given has in it.
    pub(super) form_token: Arc<str>,
    ends: Time,
}

impl Session {
    /// Who that is.
    pub(crate) fn asking(&self) -> Asking {
        Asking::Known(Arc::clone(&self.name), self.role)
    }
}

impl Sessions {
    /// Begins a session at `now`; gives its number, for the cookie.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub(super) fn begin(&self, name: &Arc<str>, role: Role, now: Time) -> Result<String, getrandom::Error> {
        let (number, form_token) = (random()?, random()?.into());
        let session =
            Session { name: Arc::clone(name), role, form_token, ends: now.plus(LASTS_S * 1_000_000_000) };
        let mut sessions = self.lock();
        sessions.retain(|_, session| now < session.ends);
        if sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, session)| session.ends).map(|(number, _)| *number);
            first.and_then(|number| sessions.remove(&number));
        }
        sessions.insert(blake3::hash(number.as_bytes()), session);
        Ok(number)
    }

    /// The session that a request shows, if it goes on at `now`.
    pub(crate) fn of(&self, headers: &HeaderMap, now: Time) -> Option<Session> {
        let number = shown(headers)?;
        self.lock().get(&number).filter(|session| now < session.ends).cloned()
    }

    /// Ends the session that a request shows.
    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(number) = shown(headers) {
            self.lock().remove(&number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<blake3::Hash, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of the number that a request shows.
fn shown(headers: &HeaderMap) -> Option<blake3::Hash> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut ours = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    ours.next().map(|number| blake3::hash(number.as_bytes()))
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(blake3::Hash::from_bytes(bytes).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use axum::http::HeaderValue;

    fn cookies(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(line).unwrap())])
    }

    fn begin(sessions: &Sessions, at: Time) -> HeaderMap {
        let number = sessions.begin(&"alice".into(), Role::Operator, at).unwrap();
        cookies(&format!("other=1; {COOKIE}={number}"))
    }

    #[test]
    fn a_session_is_its_number_s_until_it_ends() {
        let sessions = Sessions::default();
        let (headers, second) = (begin(&sessions, Time(0)), begin(&sessions, Time(0)));
        let session = sessions.of(&headers, Time(1)).unwrap();
        assert_eq!(session.asking(), Asking::Known("alice".into(), Role::Operator));
        assert_ne!(session.form_token, sessions.of(&second, Time(1)).unwrap().form_token);
        for other in ["", "counterfoil_session=", "counterfoil_session=00", "xcounterfoil_session=1"] {
            assert!(sessions.of(&cookies(other), Time(1)).is_none(), "{other}");
        }
        assert!(sessions.of(&headers, Time(LASTS_S * 1_000_000_000)).is_none(), "its time is over");
        sessions.end(&headers);
        assert!(sessions.of(&headers, Time(1)).is_none() && sessions.of(&second, Time(1)).is_some());
    }

    #[test]
    fn there_are_no_more_than_so_many_and_the_oldest_goes_first() {
        let sessions = Sessions::default();
        let all: Vec<_> =
            (0..=SESSIONS_MAX).map(|at| begin(&sessions, Time(at.cast_signed() as i64))).collect();
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
        let goes_on = |at: usize| all.get(at).is_some_and(|headers| sessions.of(headers, Time(9)).is_some());
        assert!(!goes_on(0) && goes_on(1) && goes_on(SESSIONS_MAX));
        begin(&sessions, Time(2 * LASTS_S * 1_000_000_000));
        assert_eq!(sessions.lock().len(), 1, "those that are over are not kept");
    }
}
