//! Held against another implementation: what the `radius` crate writes we read, and the reverse.
//! Not its tagged numbers and Tunnel-Password, which have an octet more, or less, than RFC 2868 says.

use std::net::Ipv4Addr;

use dictionaries::{Dictionary, Value};
use proptest::prelude::*;
use proto::{Code, Packet, Reply, Request, Secret, attribute, verify_reply};
use radius::core::avp::AVP;
use radius::core::code::Code as TheirCode;
use radius::core::packet::Packet as TheirPacket;
use radius::core::rfc2865 as theirs;
use radius::core::rfc2868;
use radius::core::tag::Tag;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn we_read_what_they_write(
        secret in "[ -~]{1,80}",
        name in "[ -~]{1,64}",
        password in "[ -~]{1,128}",
        port: u32,
        address: [u8; 4],
        tag in 1_u8..32,
        class in prop::collection::vec(any::<u8>(), 1..253),
    ) {
        let mut packet = TheirPacket::new(TheirCode::AccessRequest, secret.as_bytes());
        theirs::add_user_name(&mut packet, &name);
        theirs::add_user_password(&mut packet, password.as_bytes()).expect("short enough");
        theirs::add_nas_ip_address(&mut packet, &Ipv4Addr::from(address));
        theirs::add_nas_port(&mut packet, port);
        packet.add(AVP::from_bytes(attribute::CLASS, &class));
        rfc2868::add_tunnel_private_group_id(&mut packet, Some(&Tag::new(tag)), &name);
        let datagram = packet.encode().expect("encodes");

        let (secret, dictionary) = (Secret::new(secret.as_bytes()), Dictionary::shipped());
        let ours = Packet::parse(&datagram).expect("parses");
        prop_assert_eq!(secret.verify_request(&ours), Ok(false));
        prop_assert_eq!(ours.find(attribute::USER_NAME), Some(name.as_bytes()));
        prop_assert_eq!(ours.find(attribute::NAS_PORT), Some(&port.to_be_bytes()[..]));
        prop_assert_eq!(ours.find(attribute::NAS_IP_ADDRESS), Some(&address[..]));
        prop_assert_eq!(ours.find(attribute::CLASS), Some(&class[..]));
        let hidden = ours.find(attribute::USER_PASSWORD).expect("is there");
        let clear = secret.reveal_user_password(hidden, ours.authenticator());
        prop_assert_eq!(clear.map(|clear| clear.to_vec()), Ok(password.into_bytes()));
        let instances = |name| {
            ours.instances(dictionary.attribute(name).expect("known"), &dictionary, &secret)
        };
        let group = Value::String(name.as_bytes().into());
        prop_assert_eq!(&instances("Tunnel-Private-Group-Id")[..], &[(Some(tag), group)]);
    }

    #[test]
    fn they_read_what_we_write(
        secret in "[ -~]{1,80}",
        name in "[ -~]{1,64}",
        password in "[ -~]{1,128}",
        authenticator: [u8; 16],
        timeout: u32,
        tag in 1_u8..32,
        message in "[ -~]{1,253}",
    ) {
        let dictionary = Dictionary::shipped();
        let ours = Secret::new(secret.as_bytes());
        let mut request = Request::new(Code::AccessRequest, 7, authenticator);
        request.raw(attribute::USER_NAME, name.as_bytes());
        request.user_password(password.as_bytes(), &ours);
        let request = request.finish(&ours);
        let packet = TheirPacket::decode(&request, secret.as_bytes()).expect("decodes");
        prop_assert_eq!(theirs::lookup_user_name(&packet).expect("is there").expect("reads"), &*name);
        let clear = theirs::lookup_user_password(&packet).expect("is there").expect("reads");
        prop_assert_eq!(clear, password.into_bytes());

        let packet = Packet::parse(&request).expect("our own");
        prop_assert_eq!(ours.verify_request(&packet), Ok(true));
        let mut reply = Reply::new(Code::AccessAccept, &packet);
        let mut pair = |name: &str, tag, value| {
            reply.pair(dictionary.attribute(name).expect("known"), tag, &value, &ours)
        };
        pair("Session-Timeout", None, Value::Integer(timeout)).expect("fits");
        pair("Reply-Message", None, Value::String(message.as_bytes().into())).expect("fits");
        let group = Value::String(name.as_bytes().into());
        pair("Tunnel-Private-Group-Id", Some(tag), group).expect("fits");
        let reply = reply.finish(&ours);
        prop_assert!(TheirPacket::is_authentic_response(&reply, &request, secret.as_bytes()));
        prop_assert!(verify_reply(&request, &reply, &ours).is_ok());
        let packet = TheirPacket::decode(&reply, secret.as_bytes()).expect("decodes");
        let read = theirs::lookup_session_timeout(&packet).expect("is there").expect("reads");
        prop_assert_eq!(read, timeout);
        let read = theirs::lookup_reply_message(&packet).expect("is there").expect("reads");
        prop_assert_eq!(read, message);
        let (read, read_tag) =
            rfc2868::lookup_tunnel_private_group_id(&packet).expect("is there").expect("reads");
        prop_assert_eq!((read, read_tag.map(|tag| tag.get_value())), (name, Some(tag)));
    }

    #[test]
    fn accounting_requests_are_authentic_to_both(secret in "[ -~]{1,80}", session in "[ -~]{1,200}") {
        let ours = Secret::new(secret.as_bytes());
        let mut request = Request::new(Code::AccountingRequest, 9, [0; 16]);
        request.raw(attribute::ACCT_STATUS_TYPE, &1_u32.to_be_bytes());
        request.raw(attribute::ACCT_SESSION_ID, session.as_bytes());
        let request = request.finish(&ours);
        prop_assert!(TheirPacket::is_authentic_request(&request, secret.as_bytes()));
        let packet = Packet::parse(&request).expect("our own");
        prop_assert_eq!(ours.verify_request(&packet), Ok(false));
    }
}
