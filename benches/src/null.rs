//! A RADIUS server without a policy: parse, verify, reveal, compare, answer, sign. What is left when nothing is decided.

use std::io::IoSlice;

use anyhow::Result;
use nix::sys::socket::MultiHeaders;
use proto::chap::Chap;
use proto::mschap::{self, MsChap};
use proto::{Code, Packet, Reply, Secret};

use crate::batch::{self, BATCH, Inbox};
use crate::echo::bind;
use crate::traffic::User;

/// Serves for ever on one thread.
pub fn serve(port: u16, secret: &[u8]) -> Result<()> {
    let secret = Secret::new(secret);
    let socket = bind(port)?;
    let mut inbox = Inbox::default();
    let mut headers = MultiHeaders::preallocate(BATCH, None);
    let mut replies: Vec<Vec<u8>> = (0..BATCH).map(|_| Vec::with_capacity(4096)).collect();
    loop {
        inbox.receive(&socket)?;
        let mut to = [None; BATCH];
        let mut count = 0;
        for (datagram, from) in inbox.iter() {
            let buffer = std::mem::take(&mut replies[count]);
            if let Some(reply) = answer(datagram, &secret, buffer) {
                replies[count] = reply;
                to[count] = from;
                count += 1;
            }
        }
        let mut slices = [[IoSlice::new(&[])]; BATCH];
        for (slice, reply) in slices.iter_mut().zip(&replies) {
            *slice = [IoSlice::new(reply)];
        }
        if count > 0 {
            batch::send(&socket, &mut headers, &slices[..count], &to[..count])?;
        }
    }
}

fn answer(datagram: &[u8], secret: &Secret, buffer: Vec<u8>) -> Option<Vec<u8>> {
    let packet = Packet::parse(datagram).ok()?;
    secret.verify_request(&packet).ok()?;
    let code = match packet.code() {
        Code::AccountingRequest => Code::AccountingResponse,
        _ => Code::AccessAccept,
    };
    if packet.code() != Code::AccessRequest {
        return Some(Reply::reuse(buffer, code, &packet).finish(secret));
    }
    let name = packet.find(1)?;
    let digits = std::str::from_utf8(name.get(4..)?).ok()?;
    let user = User(digits.parse().ok()?);
    let mut reply = Reply::reuse(buffer, code, &packet);
    if !login(&packet, secret, user, &mut reply)? {
        return Some(
            Reply::reuse(reply.finish(secret), Code::AccessReject, &packet).finish(secret),
        );
    }
    // What the seeded policy answers, in octets made beforehand.
    reply.raw(8, &user.framed_ip());
    reply.raw(26, b"\0\0\x3a\x8c\x08\x0910M/20M");
    reply.raw(7, &1u32.to_be_bytes());
    reply.raw(85, &300u32.to_be_bytes());
    reply.raw(27, &86400u32.to_be_bytes());
    Some(reply.finish(secret))
}

fn login(packet: &Packet<'_>, secret: &Secret, user: User, reply: &mut Reply) -> Option<bool> {
    let password = user.password();
    if let Some(hidden) = packet.find(2) {
        let clear = secret.reveal_user_password(hidden, packet.authenticator()).ok()?;
        return Some(clear[..] == password);
    }
    if let Some(chap) = Chap::find(packet) {
        return Some(chap.ok()?.check(&password));
    }
    let Some(Ok(MsChap::V2(login))) = MsChap::find(packet) else { return None };
    let hash = mschap::nt_hash(&password)?;
    let name = user.name();
    if !login.check(&hash, &name) {
        return Some(false);
    }
    let vendor = |reply: &mut Reply, number: u8, value: &[u8]| {
        let mut octets = vec![0, 0, 1, 55, number, value.len() as u8 + 2];
        octets.extend(value);
        reply.raw(26, &octets);
    };
    vendor(reply, 26, &login.success(&hash, &name));
    let keys = login.keys(&hash);
    for (number, key) in [(16, keys.send), (17, keys.receive)] {
        let mut hidden = Vec::new();
        secret.hide_tunnel(&key, packet.authenticator(), u16::from(number), &mut hidden);
        vendor(reply, number, &hidden);
    }
    Some(true)
}
