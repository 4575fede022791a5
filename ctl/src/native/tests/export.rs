//! A domain that LXC can be told comes back from its configuration; what cannot be told is named.

use crate::domain::{format, parse};
use crate::native::{IdmapOrder, convert, export};

const DOMAIN: &str = "<domain type='lxc'><name>harbour</name><uuid>11111111-1111-1111-1111-111111111111</uuid>
<memory>65536</memory><memtune><hard_limit>65536</hard_limit><soft_limit>1024</soft_limit><swap_hard_limit>98304</swap_hard_limit></memtune>
<vcpu cpuset='0-1'>1</vcpu><cputune><shares>999</shares><period>50000</period><quota>-1</quota></cputune>
<os><type arch='i686'>exe</type><init>/sbin/start</init><initarg>it's \"one\"</initarg><initarg>a b</initarg><initenv name='A'>b </initenv>
<initdir>/srv</initdir><inituser>+7</inituser></os>
<idmap><uid start='0' target='100000' count='9'/><gid start='0' target='200000' count='9'/></idmap>
<features><privnet/><capabilities policy='deny'><kill state='on'/></capabilities></features>
<devices><emulator>/usr/libexec/libvirt_lxc</emulator><filesystem><source dir='/srv/a'/><target dir='/'/><readonly/></filesystem>
<filesystem><source dir='/srv/it s'/><target dir='/mnt/x\\y'/></filesystem>
<filesystem type='bind'><source dir='/etc/b'/><target dir='/etc/c'/><readonly/></filesystem>
<filesystem type='ram'><source usage='64'/><target dir='/run'/></filesystem><console/><console/></devices></domain>";

fn back(text: &str) -> String {
    let domain = parse(text.as_bytes(), "a.xml").unwrap();
    let made = export(&domain);
    let uuid = domain.uuid.unwrap();
    let config = made.text.as_bytes();
    let again = convert("c", config, &mut |_| Err(String::new()), IdmapOrder::Lxc, uuid);
    again.unwrap_or_else(|e| panic!("{e}\n{}", made.text)).text
}

#[test]
fn what_lxc_can_be_told_comes_back() {
    let plain = DOMAIN.replace("it's \"one\"", "it's");
    assert_eq!(back(&plain), format(&parse(plain.as_bytes(), "a.xml").unwrap()));
    assert!(export(&parse(plain.as_bytes(), "a.xml").unwrap()).warnings.is_empty());
    for (model, label) in [("apparmor", "a"), ("selinux", "u:r:t:s0:c1,c2")] {
        let label = format!("</devices><seclabel type='static' model='{model}'><label>{label}</label></seclabel>");
        let labelled = plain.replace("</devices>", &label);
        assert_eq!(back(&labelled), format(&parse(labelled.as_bytes(), "a.xml").unwrap()));
    }
    let link = "<interface type='bridge'><mac address='02:00:00:0a:0b:0c'/><source bridge='br0'/><ip address='10.1.0.2' prefix='16'/>\
        <ip address='fd00::2' family='ipv6' prefix='64'/><route family='ipv4' address='0.0.0.0' gateway='10.1.0.1'/><target dev='h0'/><guest dev='lan0'/>\
        <link state='up'/></interface>";
    let linked = plain.replace("<privnet/>", "").replace("<console/><console/>", link);
    assert_eq!(back(&linked), format(&parse(linked.as_bytes(), "a.xml").unwrap()));
    let other = plain.replace(
        "<privnet/><capabilities policy='deny'><kill state='on'/></capabilities>",
        "",
    );
    assert!(back(&other).contains("<mknod state='off'/>") && !back(&other).contains("privnet"));
}

#[test]
fn what_lxc_cannot_be_told_is_named() {
    let text = DOMAIN
        .replace(
            "<idmap>",
            "<title>x</title><on_crash>restart</on_crash><blkiotune><device><path>/dev/sda</path><weight>70</weight></device></blkiotune><idmap>",
        )
        .replace("+7", "somebody")
        .replace(
            "<console/>",
            "<interface type='network'><source network='n'/></interface>",
        );
    let text = text.replacen("<interface type='network'><source network='n'/></interface>", "", 1);
    let made = export(&parse(text.as_bytes(), "a.xml").unwrap());
    for what in [
        "<initarg> with quotes of both kinds",
        "<inituser> by name",
        "<title>",
        "<on_crash>restart",
        "<device> in <blkiotune>",
        "<source network='n'>",
    ] {
        let told = format!("{what} cannot be said to LXC");
        assert!(made.warnings.contains(&told), "{told} is not in {:?}", made.warnings);
    }
    let without = text.replace("<idmap>", "<!--").replace("</idmap>", "-->");
    let made = export(&parse(without.as_bytes(), "a.xml").unwrap());
    assert!(
        made.warnings.iter().any(|w| w.starts_with("a map of ids")),
        "{:?}",
        made.warnings
    );
}
