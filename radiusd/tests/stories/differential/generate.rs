//! Cases that nobody thought of: seeded, weighted to what interacts, in the corpus's own text, so that
//! a failing one can be put into the corpus as it is printed.

use std::fmt::{Error, Write};

use crate::harness::random::Random;

/// What is compared and what it is compared with: values near each other, so that both outcomes
/// are common.
const COMPARED: [(&str, &[&str]); 9] = [
    ("NAS-Port", &["0", "1", "7", "8", "4294967290", "012"]),
    ("Service-Type", &["Framed-User", "Login-User", "2"]),
    ("Called-Station-Id", &["abc", "ABC", "abcd", "00-11-22"]),
    ("Calling-Station-Id", &["abc", "xabc", "0011"]),
    ("NAS-Identifier", &["tower", "tower1", "@{}"]),
    ("Framed-IP-Address", &["10.0.0.1", "10.0.0.2", "10.0.1.1"]),
    ("NAS-Port-Type", &["Ethernet", "Wireless-802.11", "15"]),
    ("Cisco-AVPair", &["a=1", "a=2", "b"]),
    ("Tunnel-Type:1", &["VLAN", "L2TP"]),
];

const SENT: [(&str, &[&str]); 16] = [
    ("Reply-Message", &["a", "b", "c"]),
    ("Session-Timeout", &["30", "50", "100"]),
    ("Idle-Timeout", &["5", "600"]),
    ("Framed-MTU", &["1400", "1500"]),
    ("Class", &["0x01", "0x0102", "text"]),
    ("Filter-Id", &["in", "out"]),
    ("Framed-IP-Address", &["10.9.0.1", "10.9.0.2"]),
    ("Cisco-AVPair", &["a=1", "a=2", "b"]),
    ("Mikrotik-Rate-Limit", &["1M/1M", "2M/2M"]),
    ("Tunnel-Type:1", &["VLAN", "L2TP"]),
    ("Tunnel-Type:2", &["VLAN", "L2TP"]),
    ("Tunnel-Private-Group-Id:1", &["10", "20"]),
    ("Tunnel-Private-Group-Id", &["10", "20"]),
    ("Tunnel-Password:1", &["one", "two"]),
    ("Port-Limit", &["1", "4"]),
    ("Framed-Route", &["10.0.0.0/8 10.0.0.1 1", "0.0.0.0/0"]),
];

const COMPARISONS: [&str; 12] =
    ["==", "==", "=", "!=", ">", ">=", "<", "<=", "=~", "!~", "=*", "!*"];
const MERGES: [&str; 14] =
    ["=", "=", "=", ":=", ":=", ":=", "+=", "+=", "-=", "==", "!*", "<=", ">=", "!="];
/// Rows that are wrong in one way each.
const WRONG: [&str; 8] = [
    "Nonsense-Attribute = 1",
    "Session-Timeout = many",
    "Session-Timeout = 60 sec",
    "Reply-Message = abc\\",
    "Framed-IP-Address = 10.0.0.256",
    "Service-Type = Nobody",
    "Reply-Message ?? x",
    "Tunnel-Type:40 = VLAN",
];
/// Forms of `pw`.
const STORED: [&str; 25] = [
    "NT-Password := 8cc19b6a8cfeac299c2871c86b38de28",
    "MD5-Password := 8fe4c11451281c094a6578e6ddbf5eed",
    "SHA-Password := 1a91d62f7ca67399625a4368a6ab5d4a3baa6073",
    "Password-With-Header := {clear}pw",
    "Password-With-Header := {md5}8fe4c11451281c094a6578e6ddbf5eed",
    "NT-Password := jMGbaoz+rCmcKHHIazjeKA==",
    "SMD5-Password := 8d979f831b50aee12e8a70fa33acdd3c706570706572",
    "SSHA-Password := y0YaWbxJN5Tig/c6a0SqZXGvapRwZXBwZXI=",
    "SHA2-Password := 30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4",
    "SHA2-Password := be196838736ddfd0007dd8b2e8f46f22d440d4c5959925cb49135abc9cdb01e84961aa43dd0ddb6ee59975eb649280d9f44088840af37451828a6412b9b574fc",
    "SSHA2-256-Password := oCfnp2Gxjl38YMnuVeAeWdVlIUK1VL2FvqeiNnI4rF5wZXBwZXI=",
    "SSHA2-512-Password := EdRNN46593NNE8qHrxom6m/Y483bvYmKMGucE7fsZtyNcElM67Nu7CBitnx+yubrESDOSvvVhtyEG8GfzuT4jXBlcHBlcg==",
    "Crypt-Password := abzlUXK5ed5rs",
    "Crypt-Password := $1$saltsalt$6SNdNaZLKst2LlSm7oPPL1",
    "Crypt-Password := $5$rounds=1000$saltsalt$eNI.02a9Kos9UxzxjTLpNZ6kYHkRe9Z8OsGkDDoW/X2",
    "PBKDF2-Password := HMACSHA2+256:AAAAZA==:cGVwcGVy:xOeAq1IS+S1TUR6pb485kXYz4HP1IoL+kMDamV5FfLM=",
    "Password-With-Header := {ssha}y0YaWbxJN5Tig/c6a0SqZXGvapRwZXBwZXI=",
    "Password-With-Header := {nt}8cc19b6a8cfeac299c2871c86b38de28",
    "Password-With-Header := {sha256}MMlS+rEiw/l1nwKm2Vw3WLJGtP7iOZV7LU/uRuJhcMQ=",
    "Password-With-Header := {crypt}$1$saltsalt$6SNdNaZLKst2LlSm7oPPL1",
    "Password-With-Header := pw",
    "Password-With-Header := {odd}pw",
    "Cleartext-Password := {clear}pw",
    "User-Password := pw",
    "User-Password == pw",
];
const AUTH_TYPES: [&str; 7] = ["Accept", "Reject", "PAP", "CHAP", "MS-CHAP", "Local", "Accept"];

/// What a name may end in: as the tables hold it, as FreeRADIUS writes it, and as it is sent.
const ENDS: [(&str, &str); 18] = [
    ("=27x", "'x"),
    ("=27=27", "''"),
    ("=5C=5Cx", "\\x"),
    ("=5C=22x=5C=22", "\"x\""),
    ("=25x", "%x"),
    ("=25=7BUser-Name=7D", "%{User-Name}"),
    ("=3D27x", "=27x"),
    ("=26x=3B", "&x;"),
    ("=28x=29", "(x)"),
    ("=2Bx=23", "+x#"),
    ("-größe", "-größe"),
    ("=5C351x", "@{xe9}x"),
    ("@example.com", "@example.com"),
    ("=27@example.com", "'@example.com"),
    ("/x:y_z", "/x:y_z"),
    (".ppp", ".ppp"),
    ("=27.slip", "'.slip"),
    (" x", " x"),
];
/// References between backticks.
const REFERENCES: [&str; 20] = [
    "`%{User-Name}`",
    "`%{Stripped-User-Name}`",
    "`%{SQL-User-Name}`",
    "`%{NAS-Port}`",
    "`%{request:NAS-Port}`",
    "`<%{Called-Station-Id}>`",
    "`%{%{Called-Station-Id}:-none}`",
    "`%{%{Called-Station-Id}:-%{Calling-Station-Id}}`",
    "`%{Cisco-AVPair[0]} %{Cisco-AVPair[1]}`",
    "`%{Cisco-AVPair[*]}`",
    "`%{Cisco-AVPair[#]}`",
    "`%{Service-Type}/%{NAS-Port-Type}`",
    "`%{Tunnel-Type:1}`",
    "`%{Framed-IP-Address}`",
    "`%{control:Simultaneous-Use}`",
    "`%{control:Max-All-Session}`",
    "`%{reply:Session-Timeout}`",
    "`%{SQL-Group}`",
    "`%{Huntgroup-Name}`",
    "`%{Nonsense-Attribute}x`",
];
const HUNTGROUPS: [&str; 3] = ["hunt-x", "hunt-y", "hunt-x2"];

/// So many cases, as text.
pub fn generate(seed: u64, count: usize) -> String {
    let mut text = String::new();
    for at in 0..count {
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(at as u64));
        case(&mut text, at, &mut random).expect("writing to a string");
    }
    text
}

fn case(text: &mut String, at: usize, random: &mut Random) -> std::fmt::Result {
    writeln!(text, "case {at}")?;
    let mut sent_name = None;
    if random.chance(15) {
        let (stored, sent) = random.pick(&ENDS);
        writeln!(text, "  user generated-{at}{stored}")?;
        sent_name = Some(format!("generated-{at}{sent}"));
    }
    let nas = huntgroup(text, at, random)?;
    let groups = random.pick(&[0, 0, 1, 1, 2, 2, 3, 4]).to_owned();
    let password_in_group = groups > 0 && random.chance(15);
    if !password_in_group {
        password(text, "check", random)?;
    }
    if random.chance(35) {
        comparison(text, "check", random)?;
    }
    limits(text, random)?;
    // FreeRADIUS's counters don't find sessions of a name that is escaped twice (deviation 15).
    if sent_name.as_ref().is_none_or(|name| !name.contains(['\\', '"', '@'])) {
        sessions(text, random)?;
    }
    for _ in 0..*random.pick(&[0, 1, 1, 2, 2, 3]) {
        sent(text, "reply", random)?;
    }
    if random.chance(12) {
        writeln!(text, "  reply Fall-Through = {}", random.pick(&["Yes", "No", "1", "0"]))?;
    }
    let mut priorities = [-1, 0, 1, 2, 3, 5, 8];
    random.shuffle(&mut priorities);
    for (group, priority) in priorities.iter().take(groups).enumerate() {
        writeln!(text, "  group g{group} {priority}")?;
        if password_in_group && group == 0 {
            password(text, "gcheck g0", random)?;
        }
        rows_of_group(text, group, random)?;
    }
    // A profile's name is not sent: it stands escaped or it doesn't (deviation 15).
    if sent_name.is_none() && random.chance(12) {
        writeln!(text, "  check User-Profile := @{{user}}-plan")?;
        for group in 0..=random.below(2) {
            writeln!(text, "  member plan p{group} {}", 10 + group)?;
            sent(text, &format!("greply p{group}"), random)?;
            fall_through(text, &format!("greply p{group}"), random)?;
        }
    }
    if random.chance(4) {
        let table = *random.pick(&["check", "reply", "reply"]);
        writeln!(text, "  {table} {}", random.pick(&WRONG))?;
    }
    for _ in 0..=random.below(2) {
        request(text, random)?;
        if let Some(name) = &sent_name {
            write!(text, " ; name {name}")?;
        }
        if let Some(nas) = nas.as_ref().filter(|_| random.chance(80)) {
            write!(text, " ; NAS-IP-Address = {nas}")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// A NAS of the case's own, in a huntgroup as a rule, and a row that compares it.
fn huntgroup(text: &mut String, at: usize, random: &mut Random) -> Result<Option<String>, Error> {
    if !random.chance(10) {
        return Ok(None);
    }
    let nas = format!("10.{}.{}.{}", 210 + at / 62_500, at / 250 % 250, at % 250);
    if random.chance(85) {
        writeln!(text, "  hunt {} {nas}", random.pick(&HUNTGROUPS))?;
    }
    let op = random.pick(&COMPARISONS);
    writeln!(text, "  check Huntgroup-Name {op} {}", random.pick(&HUNTGROUPS))?;
    Ok(Some(nas))
}

fn password(text: &mut String, table: &str, random: &mut Random) -> std::fmt::Result {
    match random.below(100) {
        0..72 => writeln!(text, "  {table} Cleartext-Password := pw"),
        72..90 => writeln!(text, "  {table} {}", random.pick(&STORED)),
        90..94 => {
            writeln!(text, "  {table} Cleartext-Password {} pw", random.pick(&["=", "+=", "=="]))
        }
        94..97 => writeln!(text, "  {table} Cleartext-Password := other\n  {table} {}", STORED[0]),
        _ => Ok(()),
    }
}

/// What bounds a login, besides the password.
fn limits(text: &mut String, random: &mut Random) -> std::fmt::Result {
    if random.chance(10) {
        writeln!(
            text,
            "  check Auth-Type {} {}",
            random.pick(&[":=", ":=", "=", "+="]),
            random.pick(&AUTH_TYPES)
        )?;
    }
    if random.chance(8) {
        let when =
            *random.pick(&["31 Dec 2035", "@{now+3000}", "@{now+90}", "1 Jan 2020", "2030-01-01"]);
        writeln!(text, "  check Expiration {} {when}", random.pick(&[":=", ":=", ":=", "=="]))?;
    }
    if random.chance(4) {
        writeln!(
            text,
            "  check Login-Time := {}",
            random.pick(&["Al", "Wk,Sa,Su", "Xx", "Any0000-2400"])
        )?;
    }
    if random.chance(12) {
        writeln!(text, "  check Simultaneous-Use := {}", random.below(3))?;
    }
    if random.chance(8) {
        writeln!(
            text,
            "  check Max-All-Session := {}",
            random.pick(&["0", "100", "1000", "5000"])
        )?;
    }
    Ok(())
}

fn sessions(text: &mut String, random: &mut Random) -> std::fmt::Result {
    for _ in 0..*random.pick(&[0, 0, 0, 1, 2, 3]) {
        let calling = random.pick(&["abc", "xabc", "0011"]);
        let ip = random.pick(&["10.0.0.1", "10.0.0.2"]);
        let stop = *random.pick(&["", "", " stop=-6000"]);
        writeln!(
            text,
            "  session start=-7000 time=400 calling={calling} ip={ip} protocol=PPP{stop}"
        )?;
    }
    Ok(())
}

fn rows_of_group(text: &mut String, group: usize, random: &mut Random) -> std::fmt::Result {
    if random.chance(30) {
        comparison(text, &format!("gcheck g{group}"), random)?;
    }
    if random.chance(6) {
        writeln!(text, "  gcheck g{group} Auth-Type := {}", random.pick(&AUTH_TYPES))?;
    }
    if random.chance(6) {
        writeln!(
            text,
            "  gcheck g{group} Simultaneous-Use {} {}",
            random.pick(&[":=", "+="]),
            random.below(3)
        )?;
    }
    if random.chance(3) {
        writeln!(text, "  gcheck g{group} Max-All-Session := 900")?;
    }
    for _ in 0..*random.pick(&[0, 1, 1, 2, 2, 3]) {
        sent(text, &format!("greply g{group}"), random)?;
    }
    if random.chance(2) {
        writeln!(text, "  greply g{group} {}", random.pick(&WRONG))?;
    }
    fall_through(text, &format!("greply g{group}"), random)
}

fn fall_through(text: &mut String, table: &str, random: &mut Random) -> std::fmt::Result {
    if random.chance(45) {
        let value = random.pick(&["Yes", "Yes", "Yes", "yes", "1", "No"]);
        writeln!(text, "  {table} Fall-Through {} {value}", random.pick(&["=", "=", ":="]))?;
    }
    Ok(())
}

fn comparison(text: &mut String, table: &str, random: &mut Random) -> std::fmt::Result {
    let (attribute, values) = random.pick(&COMPARED);
    let op = random.pick(&COMPARISONS);
    // The last one, compared, is where FreeRADIUS crashes.
    let references = &REFERENCES[..REFERENCES.len() - 1];
    let values = if random.chance(8) { references } else { values };
    writeln!(text, "  {table} {attribute} {op} {}", random.pick(values))
}

fn sent(text: &mut String, table: &str, random: &mut Random) -> std::fmt::Result {
    // Few attributes, often, so that rows meet.
    let pool = if random.chance(60) { &SENT[..4] } else { &SENT[..] };
    let (attribute, values) = random.pick(pool);
    let values = if random.chance(12) { &REFERENCES[..] } else { values };
    writeln!(text, "  {table} {attribute} {} {}", random.pick(&MERGES), random.pick(values))
}

fn request(text: &mut String, random: &mut Random) -> std::fmt::Result {
    let method = *random
        .pick(&["pap", "pap", "pap", "pap", "digest", "chap", "chap", "mschap", "mschap2", "none"]);
    let password = if random.chance(80) { "pw" } else { "other" };
    write!(text, "  ask {method} {password}")?;
    for _ in 0..*random.pick(&[0, 1, 2, 2, 3]) {
        let (attribute, values) = random.pick(&COMPARED);
        write!(text, " ; {attribute} = {}", random.pick(values))?;
    }
    if random.chance(10) {
        write!(text, " ; Proxy-State = 0x0102")?;
    }
    Ok(())
}
