//! What to type into a NAS so that it asks this server, by vendor.

use serde::Serialize;
use utoipa::ToSchema;

/// In the place of the secret, which only who may reveal it puts there.
pub const SECRET: &str = "<secret>";

/// A configuration to be copied.
#[derive(Serialize, ToSchema)]
pub struct Snippet {
    pub vendor: &'static str,
    /// Ready but for `<secret>`.
    pub text: String,
}

/// For a server at `server`, and a NAS that takes Disconnect-Request at `coa_port`.
#[must_use]
pub fn all(server: &str, name: &str, coa_port: u16) -> Vec<Snippet> {
    let all = [
        ("MikroTik RouterOS", MIKROTIK),
        ("Cisco IOS", CISCO),
        ("Juniper Junos", JUNIPER),
        ("Aruba AOS", ARUBA),
        ("Ubiquiti UniFi", UNIFI),
        ("hostapd", HOSTAPD),
        ("strongSwan", STRONGSWAN),
        ("OpenWrt, CoovaChilli", COOVA),
    ];
    let fill = |text: &str| {
        text.trim_start()
            .replace("{server}", server)
            .replace("{name}", name)
            .replace("{secret}", SECRET)
            .replace("{coa}", &coa_port.to_string())
    };
    all.into_iter().map(|(vendor, text)| Snippet { vendor, text: fill(text) }).collect()
}

const MIKROTIK: &str = "
/radius add service=ppp,hotspot,login,wireless address={server} secret=\"{secret}\" \\
    authentication-port=1812 accounting-port=1813 timeout=3s require-message-auth=yes-for-request-resp
/radius incoming set accept=yes port={coa}
/ppp aaa set use-radius=yes accounting=yes interim-update=5m
/ip hotspot profile set [find] use-radius=yes radius-accounting=yes radius-interim-update=5m
";

const CISCO: &str = "
aaa new-model
radius server {name}
 address ipv4 {server} auth-port 1812 acct-port 1813
 key {secret}
aaa group server radius RADIUS
 server name {name}
aaa authentication ppp default group RADIUS
aaa authorization network default group RADIUS
aaa accounting network default start-stop group RADIUS
aaa accounting update periodic 5
aaa server radius dynamic-author
 client {server} server-key {secret}
 port {coa}
";

const JUNIPER: &str = "
set access radius-server {server} secret \"{secret}\"
set access radius-server {server} port 1812
set access radius-server {server} accounting-port 1813
set access radius-server {server} dynamic-request-port {coa}
set access profile SUBSCRIBERS authentication-order radius
set access profile SUBSCRIBERS radius authentication-server {server}
set access profile SUBSCRIBERS radius accounting-server {server}
set access profile SUBSCRIBERS accounting order radius
set access profile SUBSCRIBERS accounting update-interval 10
";

const ARUBA: &str = "
aaa authentication-server radius \"{name}\"
   host {server}
   key {secret}
   authport 1812
   acctport 1813
aaa server-group \"radius-group\"
   auth-server {name}
aaa rfc-3576-server {server}
   key {secret}
";

const UNIFI: &str = "
Network application: Settings > Profiles > RADIUS > Create New
  Authentication server   {server}   port 1812   secret {secret}
  Accounting server       {server}   port 1813   secret {secret}
  Accounting: on, interim update interval 300 s
Wi-Fi > (network) > Security: WPA2/WPA3 Enterprise, or MAC authorization; RADIUS profile: the new one
RADIUS DAS/DAC (CoA): on, port {coa}
";

const HOSTAPD: &str = "
ieee8021x=1
wpa=2
wpa_key_mgmt=WPA-EAP
rsn_pairwise=CCMP
nas_identifier={name}
auth_server_addr={server}
auth_server_port=1812
auth_server_shared_secret={secret}
acct_server_addr={server}
acct_server_port=1813
acct_server_shared_secret={secret}
radius_acct_interim_interval=300
radius_das_port={coa}
radius_das_client={server} {secret}
";

const STRONGSWAN: &str = "
# strongswan.conf
charon {
  plugins {
    eap-radius {
      accounting = yes
      accounting_interval = 300
      nas_identifier = {name}
      servers {
        primary {
          address = {server}
          secret = {secret}
          auth_port = 1812
          acct_port = 1813
        }
      }
      dae {
        enable = yes
        listen = 0.0.0.0
        port = {coa}
        secret = {secret}
      }
    }
  }
}
";

const COOVA: &str = "
uci set chilli.@chilli[0].radiusserver1='{server}'
uci set chilli.@chilli[0].radiusserver2='{server}'
uci set chilli.@chilli[0].radiusauthport='1812'
uci set chilli.@chilli[0].radiusacctport='1813'
uci set chilli.@chilli[0].radiussecret='{secret}'
uci set chilli.@chilli[0].radiusnasid='{name}'
uci set chilli.@chilli[0].coaport='{coa}'
uci set chilli.@chilli[0].interval='300'
uci commit chilli && /etc/init.d/chilli restart
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_names_server_and_secret_and_leaves_nothing_open() {
        let all = all("192.0.2.10", "tower-1", 3799);
        assert_eq!(all.len(), 8);
        for Snippet { vendor, text } in all {
            assert!(text.contains("192.0.2.10") && text.contains(SECRET), "{vendor}");
            for left in ["{server}", "{name}", "{secret}", "{coa}"] {
                assert!(!text.contains(left), "{vendor}: {left}");
            }
        }
    }
}
