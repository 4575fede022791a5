//! The constants that a policy may name in a condition, with the values of the kernel's own headers. Touches nothing.

macro_rules! constants {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name as u64)),*] };
}

/// Name and value. Values are those of the C headers, taken as the kernel compares them: 32 bits unless the policy says `:64`.
#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
pub const CONSTANTS: &[(&str, u64)] = constants! {
    PROT_EXEC MAP_SHARED MADV_DONTNEED
    SIGABRT SIGSEGV SIGBUS SIGPIPE
    SIG_BLOCK SIG_UNBLOCK SIG_SETMASK
    F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC F_GETLK F_SETLK F_OFD_SETLK F_ADD_SEALS F_GET_SEALS
    O_CREAT O_TMPFILE O_PATH
    AT_REMOVEDIR AT_EMPTY_PATH AT_RECURSIVE
    AF_UNIX AF_INET AF_INET6 AF_NETLINK SOCK_SEQPACKET SOCK_STREAM
    NETLINK_ROUTE NETLINK_NETFILTER NETLINK_AUDIT NETLINK_KOBJECT_UEVENT
    SOL_SOCKET SO_PEERCRED SO_TYPE SO_ERROR SO_DOMAIN SO_PROTOCOL SOL_NETLINK
    TIOCSTI TIOCLINUX TIOCGWINSZ TIOCSWINSZ TCGETS TCSETS TCSETSW TCSETSF TCGETS2 TCSETS2 TCSETSW2 TCSETSF2 TIOCGPTN TIOCGPTPEER FIONREAD TCFLSH
    CLONE_NEWNS CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET
    CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_THREAD CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID
    PR_SET_NAME PR_SET_VMA PR_SET_NO_NEW_PRIVS PR_SET_SECCOMP PR_SET_PDEATHSIG PR_GET_DUMPABLE PR_SET_DUMPABLE PR_GET_NO_NEW_PRIVS PR_GET_SECCOMP PR_CAPBSET_READ FIOCLEX
    S_IFMT S_IFBLK S_IFCHR
    MNT_FORCE MNT_DETACH UMOUNT_NOFOLLOW
    EPERM ENOSYS EAFNOSUPPORT
    SECCOMP_SET_MODE_FILTER
    FUTEX_WAIT FUTEX_WAKE
    P_PIDFD
};

/// Constants that the C library's crate lacks.
pub const KERNEL: &[(&str, u64)] = &[
    // include/uapi/linux/mount.h
    ("OPEN_TREE_CLONE", 1),
    ("FSCONFIG_SET_FLAG", 0),
    ("FSCONFIG_SET_STRING", 1),
    ("FSCONFIG_CMD_CREATE", 6),
    // include/uapi/linux/loop.h
    ("LOOP_CONFIGURE", 0x4c0a),
    ("LOOP_CTL_GET_FREE", 0x4c82),
    // include/uapi/linux/bpf.h
    ("BPF_PROG_LOAD", 5),
    ("BPF_PROG_ATTACH", 8),
    ("BPF_PROG_DETACH", 9),
    ("BPF_OBJ_GET_INFO_BY_FD", 15),
    ("BPF_PROG_QUERY", 16),
    // include/uapi/linux/personality.h
    ("PER_LINUX", 0),
    ("PER_LINUX32", 8),
    ("UNAME26", 0x0002_0000),
    ("PER_QUERY", 0xffff_ffff),
    // include/uapi/linux/fs.h
    ("NS_GET_USERNS", 0xb701),
    ("NS_GET_PARENT", 0xb702),
    ("NS_GET_NSTYPE", 0xb703),
    ("NS_GET_OWNER_UID", 0xb704),
    // include/uapi/linux/seccomp.h
    ("SECCOMP_IOCTL_NOTIF_RECV", 0xc050_2100),
    ("SECCOMP_IOCTL_NOTIF_SEND", 0xc018_2101),
    ("PIDFD_GET_INFO", 0xc040_ff0b),
];
