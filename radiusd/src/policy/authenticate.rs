//! Which way to log in counts, and whether the password fits: PAP, CHAP, MS-CHAP, digest.

use std::borrow::Cow;

use dictionaries::Attribute;
use proto::attribute::{CHAP_PASSWORD, EAP_MESSAGE, USER_PASSWORD};
use proto::chap::Chap;
use proto::digest::Digest;
use proto::mschap::MsChap;
use proto::{BadPassword, Stored};
use smallvec::SmallVec;
use subtle::ConstantTimeEq;

use super::decision::{Case, Halt};
use super::list::{Held, first};
use super::methods::Method;
use super::need::SlowPassword;
use super::role::Role;
use super::rows::{More, stored};
use super::trace::{Recorder, TraceStep};
use super::{Need, Reason};

const REJECT: u64 = 4;
const ACCEPT: u64 = 254;
/// RFC 2865 §5.2.
const PASSWORD_MAX: usize = 128;

/// A stored password of the control list.
pub(super) enum Known<'l> {
    Clear(&'l [u8]),
    Stored(Cow<'l, Stored>),
    Bad(BadPassword),
}

impl<'a, R: Recorder> Case<'_, 'a, R> {
    /// CHAP, MS-CHAP and digest are chosen by what was sent, before rows are read.
    pub(super) fn find_login(&mut self) -> Result<(), Halt> {
        let packet = self.request.packet;
        let eap = packet.find(EAP_MESSAGE).is_some();
        if packet.find(CHAP_PASSWORD).is_some_and(|octets| !octets.is_empty()) {
            self.choose(Method::Chap);
        } else if MsChap::find(packet).is_some() {
            self.choose(Method::MsChap);
        } else if Digest::find(packet).is_some() {
            self.choose(Method::Digest);
        }
        if eap { Err(Halt::Refuse(Reason::EapNotSupported)) } else { Ok(()) }
    }

    fn choose(&mut self, method: Method) {
        self.recorder.note(|| TraceStep::Login { method: method.name().into() });
        if let Some(pair) = self.request.methods.pair(method) {
            let pair = Cow::Borrowed(pair);
            self.control.push(Held { pair, role: Role::AuthType, item: None, mute: false });
        }
    }

    /// The last module: a known password and a sent one make PAP, unless something was chosen.
    pub(super) fn find_password(&mut self) {
        let known = self.control.iter().any(|held| match held.role {
            Role::Password => !held.pair.attribute.name.starts_with("PBKDF2-"),
            Role::CryptPassword | Role::PasswordWithHeader => true,
            _ => false,
        });
        let chosen = first(&self.control, Role::AuthType).is_some();
        if known && !chosen && self.sent_password().is_some() {
            self.choose(Method::Pap);
        }
    }

    /// The octets of the first User-Password, hidden.
    fn sent_password(&self) -> Option<&'a [u8]> {
        self.request.packet.find_all(USER_PASSWORD).find(|octets| !octets.is_empty())
    }

    /// Or something that only its user could compute.
    fn sends_password(&self) -> bool {
        let packet = self.request.packet;
        self.sent_password().is_some()
            || packet.find(CHAP_PASSWORD).is_some_and(|octets| !octets.is_empty())
            || MsChap::find(packet).is_some()
            || Digest::find(packet).is_some()
    }

    pub(super) fn authenticate(&mut self) -> Result<(), Halt> {
        let types = self.control.iter().filter(|held| held.role == Role::AuthType);
        let mut last: Option<&Held<'a>> = None;
        for held in types {
            last = Some(held);
            if held.pair.value.as_u64() == Some(REJECT) {
                break;
            }
        }
        let Some(held) = last else { return Err(self.no_way_in()) };
        let number = held.pair.value.as_u64().unwrap_or(0);
        let attribute = &held.pair.attribute;
        self.recorder
            .note(|| TraceStep::AuthType { name: method_name(attribute, number).into_owned() });
        match (number, self.request.methods.numbered(number)) {
            (REJECT, _) => Err(Halt::Refuse(Reason::AuthTypeReject)),
            (ACCEPT, _) => Ok(()),
            (_, Some(Method::Pap)) => self.pap(),
            (_, Some(Method::Chap)) => self.chap(),
            (_, Some(Method::MsChap)) => self.ms_chap(),
            (_, Some(Method::Digest)) => self.digest(),
            (_, None) => Err(Halt::Refuse(Reason::AuthTypeUnfit)),
        }
    }

    pub(super) fn no_way_in(&mut self) -> Halt {
        let (reason, why) = if !self.seen.known {
            (Reason::UnknownUser, "the user has no rows")
        } else if self.seen.unfit {
            (Reason::ChecksFailed, "the user's check rows don't fit")
        } else if !self.sends_password() {
            (Reason::NoPasswordSent, "the request has no password")
        } else {
            (Reason::NoPasswordKnown, "no row that counts holds a password to compare with")
        };
        self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
        Halt::Refuse(reason)
    }

    fn pap(&mut self) -> Result<(), Halt> {
        let packet = self.request.packet;
        let Some(hidden) = self.sent_password() else {
            let why = "the request has no User-Password, as Auth-Type PAP needs";
            self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
            return Err(Halt::Refuse(Reason::AuthTypeUnfit));
        };
        let typed = self.request.secret.reveal_user_password(hidden, packet.authenticator());
        let typed = match typed {
            Ok(typed) if !typed.is_empty() && hidden.len() <= PASSWORD_MAX => typed,
            _ => {
                let why = "the User-Password is empty or too long";
                self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
                return Err(Halt::Refuse(Reason::BadPasswordSent));
            }
        };
        let passwords = passwords(&self.control);
        let Some((attribute, known)) = passwords.into_iter().next() else {
            return Err(self.no_way_in());
        };
        let fits = match known {
            Known::Clear(clear) => clear.ct_eq(&typed).into(),
            Known::Bad(why) => {
                let why = bad_password(why);
                self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
                return Err(Halt::Refuse(Reason::BadStoredPassword));
            }
            Known::Stored(stored) if stored.is_slow() => match self.facts.answers.slow_password {
                Some(fits) => fits,
                None => {
                    let stored = stored.into_owned();
                    let slow = SlowPassword { stored, typed: typed.to_vec() };
                    return Err(self.wait(vec![Need::SlowPassword(slow)]));
                }
            },
            Known::Stored(stored) => stored.pap(&typed),
        };
        compared(self.recorder, attribute, fits)
    }

    fn chap(&mut self) -> Result<(), Halt> {
        let chap = match Chap::find(self.request.packet) {
            Some(Ok(chap)) => chap,
            Some(Err(_)) => return Err(Halt::Refuse(Reason::BadPasswordSent)),
            None => return Err(Halt::Refuse(Reason::AuthTypeUnfit)),
        };
        let passwords = passwords(&self.control);
        let clear = passwords.iter().find_map(|(attribute, known)| match known {
            Known::Clear(clear) => Some((*attribute, chap.check(clear))),
            _ => None,
        });
        let none = passwords.is_empty();
        drop(passwords);
        match clear {
            Some((attribute, fits)) => compared(self.recorder, attribute, fits),
            None if none => Err(self.no_way_in()),
            None => {
                let why = "CHAP needs the password in clear";
                self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
                Err(Halt::Refuse(Reason::PasswordFormUnfit))
            }
        }
    }

    pub(super) fn no_password(&mut self, why: &'static str) -> Halt {
        self.recorder.note(|| TraceStep::NoPassword { why: why.into() });
        self.no_way_in()
    }
}

/// Notes the row of the password, and ends here when it doesn't fit.
pub(super) fn compared<R: Recorder>(
    recorder: &mut R,
    attribute: &Attribute,
    fits: bool,
) -> Result<(), Halt> {
    recorder.note(|| TraceStep::Password { attribute: attribute.name.to_string(), fits });
    if fits { Ok(()) } else { Err(Halt::Refuse(Reason::WrongPassword)) }
}

fn method_name(attribute: &Attribute, number: u64) -> Cow<'_, str> {
    let name = u32::try_from(number).ok().and_then(|number| attribute.value_name(number));
    name.map_or_else(|| number.to_string().into(), Cow::Borrowed)
}

fn bad_password(why: BadPassword) -> &'static str {
    match why {
        BadPassword::Length => "the stored password has the wrong length",
        BadPassword::Form => "the stored password is written in no known form",
        BadPassword::Cost => "the stored password costs more work than one login may",
    }
}

/// The stored passwords in the order in which they count. What a header said comes behind the
/// others, and not at all where there is one in clear.
pub(super) fn passwords<'l>(control: &'l [Held<'_>]) -> SmallVec<[(&'l Attribute, Known<'l>); 2]> {
    let is_clear = |held: &Held<'_>| &*held.pair.attribute.name == "Cleartext-Password";
    let has_clear = control.iter().any(|held| held.role == Role::Password && is_clear(held));
    let plain =
        control.iter().filter(|held| matches!(held.role, Role::Password | Role::CryptPassword));
    let headed = control.iter().filter(|held| held.role == Role::PasswordWithHeader && !has_clear);
    plain.chain(headed).filter_map(|held| Some((&*held.pair.attribute, known(held)?))).collect()
}

fn known<'l>(held: &'l Held<'_>) -> Option<Known<'l>> {
    let pair = &held.pair;
    let octets = pair.value.as_octets()?;
    if &*pair.attribute.name == "Cleartext-Password" {
        return Some(Known::Clear(octets));
    }
    // A row's own value was read with the row; an expanded or replaced one wasn't.
    let ready = held.item.and_then(|item| match item.more.as_deref() {
        Some(More::Stored(stored)) => Some(stored),
        _ => None,
    });
    Some(match ready {
        Some(Ok(Stored::Cleartext(clear))) => Known::Clear(clear),
        Some(Ok(stored)) => Known::Stored(Cow::Borrowed(stored)),
        Some(Err(why)) => Known::Bad(*why),
        None => match stored(&pair.attribute.name, &pair.value)? {
            Ok(stored) => Known::Stored(Cow::Owned(stored)),
            Err(why) => Known::Bad(why),
        },
    })
}
