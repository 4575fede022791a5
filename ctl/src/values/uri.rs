//! Which connections there are: one, under the names that libvirt's LXC driver has. Pure.

/// The variable that names one where no option does.
pub const VARIABLE: &str = "LIBVIRT_DEFAULT_URI";
/// The name under which it is passed on.
pub const LXC: &str = "lxc:///";

/// Whether this names the LXC driver of this host; the error says why not.
pub fn check(uri: &str) -> Result<String, String> {
    match uri {
        "lxc:///" | "lxc:///system" | "lxc://" => Ok(uri.to_owned()),
        _ if uri.starts_with("lxc:") || uri.starts_with("lxc+") => Err(format!(
            "{uri} is another host's or not spelled as lxc:/// is, and containers are of this host alone"
        )),
        _ => Err(format!("{uri} is another driver's, and there is lxc:/// alone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lxc_of_this_host_is_a_connection() {
        for good in ["lxc:///", "lxc:///system", "lxc://"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "qemu:///system",
            "lxc+ssh://host/",
            "lxc://host/",
            "lxc:///session",
            "test:///default",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
