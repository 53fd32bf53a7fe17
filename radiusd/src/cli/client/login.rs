//! A password proved by PAP, CHAP, MS-CHAP or MS-CHAPv2.

use clap::ValueEnum;
use dictionaries::{Dictionary, Pair, Value};
use proto::mschap::{self, NtHash};
use proto::{Authenticator, Code, chap};
use radiusd::exit::{self, Failure};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    Pap,
    Chap,
    Mschap,
    Mschapv2,
}

/// What goes into the request, and what the server has to prove in return.
pub(super) struct Login {
    method: Method,
    password: Vec<u8>,
    name: Vec<u8>,
    identifier: u8,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
}

impl Login {
    pub fn new(
        method: Method,
        password: &str,
        pairs: &[Pair],
        identifier: u8,
    ) -> Result<Login, Failure> {
        let name = pairs.iter().find(|pair| &*pair.attribute.name == "User-Name");
        let Some(name) = name.and_then(|pair| pair.value.as_octets()) else {
            return Err(Failure::new(exit::USAGE, "--password needs User-Name=…"));
        };
        Ok(Login {
            method,
            password: password.as_bytes().to_vec(),
            name: mschap::peer_name(name).to_vec(),
            identifier,
            challenge: rand::random(),
            peer_challenge: rand::random(),
        })
    }

    /// The pairs that prove the password.
    pub fn pairs(
        &self,
        dictionary: &Dictionary,
        authenticator: &Authenticator,
    ) -> Result<Vec<Pair>, Failure> {
        let octets = |name: &str, octets: &[u8]| match dictionary.attribute(name) {
            Some(attribute) => {
                let value = Value::Octets(octets.into());
                Ok(Pair { attribute: attribute.clone(), tag: None, value })
            }
            None => Err(Failure::new(exit::SOFTWARE, format!("the dictionary lacks {name}"))),
        };
        match self.method {
            Method::Pap => {
                let mut pair = octets("User-Password", &[])?;
                pair.value = Value::String(self.password.as_slice().into());
                Ok(vec![pair])
            }
            Method::Chap => {
                let mut value = vec![self.identifier];
                value.extend(chap::response(self.identifier, &self.password, authenticator));
                Ok(vec![octets("CHAP-Password", &value)?])
            }
            Method::Mschap => {
                let [challenge @ .., _, _, _, _, _, _, _, _] = self.challenge;
                let mut value = vec![self.identifier, 1];
                value.extend([0; 24]);
                value.extend(mschap::challenge_response(&challenge, &self.nt_hash()?));
                Ok(vec![
                    octets("MS-CHAP-Challenge", &challenge)?,
                    octets("MS-CHAP-Response", &value)?,
                ])
            }
            Method::Mschapv2 => {
                let mut value = vec![self.identifier, 0];
                value.extend(self.peer_challenge);
                value.extend([0; 8]);
                value.extend(self.response(&self.nt_hash()?));
                Ok(vec![
                    octets("MS-CHAP-Challenge", &self.challenge)?,
                    octets("MS-CHAP2-Response", &value)?,
                ])
            }
        }
    }

    /// An accept of MS-CHAPv2 must prove that the server knows the password too.
    pub fn verify(&self, code: Code, answer: &[Pair]) -> Result<(), Failure> {
        if self.method != Method::Mschapv2 || code != Code::AccessAccept {
            return Ok(());
        }
        let nt_hash = self.nt_hash()?;
        let response = self.response(&nt_hash);
        let challenge = mschap::challenge_hash(&self.peer_challenge, &self.challenge, &self.name);
        let proof = mschap::authenticator_response(&nt_hash, &response, &challenge);
        let right = format!("S={}", hex::encode_upper(proof));
        let proved = answer.iter().any(|pair| {
            &*pair.attribute.name == "MS-CHAP2-Success"
                && pair.value.as_octets().is_some_and(|octets| octets.ends_with(right.as_bytes()))
        });
        if proved {
            return Ok(());
        }
        let why = "accepted, yet the server doesn't prove that it knows the password \
                   (MS-CHAP2-Success is missing or wrong)";
        Err(Failure::new(exit::FAILURE, why))
    }

    fn response(&self, nt_hash: &NtHash) -> [u8; 24] {
        let challenge = mschap::challenge_hash(&self.peer_challenge, &self.challenge, &self.name);
        mschap::challenge_response(&challenge, nt_hash)
    }

    fn nt_hash(&self) -> Result<NtHash, Failure> {
        mschap::nt_hash(&self.password)
            .ok_or_else(|| Failure::new(exit::USAGE, "MS-CHAP needs a password in UTF-8"))
    }
}
