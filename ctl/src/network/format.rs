//! Prints a network as libvirt does: the order, the indent and the escaping of its canonical form. Pure.

use super::parse::yes_no;
use super::{Network, dns, forward, portgroup, route, subnet};
use crate::domain::parts::{bandwidth, vlan};
use crate::domain::xml::{Tree, Writer};

/// The namespace of what only dnsmasq is told.
pub const DNSMASQ: &str = "http://libvirt.org/schemas/network/dnsmasq/1.0";

/// The canonical document.
pub fn document(network: &Network) -> Tree {
    let mut writer = Writer::default();
    let attributes = [
        ("xmlns:dnsmasq", network.options.is_some().then_some(DNSMASQ)),
        ("ipv6", network.v6.then_some("yes")),
        ("trustGuestRxFilters", network.filters.map(yes_no)),
    ];
    writer.element("network", &attributes, |w| {
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
        forward::write(w, &network.forward);
        bridge(w, network);
        if let Some(mtu) = network.mtu {
            w.empty("mtu", &[("size", Some(&mtu.to_string()))]);
        }
        if let Some(mac) = network.mac {
            w.empty("mac", &[("address", Some(&mac.to_string()))]);
        }
        if let Some(domain) = &network.domain {
            dns::write_domain(w, domain);
        }
        dns::write(w, &network.dns);
        if let Some(given) = &network.vlan {
            vlan(w, given);
        }
        bandwidth(w, &network.bandwidth);
        if let Some(isolated) = network.isolated {
            w.empty("port", &[("isolated", Some(yes_no(isolated)))]);
        }
        network.subnets.iter().for_each(|s| subnet::write(w, s));
        network.routes.iter().for_each(|r| route::write(w, r));
        if let Some(port) = &network.virtualport {
            w.tree(port);
        }
        network.groups.iter().for_each(|g| portgroup::write(w, g));
        if let Some(options) = &network.options {
            w.tree(options);
        }
    });
    writer.finish()
}

fn bridge(w: &mut Writer, network: &Network) {
    let own = network.is_own();
    if !own && network.bridge.is_none() && network.managed.is_none() {
        return;
    }
    let (delay, stp) = (
        network.delay.to_string(),
        if network.looks_for_loops() { "on" } else { "off" },
    );
    let manager = network.managed.map(|own| if own { "libvirt" } else { "kernel" });
    let attributes = [
        ("name", network.bridge.as_ref().map(|b| b.as_str())),
        ("zone", network.zone.as_deref()),
        ("stp", own.then_some(stp)),
        ("delay", own.then_some(&*delay)),
        ("macTableManager", manager),
    ];
    w.empty("bridge", &attributes);
}

/// Makes an element of the network's that has an end tag of its own, though nothing be in it.
pub fn opened(w: &mut Writer, name: &str, attributes: &[(&str, Option<&str>)], inside: impl FnOnce(&mut Writer)) {
    let mut within = Writer::default();
    within.element(name, attributes, inside);
    let mut tree = within.finish();
    if tree.children.is_empty() {
        tree.text = "\n  ".to_owned();
    }
    w.tree(&tree);
}

/// The canonical document with how many containers are on it, as that of one that is started has it.
pub fn started(network: &Network, connections: usize) -> Tree {
    let mut tree = document(network);
    if connections > 0 {
        let place = usize::from(network.options.is_some());
        tree.attributes
            .insert(place, ("connections".to_owned(), connections.to_string()));
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const WHOLE: &str =
        "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0' ipv6='yes' trustGuestRxFilters='yes'>
  <name>quay</name>
  <uuid>1a2a8e0b-4c3e-4d5f-9b61-6c7a7264666c</uuid>
  <title>The quay</title>
  <description>Ships &amp; boats</description>
  <metadata>
    <p:port xmlns:p=\"urn:port\" lit=\"yes\"/>
  </metadata>
  <forward dev='eth0' mode='nat'>
    <nat ipv6='yes'>
      <address start='192.0.2.4' end='192.0.2.9'/>
      <port start='500' end='1000'/>
    </nat>
    <interface dev='eth0'/>
  </forward>
  <bridge name='lzr7' zone='public' stp='on' delay='2' macTableManager='kernel'/>
  <mtu size='1400'/>
  <mac address='52:54:00:0a:0b:0c'/>
  <domain name='quay.example' localOnly='no'/>
  <dns enable='no' forwardPlainNames='yes'>
    <forwarder addr='192.0.2.1'/>
    <forwarder domain='example.org' addr='2001:db8::1'/>
    <txt name='it' value='&apos;s &lt;'/>
    <srv service='ldap' protocol='tcp' domain='a' target='.' port='1024' priority='10'/>
    <host ip='192.168.5.9'>
      <hostname>db</hostname>
      <hostname>db.quay</hostname>
    </host>
  </dns>
  <bandwidth>
    <inbound average='1000' peak='5000' burst='5120'/>
  </bandwidth>
  <port isolated='yes'/>
  <ip address='192.168.5.1' netmask='255.255.255.0' localPtr='yes'>
    <tftp root='/var/tftp'/>
    <dhcp>
      <range start='192.168.5.100' end='192.168.5.200'>
        <lease expiry='24' unit='hours'/>
      </range>
      <host mac='02:00:00:00:00:AB' name='it&apos;s' ip='192.168.5.7'>
        <lease expiry='0'/>
      </host>
      <bootp file='pxelinux.0' server='192.168.5.1'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:5::1' prefix='64'>
    <dhcp>
      <host id='0:1:0:a' name='six' ip='fd00:5::7'/>
    </dhcp>
  </ip>
  <ip address='10.9.0.1'>
  </ip>
  <route family='ipv4' address='192.168.8.0' netmask='255.255.255.0' gateway='192.168.5.4' metric='3'/>
  <route family='ipv6' address='2001:db8:4::' prefix='48' gateway='fd00:5::5'/>
  <portgroup name='slow' default='yes' trustGuestRxFilters='no'>
    <virtualport type='openvswitch'>
      <parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='b'/>
    </virtualport>
    <bandwidth>
      <inbound average='100' peak='200' burst='50'/>
      <outbound average='10'/>
    </bandwidth>
  </portgroup>
  <portgroup name='free'>
  </portgroup>
  <dnsmasq:options>
    <dnsmasq:option value='it&apos;s'/>
  </dnsmasq:options>
</network>
";

    #[test]
    fn a_whole_document_comes_back_as_it_was() {
        let network = parse(WHOLE.as_bytes(), "a.xml").unwrap();
        assert_eq!(document(&network).document(), WHOLE);
        let with = started(&network, 2).document();
        assert!(
            with.starts_with(
                "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0' connections='2' ipv6='yes'"
            ),
            "{with}"
        );
        assert_eq!(parse(with.as_bytes(), "a.xml").unwrap(), network);
    }

    #[test]
    fn the_built_in_network_is_described_as_libvirt_does() {
        let network = Network::built_in().unwrap();
        assert_eq!(document(&network).document(), include_str!("default.xml"));
    }
}
