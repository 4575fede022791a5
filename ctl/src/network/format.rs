//! Prints a network as libvirt does: the order, the indent and the escaping of its canonical form. Pure.

use super::{Forward, Network, Subnet, portgroup};
use crate::domain::xml::{Tree, Writer};
use std::net::{IpAddr, Ipv4Addr};

/// The canonical document.
pub fn document(network: &Network) -> Tree {
    let mut writer = Writer::default();
    writer.element("network", &[], |w| {
        w.leaf("name", &[], network.name.as_str());
        if let Some(uuid) = network.uuid {
            w.leaf("uuid", &[], &uuid.to_string());
        }
        for (name, text) in [("title", &network.title), ("description", &network.description)] {
            if let Some(text) = text {
                w.leaf(name, &[], text);
            }
        }
        if let Some(metadata) = &network.metadata {
            w.tree(metadata);
        }
        forward(w, network);
        if let Some(bridge) = &network.bridge {
            let delay = network.delay.to_string();
            let own = network.forward != Forward::Bridge;
            let stp = if network.stp { "on" } else { "off" };
            w.empty(
                "bridge",
                &[
                    ("name", Some(bridge.as_str())),
                    ("stp", own.then_some(stp)),
                    ("delay", own.then_some(&delay)),
                ],
            );
        }
        if let Some(mtu) = network.mtu {
            w.empty("mtu", &[("size", Some(&mtu.to_string()))]);
        }
        if let Some(mac) = network.mac {
            w.empty("mac", &[("address", Some(&mac.to_string()))]);
        }
        if network.dns {
            w.empty("dns", &[("enable", Some("no"))]);
        }
        network.subnets.iter().for_each(|s| subnet(w, s));
        if network.isolated {
            w.empty("port", &[("isolated", Some("yes"))]);
        }
        network.groups.iter().for_each(|g| portgroup::write(w, g));
    });
    writer.finish()
}

fn forward(w: &mut Writer, network: &Network) {
    let Some(mode) = network.forward.name() else { return };
    let v6 = network.subnets.iter().any(|s| s.address.is_ipv6());
    let mode = [("mode", Some(mode))];
    if network.forward == Forward::Nat && v6 {
        w.element("forward", &mode, |w| w.empty("nat", &[("ipv6", Some("yes"))]));
    } else {
        w.empty("forward", &mode);
    }
}

fn subnet(w: &mut Writer, subnet: &Subnet) {
    let (address, prefix) = (subnet.address.to_string(), subnet.prefix.to_string());
    let shift = 32u32.saturating_sub(subnet.prefix.into());
    let mask = Ipv4Addr::from_bits(u32::MAX.checked_shl(shift).unwrap_or(0)).to_string();
    let v4 = [("address", Some(address.as_str())), ("netmask", Some(mask.as_str()))];
    let v6 = [
        ("family", Some("ipv6")),
        ("address", Some(address.as_str())),
        ("prefix", Some(prefix.as_str())),
    ];
    let attributes = match subnet.address {
        IpAddr::V4(_) => v4.as_slice(),
        IpAddr::V6(_) => v6.as_slice(),
    };
    if subnet.ranges.is_empty() && subnet.hosts.is_empty() {
        return w.empty("ip", attributes);
    }
    w.element("ip", attributes, |w| {
        w.element("dhcp", &[], |w| {
            for (first, last) in &subnet.ranges {
                let [first, last] = [first, last].map(ToString::to_string);
                w.empty("range", &[("start", Some(&first)), ("end", Some(&last))]);
            }
            for host in &subnet.hosts {
                let mac = host.mac.map(|m| m.to_string());
                let address = host.address.to_string();
                w.empty(
                    "host",
                    &[
                        ("mac", mac.as_deref()),
                        ("name", host.name.as_deref()),
                        ("ip", Some(&address)),
                    ],
                );
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const WHOLE: &str = "<network>
  <name>quay</name>
  <uuid>1a2a8e0b-4c3e-4d5f-9b61-6c7a7264666c</uuid>
  <title>The quay</title>
  <description>Ships &amp; boats</description>
  <metadata>
    <p:port xmlns:p=\"urn:port\" lit=\"yes\"/>
  </metadata>
  <forward mode='nat'>
    <nat ipv6='yes'/>
  </forward>
  <bridge name='lzr7' stp='on' delay='2'/>
  <mtu size='1400'/>
  <mac address='52:54:00:0a:0b:0c'/>
  <dns enable='no'/>
  <ip address='192.168.5.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.5.100' end='192.168.5.200'/>
      <host mac='02:00:00:00:00:07' name='it&apos;s' ip='192.168.5.7'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:5::1' prefix='64'/>
  <port isolated='yes'/>
  <portgroup name='slow' default='yes'>
    <bandwidth>
      <inbound average='100' peak='200' burst='50'/>
      <outbound average='10'/>
    </bandwidth>
  </portgroup>
  <portgroup name='free'/>
</network>
";

    #[test]
    fn a_whole_document_comes_back_as_it_was() {
        let network = parse(WHOLE.as_bytes(), "a.xml").unwrap();
        assert_eq!(document(&network).document(), WHOLE);
    }

    #[test]
    fn the_built_in_network_is_described_as_libvirt_does() {
        let text = document(&Network::built_in().unwrap()).document();
        for part in [
            "<network>\n  <name>default</name>\n",
            "<bridge name='lzr0' stp='off' delay='0'/>",
            "<ip address='10.209.0.1' netmask='255.255.0.0'>",
            "<range start='10.209.0.2' end='10.209.255.254'/>",
            "<ip family='ipv6' address='fd6c:7a72::1' prefix='64'>",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(parse(text.as_bytes(), "a.xml").unwrap(), Network::built_in().unwrap());
    }
}
