//! One bad document for each rule outside `devices`, with the line that the refusal names.

use super::{FULL, document, refusal, refuses_device, refuses_general, refuses_os};
use crate::domain::parse;

#[test]
fn refuses_another_kind_of_document() {
    assert_eq!(
        refusal("<network/>"),
        "a.xml:1: the root element is <network>, not <domain>"
    );
    assert_eq!(refusal("\n<domain/>"), "a.xml:2: <domain> has no attribute type");
    let kvm = refusal("<domain type='kvm'/>");
    assert_eq!(
        kvm,
        "a.xml:1: attribute type of <domain> is \"kvm\", not \"lxc\", the only one that is supported"
    );
    assert_eq!(
        refusal("<domain type='lxc' id='x'/>"),
        "a.xml:1: attribute id of <domain> is \"x\", not a number"
    );
    let namespace = document("<init>/i</init>", "", "").replacen("type=", "xmlns:lxc='http://x/' type=", 1);
    assert_eq!(
        refusal(&namespace),
        "a.xml:1: attribute xmlns:lxc of <domain> is not known"
    );
}

#[test]
fn refuses_unknown_elements_and_attributes_wherever_they_are() {
    refuses_general("<blockiotune/>", "<blockiotune> in <domain> is not known");
    refuses_general("<lxc:namespace/>", "<lxc:namespace> in <domain> is not known");
    refuses_general("<cputune><vcpupins/></cputune>", "<vcpupins> in <cputune> is not known");
    refuses_general("<memtune><min/></memtune>", "<min> in <memtune> is not known");
    refuses_general("<features><acpy/></features>", "<acpy> in <features> is not known");
    refuses_general(
        "<clock offset='utc'><tymer/></clock>",
        "<tymer> in <clock> is not known",
    );
    refuses_device("<emulatr/>", "<emulatr> in <devices> is not known");
    refuses_device(
        "<hostdev><source/><sauce/></hostdev>",
        "<sauce> in <hostdev> is not known",
    );
    refuses_device(
        "<hostdev modes='x'><source/></hostdev>",
        "attribute modes of <hostdev> is not known",
    );
    refuses_device(
        "<emulator x='1'>/e</emulator>",
        "attribute x of <emulator> is not known",
    );
    refuses_os("<init>/i<b/></init>", "<b> in <init> is not known");
    // Between elements text is left out; where there is nothing to say it is not.
    let stray = document("<init>/i</init>", "stray", "");
    assert!(crate::domain::parse(stray.as_bytes(), "a.xml").is_ok());
    refuses_general(
        "<features><privnet>stray</privnet></features>",
        "the text \"stray\" in <privnet> is not known",
    );
}

#[test]
fn refuses_single_elements_that_come_twice() {
    for name in [
        "uuid", "title", "vcpu", "on_crash", "idmap", "cputune", "features", "clock", "resource",
    ] {
        let text = document("<init>/i</init>", &format!("<{name}/>\n<{name}/>"), "");
        assert_eq!(refusal(&text), format!("a.xml:6: <{name}> comes twice in <domain>"));
    }
    for name in ["name", "memory", "os"] {
        refuses_general(&format!("<{name}/>"), &format!("<{name}> comes twice in <domain>"));
    }
    refuses_device(
        "<emulator>/a</emulator><emulator>/b</emulator>",
        "<emulator> comes twice in <devices>",
    );
}

#[test]
fn refuses_names_that_would_leave_their_directory() {
    for (name, why) in [
        ("a/b", "\"a/b\": it contains '/'"),
        ("a\nb", "\"a\\nb\": it contains '\\n'"),
        ("", "\"\": it is empty"),
        ("..", "\"..\": it begins with '-' or '.'"),
    ] {
        let text = FULL.replacen("harbour &amp; quay", name, 1);
        assert_eq!(refusal(&text), format!("a.xml:2: <name> is {why}"));
    }
    let long = refusal(&FULL.replacen("harbour &amp; quay", &"x".repeat(65), 1));
    assert!(long.ends_with("it has more than 64 bytes"), "{long}");
    assert_eq!(
        refusal("<domain type='lxc'>\n<memory>1</memory></domain>"),
        "a.xml:1: <domain> has no <name>"
    );
}

#[test]
fn refuses_sizes_that_no_host_has() {
    let memory = |inside: &str| refusal(&format!("<domain type='lxc'><name>a</name>\n{inside}</domain>"));
    assert_eq!(memory(""), "a.xml:1: <domain> has no <memory>");
    assert_eq!(memory("<memory>0</memory>"), "a.xml:2: <memory> is 0");
    assert_eq!(
        memory("<memory>-1</memory>"),
        "a.xml:2: <memory> is \"-1\": that is not a whole number"
    );
    assert_eq!(
        memory("<memory unit='acre'>1</memory>"),
        "a.xml:2: <memory> is \"1\": its unit is not known"
    );
    let huge = format!("1{}", "0".repeat(30));
    let refused = format!("a.xml:2: <memory> is \"{huge}\": that is more than 9007199254740991 KiB");
    assert_eq!(memory(&format!("<memory>{huge}</memory>")), refused);
    refuses_general(
        "<currentMemory>-1</currentMemory>",
        "<currentMemory> is \"-1\": that is not a whole number",
    );
    refuses_general("<memtune><hard_limit>0</hard_limit></memtune>", "<hard_limit> is 0");
    refuses_general(
        "<memtune><swap_hard_limit>1023</swap_hard_limit></memtune>",
        "<swap_hard_limit> is memory and swap together, and less than the limit on memory",
    );
}

#[test]
fn refuses_processors_and_shares_out_of_bounds() {
    refuses_general("<vcpu>0</vcpu>", "<vcpu> is \"0\", not a number from 1 to 2147483647");
    refuses_general(
        "<vcpu placement='here'>1</vcpu>",
        "attribute placement of <vcpu> is \"here\", not \"static\", the only one that is supported",
    );
    refuses_general(
        "<vcpu cpuset='9-1'>1</vcpu>",
        "attribute cpuset of <vcpu> is \"9-1\", not a list of processors from 0 to 1023",
    );
    refuses_general(
        "<cputune><shares>1</shares></cputune>",
        "<shares> is \"1\", not a number from 2 to 262144",
    );
    refuses_general(
        "<cputune><period>999</period></cputune>",
        "<period> is \"999\", not a number from 1000 to 1000000",
    );
    refuses_general(
        "<cputune><quota>-2</quota></cputune>",
        "<quota> is \"-2\", not -1 or a number from 1000 to 17592186044415",
    );
}

#[test]
fn refuses_general_values_that_are_not_supported() {
    refuses_general("<uuid>x</uuid>", "<uuid> is \"x\", not a uuid");
    refuses_general("<title>a\nb</title>", "<title> has more than one line");
    refuses_general(
        "<clock offset='noon'/>",
        "attribute offset of <clock> is \"noon\", not utc, localtime, timezone, variable or absolute",
    );
    refuses_general(
        "<on_poweroff>coredump-restart</on_poweroff>",
        "<on_poweroff> is \"coredump-restart\", not \"destroy\" or \"restart\", which alone are supported",
    );
    for (label, why) in [
        (
            "<seclabel type='some'/>",
            "attribute type of <seclabel> is \"some\", not \"none\" or \"static\", which alone are supported",
        ),
        (
            "<seclabel type='static' model='apparmor'/>",
            "<seclabel> has no <label>",
        ),
        (
            "<seclabel type='static' model='apparmor'><label>a b</label></seclabel>",
            "<label> is \"a b\": it contains ' '",
        ),
        (
            "<seclabel type='static' model='apparmor'><label>unconfined</label></seclabel>",
            "<label> is \"unconfined\": it means to have none",
        ),
        ("<seclabel type='static' model='selinux'/>", "<seclabel> has no <label>"),
        (
            "<seclabel type='static' model='selinux'><label>container_t</label></seclabel>",
            "<label> is \"container_t\": it is neither USER:ROLE:TYPE nor USER:ROLE:TYPE:RANGE",
        ),
    ] {
        refuses_general(label, why);
    }
}

#[test]
fn refuses_maps_that_overlap_or_leave_out_root() {
    let map = |inside: &str| format!("<idmap>{inside}<gid start='0' target='9' count='1'/></idmap>");
    refuses_general(&map(""), "<idmap> needs both <uid> and <gid>");
    let uid_alone = "<idmap><uid start='0' target='9' count='1'/></idmap>";
    refuses_general(uid_alone, "<idmap> needs both <uid> and <gid>");
    refuses_general(
        &map("<uid start='1' target='9' count='1'/>"),
        "<uid> in <idmap>: id 0 of the container is not mapped",
    );
    refuses_general(
        &map("<uid start='20' target='10' count='1'/><uid start='0' target='9' count='9'/>"),
        "<uid> in <idmap>: the ranges 0 -> 9 (9) and 20 -> 10 (1) overlap",
    );
    refuses_general(
        &map("<uid start='0' target='9' count='0'/>"),
        "<uid> in <idmap>: the range 0 -> 9 (0) is empty or passes 2^31-2",
    );
    refuses_general(&map("<uid start='0' count='1'/>"), "<uid> has no attribute target");
    refuses_general(
        &map("<uid start='-1' target='9' count='1'/>"),
        "attribute start of <uid> is \"-1\", not a number below 4294967296",
    );
}

#[test]
fn refuses_capabilities_that_do_not_exist() {
    let features = |inside: &str| format!("<features><capabilities>{inside}</capabilities></features>");
    refuses_general(
        &features("<sys_fly state='on'/>"),
        "<sys_fly> in <capabilities> is no capability",
    );
    refuses_general(
        &features("<kill state='on'/><kill state='on'/>"),
        "<kill> comes twice in <capabilities>",
    );
    refuses_general(
        &features("<kill state='maybe'/>"),
        "attribute state of <kill> is \"maybe\", not \"on\" or \"off\"",
    );
    refuses_general(
        "<features><capabilities policy='some'/></features>",
        "attribute policy of <capabilities> is \"some\", not \"default\", \"allow\" or \"deny\"",
    );
}

#[test]
fn refuses_an_init_that_cannot_be_executed_as_asked() {
    refuses_os("", "<os> has no <init>");
    refuses_os("<init/>", "<init> is empty");
    for (more, what) in [
        ("<initarg/>", "<initarg> is empty"),
        ("<initenv>x</initenv>", "<initenv> has no attribute name"),
        ("<initenv name='A'/>", "<initenv> is empty"),
        (
            "<initenv name='A=B'>x</initenv>",
            "attribute name of <initenv> contains '='",
        ),
        (
            "<inituser>a:b</inituser>",
            "<inituser> is \"a:b\", not a name or a number below 2147483648",
        ),
        (
            "<initgroup>+2147483648</initgroup>",
            "<initgroup> is \"+2147483648\", not a name or a number below 2147483648",
        ),
    ] {
        refuses_os(&format!("<init>/i</init>{more}"), what);
    }
    let os = |os: &str| {
        refusal(&format!(
            "<domain type='lxc'><name>a</name><memory>1</memory>\n{os}</domain>"
        ))
    };
    assert_eq!(os(""), "a.xml:1: <domain> has no <os>");
    let hvm = "a.xml:2: <type> is \"hvm\", not \"exe\", the only one that is supported";
    assert_eq!(os("<os><type>hvm</type></os>"), hvm);
    let vax = "a.xml:2: attribute arch of <type> is \"vax\", not \"x86_64\" or \"i686\", which alone are supported";
    assert_eq!(os("<os><type arch='vax'>exe</type></os>"), vax);
}

#[test]
fn the_error_can_be_taken_apart() {
    let error = parse(b"<domain\n  typ='lxc' type='lxc'><name/></domain>", "b.xml").unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.line, error.what.as_str()),
        ("b.xml", 1, "<domain> has no <memory>")
    );
}
