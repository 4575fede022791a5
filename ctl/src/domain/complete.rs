//! What `define` adds to a document that leaves it out, so that a definition never changes afterwards. Pure: the randomness is the
//! caller's.

use super::identity::{Mac, Uuid};
use super::kept::What;
use super::model::{Arch, Domain};
use super::xml::Tree;

/// The domain with a uuid, an architecture and a hardware address for each interface. `random` fills what it is given with
/// random bytes, or fails, and is not called for what is there already.
pub fn complete<E>(mut domain: Domain, mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Domain, E> {
    if domain.uuid.is_none() {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        domain.uuid = Some(Uuid::from_random(bytes));
    }
    domain.os.arch.get_or_insert(Arch::X86_64);
    for interface in domain
        .interfaces
        .iter_mut()
        .filter(|i| i.mac.is_none() && !i.is_ipvlan())
    {
        let mut bytes = [0; 3];
        random(&mut bytes)?;
        interface.mac = Some(Mac::from_random(bytes));
    }
    for kept in &mut domain.kept {
        let What::Element(interface, _) = &mut kept.what else {
            continue;
        };
        if interface.name == "interface" && interface.children.iter().all(|c| c.name != "mac") {
            let mut bytes = [0; 3];
            random(&mut bytes)?;
            let mac = Tree::new("mac").with("address", Mac::from_random(bytes));
            interface.children.insert(0, mac);
        }
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::super::{format, parse};
    use super::*;

    const SHORTEST: &[u8] = b"<domain type='lxc'><name>a</name><memory>1024</memory><os><type>exe</type><init>/i</init></os>\
        <devices><interface type='ethernet'/><interface type='ethernet'><mac address='2:0:0:0:0:1'/></interface><console/>\
        <filesystem><source dir='/x'/><target dir='/'/></filesystem></devices></domain>";

    #[test]
    fn a_short_document_becomes_a_whole_one() {
        let counting = |bytes: &mut [u8]| -> Result<(), ()> {
            bytes.iter_mut().zip(1..).for_each(|(b, n)| *b = n);
            Ok(())
        };
        let domain = complete(parse(SHORTEST, "a.xml").unwrap(), counting).unwrap();
        let whole = "<domain type='lxc'>
  <name>a</name>
  <uuid>01020304-0506-4708-890a-0b0c0d0e0f10</uuid>
  <memory unit='KiB'>1024</memory>
  <currentMemory unit='KiB'>1024</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64'>exe</type>
    <init>/i</init>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='/x'/>
      <target dir='/'/>
    </filesystem>
    <interface type='ethernet'>
      <mac address='52:54:00:01:02:03'/>
    </interface>
    <interface type='ethernet'>
      <mac address='02:00:00:00:00:01'/>
    </interface>
    <console type='pty'>
      <target type='lxc' port='0'/>
    </console>
  </devices>
</domain>
";
        assert_eq!(format(&domain), whole);
        let untouched = complete(domain.clone(), |_: &mut [u8]| Err(()));
        assert_eq!(untouched, Ok(domain));
    }

    #[test]
    fn fails_with_the_source_of_randomness() {
        assert_eq!(
            complete(parse(SHORTEST, "a.xml").unwrap(), |_: &mut [u8]| Err("none")),
            Err("none")
        );
    }
}
