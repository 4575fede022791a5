//! Tests of the whole reader: the documents that they begin with, and how they ask for a refusal.

mod accepted;
mod devices;
mod general;
mod hostile;
mod kept;

use super::parse;

/// Every element and attribute that is known, in canonical form.
const FULL: &str = "<domain type='lxc'>
  <name>harbour &amp; quay</name>
  <uuid>3b1c9e54-6f0a-4d27-8c55-0e9a7d41b2f6</uuid>
  <title>It&apos;s a &lt;title&gt;</title>
  <description>two
lines</description>
  <memory unit='KiB'>262144</memory>
  <currentMemory unit='KiB'>131072</currentMemory>
  <memtune>
    <hard_limit unit='KiB'>200000</hard_limit>
    <soft_limit unit='KiB'>100000</soft_limit>
    <swap_hard_limit unit='KiB'>300000</swap_hard_limit>
  </memtune>
  <vcpu placement='static' cpuset='0-2,5'>4</vcpu>
  <cputune>
    <shares>512</shares>
    <period>50000</period>
    <quota>-1</quota>
  </cputune>
  <resource>
    <partition>/machine</partition>
  </resource>
  <os>
    <type arch='i686'>exe</type>
    <init>/sbin/start</init>
    <initarg>--a=&quot;b&quot;</initarg>
    <initarg> </initarg>
    <initenv name='A'>1 &lt; 2</initenv>
    <initenv name='A'>again</initenv>
    <initdir>/srv/&amp;</initdir>
    <inituser>some&amp;one</inituser>
    <initgroup>+12</initgroup>
    <cmdline>quiet &gt; loud</cmdline>
  </os>
  <idmap>
    <uid start='0' target='100000' count='1000'/>
    <uid start='1000' target='200000' count='10'/>
    <gid start='0' target='100000' count='1000'/>
  </idmap>
  <features>
    <privnet/>
    <capabilities policy='deny'>
      <chown state='on'/>
      <wake_alarm state='off'/>
      <audit_read state='off'/>
      <bpf state='off'/>
      <checkpoint_restore state='off'/>
      <perfmon state='on'/>
    </capabilities>
  </features>
  <clock offset='utc'/>
  <on_poweroff>restart</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <emulator>/opt/emulator</emulator>
    <filesystem type='mount' accessmode='passthrough'>
      <source dir='/srv/it&apos;s&#10;here'/>
      <target dir='/'/>
      <readonly/>
    </filesystem>
    <filesystem type='bind' accessmode='passthrough'>
      <source dir='/usr/share'/>
      <target dir='/mnt/share'/>
    </filesystem>
    <filesystem type='ram' accessmode='passthrough'>
      <source usage='2048' units='KiB'/>
      <target dir='/tmp'/>
    </filesystem>
    <interface type='network'>
      <mac address='52:54:00:0a:0b:0c'/>
      <source network='default'/>
    </interface>
    <interface type='bridge'>
      <mac address='52:54:00:0a:0b:0d'/>
      <source bridge='br0'/>
      <ip address='10.1.2.3' family='ipv4' prefix='24' peer='10.1.2.1'/>
      <ip address='fd00::3' family='ipv6'/>
      <route family='ipv4' address='0.0.0.0' gateway='10.1.2.1'/>
      <route family='ipv6' address='fd01::' prefix='48' gateway='fd00::1' metric='7'/>
      <target dev='host0'/>
      <guest dev='lan0'/>
      <link state='up'/>
    </interface>
    <interface type='ethernet'>
      <mac address='52:54:00:0a:0b:0e'/>
      <source>
        <ip address='10.9.0.1' family='ipv4' prefix='30'/>
      </source>
      <link state='down'/>
    </interface>
    <console type='pty'>
      <target type='lxc' port='0'/>
    </console>
    <console type='pty'>
      <target type='lxc' port='1'/>
    </console>
  </devices>
  <seclabel type='none'/>
</domain>
";

/// A short document, with more of `os` on line 4, something general on line 5, and a device on line 8.
fn document(os: &str, general: &str, device: &str) -> String {
    let start = "<domain type='lxc'>\n<name>a</name>\n<memory>1024</memory>\n<os><type>exe</type>";
    format!("{start}{os}</os>\n{general}\n\n<devices>\n{device}\n</devices>\n</domain>\n")
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes(), "a.xml").unwrap_err().to_string()
}

#[track_caller]
fn refuses_os(os: &str, what: &str) {
    assert_eq!(refusal(&document(os, "", "")), format!("a.xml:4: {what}"));
}

#[track_caller]
fn refuses_general(general: &str, what: &str) {
    assert_eq!(
        refusal(&document("<init>/i</init>", general, "")),
        format!("a.xml:5: {what}")
    );
}

#[track_caller]
fn refuses_device(device: &str, what: &str) {
    assert_eq!(
        refusal(&document("<init>/i</init>", "", device)),
        format!("a.xml:8: {what}")
    );
}
