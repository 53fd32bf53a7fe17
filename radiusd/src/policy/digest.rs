//! Digest logins, as a SIP or HTTP server passes them on.

use dictionaries::Attribute;
use proto::digest::{self, Digest, Part, Unusable};

use super::Reason;
use super::authenticate::{Known, compared, passwords};
use super::decision::{Case, Halt};
use super::list::{Held, first};
use super::role::Role;
use super::trace::{Recorder, TraceStep};

impl<R: Recorder> Case<'_, '_, R> {
    pub(super) fn digest(&mut self) -> Result<(), Halt> {
        let Some(login) = Digest::find(self.request.packet) else {
            let why =
                "the request is no digest login, as Auth-Type digest needs, or a malformed one";
            return Err(self.refuse(Reason::AuthTypeUnfit, why));
        };
        match check(&login, &self.control) {
            Some((attribute, Ok(fits))) => compared(self.recorder, attribute, fits),
            Some((_, Err(why))) => {
                let (reason, why) = in_words(why);
                Err(self.refuse(reason, why))
            }
            None if passwords(&self.control).is_empty() => Err(self.no_way_in()),
            None => {
                let why = "a digest login needs the password in clear, or Digest-HA1";
                Err(self.refuse(Reason::PasswordFormUnfit, why))
            }
        }
    }

    fn refuse(&mut self, reason: Reason, why: &'static str) -> Halt {
        self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
        Halt::Refuse(reason)
    }
}

/// Digest-HA1 goes before a password in clear, wherever they stand. `None`: there is neither.
fn check<'l>(
    login: &Digest<'_>,
    control: &'l [Held<'_>],
) -> Option<(&'l Attribute, Result<bool, Unusable>)> {
    if let Some(held) = first(control, Role::DigestHa1) {
        let text = held.pair.value.as_octets()?;
        return Some((&held.pair.attribute, login.check(digest::Known::Ha1(text))));
    }
    passwords(control).into_iter().find_map(|(attribute, known)| match known {
        Known::Clear(clear) => Some((attribute, login.check(digest::Known::Clear(clear)))),
        _ => None,
    })
}

fn in_words(why: Unusable) -> (Reason, &'static str) {
    let why = match why {
        Unusable::Ha1(_) => {
            let why = "the stored Digest-HA1 is not 32 hexadecimal digits";
            return (Reason::BadStoredPassword, why);
        }
        Unusable::Lacks(part) => lacks(part),
        Unusable::Odd(Part::Nonce) => "MD5-sess takes no nonce of an odd length",
        Unusable::Odd(_) => "MD5-sess takes no cnonce of an odd length",
        Unusable::Algorithm => "its algorithm is neither MD5 nor MD5-sess",
        Unusable::Qop => "its qop is neither auth nor auth-int",
        Unusable::Response => "its Digest-Response is not 32 hexadecimal digits",
    };
    (Reason::BadPasswordSent, why)
}

fn lacks(part: Part) -> &'static str {
    match part {
        Part::Realm => "the digest login has no realm",
        Part::Nonce => "the digest login has no nonce",
        Part::Method => "the digest login has no method",
        Part::Uri => "the digest login has no URI",
        Part::Qop => "the digest login has no qop",
        Part::Algorithm => "the digest login has no algorithm",
        Part::BodyDigest => "the digest login has no digest of the body, as auth-int needs",
        Part::CNonce => "the digest login has no cnonce",
        Part::NonceCount => "the digest login has no nonce count",
        Part::UserName => "the digest login has no user name",
    }
}
