//! A small file system of its own that can be filled up, and emptied again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scratch;

pub struct Disk {
    pub directory: PathBuf,
}

impl Disk {
    /// In memory, for this user; `None` where nothing may be mounted.
    pub fn mount(name: &str, mib: u32, owner: Option<&str>) -> Option<Disk> {
        let directory = scratch::directory(name);
        let disk = Disk { directory };
        let size = format!("size={mib}m,mode=0755");
        let args = ["-t", "tmpfs", "-o", &size, "radiusd-tests"];
        let mounted = Command::new("mount").args(args).arg(&disk.directory).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return None;
        }
        if let Some(owner) = owner {
            let status = Command::new("chown").arg(owner).arg(&disk.directory).status();
            assert!(status.is_ok_and(|status| status.success()), "the user {owner}");
        }
        Some(disk)
    }

    /// Not one more octet goes in.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        for size in [65_536, 1_024, 1] {
            let octets = vec![0; size];
            while ballast.write_all(&octets).is_ok() {}
        }
    }

    pub fn free(&self) {
        fs::remove_file(self.ballast()).ok();
    }

    fn ballast(&self) -> PathBuf {
        self.directory.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.directory);
    }
}

/// Also when it is in use; nothing where nothing is mounted.
pub fn unmount(directory: &Path) {
    Command::new("umount").arg("--lazy").arg(directory).output().ok();
}
