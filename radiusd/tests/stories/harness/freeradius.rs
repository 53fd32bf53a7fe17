//! Debian's FreeRADIUS as the reference: stock modules in stock order, all of SQL switched on.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::nas::Nas;
use super::postgres::Cluster;
use super::scratch::{self, Process, until};

const RAW: &str = "/etc/freeradius/3.0";
const MODULES: [&str; 17] = [
    "always",
    "attr_filter",
    "chap",
    "digest",
    "exec",
    "expiration",
    "expr",
    "files",
    "logintime",
    "mschap",
    "pap",
    "preprocess",
    "realm",
    "sqlcounter",
    "unix",
    "unpack",
    "utf8",
];

pub struct FreeRadius {
    child: Child,
    directory: PathBuf,
    pub auth: SocketAddr,
    pub acct: SocketAddr,
}

impl FreeRadius {
    /// On this database; knows the NAS of its `nas` table at this moment.
    pub fn start(cluster: &Cluster, database: &str, zone: &str) -> FreeRadius {
        FreeRadius::start_with(cluster, database, zone, Path::new("/usr/sbin/checkrad"))
    }

    /// With another program in checkrad's place.
    pub fn start_with(
        cluster: &Cluster,
        database: &str,
        zone: &str,
        checkrad: &Path,
    ) -> FreeRadius {
        let directory = scratch::directory("freeradius");
        let auth = SocketAddr::from((Ipv4Addr::LOCALHOST, scratch::port()));
        let acct = SocketAddr::from((Ipv4Addr::LOCALHOST, scratch::port()));
        let raddb = directory.join("raddb");
        let copied = Command::new("cp").arg("-r").arg(RAW).arg(&raddb).status();
        assert!(copied.is_ok_and(|status| status.success()), "Debian's freeradius in {RAW}");
        for enabled in ["mods-enabled", "sites-enabled"] {
            fs::remove_dir_all(raddb.join(enabled)).expect(enabled);
            fs::create_dir(raddb.join(enabled)).expect(enabled);
        }
        for module in MODULES {
            let place = raddb.join("mods-enabled").join(module);
            symlink(format!("../mods-available/{module}"), place).expect(module);
        }
        let connection =
            format!("host=127.0.0.1 port={} user=postgres dbname={database}", cluster.port);
        let write = |name: &str, text: &str| {
            let text = text
                .replace("@raddb@", raddb.to_str().expect("a path of text"))
                .replace("@checkrad@", checkrad.to_str().expect("a path of text"))
                .replace("@connection@", &connection)
                .replace("@auth@", &auth.port().to_string())
                .replace("@acct@", &acct.port().to_string());
            fs::write(raddb.join(name), text).expect(name);
        };
        write("radiusd.conf", include_str!("freeradius/radiusd.conf"));
        write("sites-enabled/site", include_str!("freeradius/site"));
        write("mods-enabled/sql", include_str!("freeradius/sql"));
        write("mods-config/files/authorize", "");
        let child = Process::new("KILL", None, "freeradius")
            .args(["-f", "-d", raddb.to_str().expect("a path of text")])
            .args(["-l", log(&directory).to_str().expect("a path of text")])
            .env("TZ", zone)
            .spawn_logged(&log(&directory));
        let freeradius = FreeRadius { child, directory, auth, acct };
        until("FreeRADIUS", Duration::from_secs(60), || {
            freeradius.log().contains("Ready to process requests").then_some(())
        });
        until("FreeRADIUS's answer", Duration::from_secs(10), || Nas::new(auth).status());
        freeradius
    }

    pub fn log(&self) -> String {
        fs::read_to_string(log(&self.directory)).unwrap_or_default()
    }
}

fn log(directory: &Path) -> PathBuf {
    directory.join("radius.log")
}

impl Drop for FreeRadius {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
