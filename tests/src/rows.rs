//! The attacks that container runtimes fell to, each with the rules that stop it and the tests that try it here. The tests of this list
//! are checked against those that there are (`tests/tests/attack_rows.rs`). Plain data.

/// Rules that stop attacks.
pub const RULES: [&str; 24] = [
    "R1: a user namespace by default, in which the host's uid and gid 0 are not mapped",
    "R2: mounts by descriptor: no path is resolved twice, and none through a link",
    "R3: nothing that an image has at /dev, /proc and /sys is used",
    "R4: masks are made of the runtime's own objects and looked at again; one that is missing is no start",
    "R5: what is written to /proc goes to a proc that no image and no mount can stand in for",
    "R6: what executes inside cannot be written from inside, and cannot be traced",
    "R7: no descriptor and no directory of the host's comes along",
    "R8: no capability is inheritable or ambient, and the bounding set is the permitted one",
    "R9: who enters is confined as PID 1 is before it is visible inside",
    "R10: no-new-privileges by default, and nothing that the host shares gives privileges there",
    "R11: calls are allowed by a list, compared as the kernel takes them, through one door",
    "R12: a terminal of the container's own; the caller's never comes inside",
    "R13: no abstract socket, and a network of its own by default",
    "R14: a hostile neighbour on the network: no raw packets, no advertisement believed, names that are names",
    "R15: a cgroup namespace, limits and device rules from the first instruction on, and an end by the group",
    "R16: parsers without power, bounded, and strict",
    "R17: nothing in an image is configuration",
    "R18: nothing of an image is executed or loaded on the host's side",
    "R19: state in a directory that nobody else may write, by descriptor, never made again below one that others may",
    "R20: the kernel's larger surfaces are shut: user namespaces inside, block file systems, modules, bpf, io_uring",
    "R21: identity by descriptor, never by a number or a path that can be given to another",
    "R22: no setuid helper, and no answer that tells who may not ask whether a file is there",
    "R23: the exact groups, and users parsed whole",
    "R24: files are copied inside, by the container's own id",
];

/// How a row is tried.
#[derive(Debug, Clone, Copy)]
pub enum Tried {
    /// By these tests: file and function.
    By(&'static [&'static str]),
    /// By no test, because there is nothing to be attacked, which the tests of absent features check: the reason, and the words that no help
    /// text may hold.
    Absent(&'static str, &'static [&'static str]),
}

/// One attack.
#[derive(Debug)]
pub struct Row {
    /// Its number.
    pub number: u8,
    /// What it is known by.
    pub known: &'static str,
    /// The rules that stop it.
    pub rules: &'static [u8],
    /// How it is tried.
    pub tried: Tried,
}

const fn row(number: u8, known: &'static str, rules: &'static [u8], tests: &'static [&'static str]) -> Row {
    Row {
        number,
        known,
        rules,
        tried: Tried::By(tests),
    }
}

const OVERWRITE: &[&str] = &[
    "attack_races::cve_2019_5736_who_enters_a_domain_is_not_overwritten_traced_or_looked_into",
    "attack_races::cve_2019_5736_not_even_a_root_that_is_the_hosts_overwrites_what_enters",
    "attack_races::cve_2016_9962_who_enters_an_app_is_not_overwritten_traced_or_looked_into",
];
const OVER_PROC: &[&str] = &["attack_proc::cve_2019_16884_nothing_can_be_mounted_over_proc_sys_and_dev"];
const DESCRIPTORS: &[&str] = &[
    "attack_enter::cve_2024_21626_a_hundred_descriptors_of_the_callers_do_not_come_along",
    "confinement::a_working_directory_that_leads_to_a_descriptor_is_refused_or_harmless",
    "run::no_descriptor_of_the_callers_comes_along",
];
const MOUNT_TARGET: &[&str] = &["attack_races::cve_2021_30465_a_mount_target_that_is_exchanged_for_a_link"];
const IMAGE_PLACES: &[&str] = &[
    "attack_races::cve_2025_31133_places_of_the_image_that_are_exchanged_for_links",
    "attack_image::cve_2026_41579_links_for_dev_and_its_likes_make_nothing_on_the_host",
    "confinement::an_image_with_links_for_proc_sys_and_dev_is_refused_or_confined_all_the_same",
];
const COPIED: &[&str] = &["attack_races::cve_2018_15664_files_copied_through_enter_are_never_the_hosts"];
const AGAIN: &[&str] =
    &["attack_image::cve_2015_3629_links_that_a_container_left_are_not_followed_when_it_starts_again"];
const PUSHED: &[&str] = &[
    "attack_terminal::cve_2017_5226_nothing_is_typed_into_the_callers_terminal",
    "attack_calls::cve_2019_10063_no_number_that_the_kernel_takes_for_tiocsti_or_tioclinux_passes",
    "confinement::terminal_input_cannot_be_faked",
];
const SURFACES: &[&str] = &["attack_calls::cve_2022_0185_no_user_namespace_and_none_of_the_larger_surfaces"];
const WORLD_WRITABLE: &[&str] =
    &["attack_state::cve_2015_1331_nothing_is_made_in_a_directory_that_everybody_may_write"];
const LIARS: &[&str] = &[
    "attack_input::lxc_19ad80ed8_frames_that_lie_about_their_length_end_their_own_conversation_alone",
    "frames::every_bad_frame_ends_the_conversation_with_every_piece",
];

/// The list.
pub const ROWS: [Row; 65] = [
    row(1, "CVE-2019-5736", &[6, 1], OVERWRITE),
    row(2, "CVE-2024-21626", &[7], DESCRIPTORS),
    row(3, "CVE-2021-30465", &[2], MOUNT_TARGET),
    row(4, "CVE-2025-31133, CVE-2025-62161", &[4, 3], IMAGE_PLACES),
    row(
        5,
        "CVE-2025-52565",
        &[12, 2],
        &["attack_terminal::cve_2025_52565_the_console_is_a_terminal_of_a_devpts_of_its_own"],
    ),
    row(
        6,
        "CVE-2025-52881, CVE-2025-62596",
        &[5],
        &["attack_proc::cve_2025_52881_what_is_written_to_proc_goes_to_a_proc"],
    ),
    row(7, "CVE-2026-41579, CVE-2026-47766", &[3, 2], IMAGE_PLACES),
    row(8, "CVE-2019-16884", &[5], OVER_PROC),
    row(
        9,
        "CVE-2019-19921, CVE-2023-27561, CVE-2023-28642",
        &[3, 4],
        IMAGE_PLACES,
    ),
    row(10, "CVE-2024-45310", &[2], MOUNT_TARGET),
    row(11, "CVE-2015-1335, CVE-2019-18837", &[2], MOUNT_TARGET),
    row(12, "CVE-2018-15664, CVE-2026-42306", &[24], COPIED),
    row(
        13,
        "CVE-2019-14271, CVE-2026-41567, CVE-2014-9357",
        &[18, 24],
        &["attack_image::cve_2019_14271_nothing_of_the_image_is_loaded_or_executed_on_the_hosts_side"],
    ),
    row(
        14,
        "CVE-2019-18466, CVE-2023-0778, CVE-2025-11395, CVE-2014-6407",
        &[24, 2],
        COPIED,
    ),
    row(15, "CVE-2016-9962, CVE-2016-8649", &[9, 1], OVERWRITE),
    row(
        16,
        "CVE-2015-1334",
        &[5, 21],
        &["attack_proc::cve_2015_1334_a_faked_proc_changes_nothing_for_who_enters"],
    ),
    row(
        17,
        "CVE-2016-8867, CVE-2022-24769, CVE-2022-29162, CVE-2022-27650, CVE-2025-27612",
        &[8],
        &["attack_enter::cve_2022_29162_nothing_is_inheritable_or_ambient_and_file_capabilities_give_nothing"],
    ),
    row(
        18,
        "CVE-2016-3697, CVE-2026-30892",
        &[23],
        &["attack_enter::cve_2016_3697_a_user_that_is_written_oddly_is_what_it_says_or_an_error"],
    ),
    row(
        19,
        "CVE-2022-36109, CVE-2023-25173, CVE-2022-2989",
        &[23],
        &["attack_enter::cve_2022_36109_groups_are_the_containers_own"],
    ),
    row(
        20,
        "CVE-2022-0492",
        &[1, 15],
        &[
            "attack_proc::cve_2022_0492_no_release_agent_is_reached",
            "confinement::the_cgroup_limits_cannot_be_raised_and_no_release_agent_is_reached",
        ],
    ),
    row(
        21,
        "core_pattern",
        &[1, 4, 11],
        &[
            "attack_proc::core_pattern_is_not_written_by_a_remount_or_a_fresh_proc",
            "confinement::no_second_proc_or_sysfs_without_masks_can_be_mounted",
            "confinement::read_only_places_stay_read_only",
        ],
    ),
    Row {
        number: 22,
        known: "CVE-2022-0811",
        rules: &[16],
        tried: Tried::Absent("no option and no element sets a kernel setting", &["sysctl"]),
    },
    row(
        23,
        "CVE-2018-10892, CVE-2015-3630",
        &[4, 1],
        &[
            "attack_proc::cve_2018_10892_nothing_below_proc_and_sys_can_be_written_but_what_is_its_own",
            "confinement::masked_files_show_nothing_and_take_nothing",
        ],
    ),
    row(
        24,
        "systemd PR 40833",
        &[4],
        &["attack_proc::a_mask_that_cannot_be_made_is_no_start"],
    ),
    row(
        25,
        "CVE-2023-25809",
        &[15],
        &["attack_proc::cve_2023_25809_no_group_but_its_own_is_shown_or_written"],
    ),
    row(
        26,
        "CVE-2021-43784",
        &[16],
        &["attack_input::cve_2021_43784_no_length_of_a_field_changes_the_namespaces"],
    ),
    row(27, "LXC 19ad80ed8, 06f626091", &[16], LIARS),
    row(28, "CVE-2015-3627", &[7], DESCRIPTORS),
    row(29, "CVE-2015-3629", &[2, 3], AGAIN),
    row(30, "CVE-2015-3631", &[5], OVER_PROC),
    row(31, "CVE-2013-6456", &[2, 3, 21], AGAIN),
    row(
        32,
        "CVE-2013-6436",
        &[16],
        &["attack_input::cve_2013_6436_every_question_about_a_container_that_does_not_run_has_an_answer"],
    ),
    row(
        33,
        "CVE-2014-0179, CVE-2025-12748",
        &[16],
        &[
            "attack_input::cve_2025_12748_a_document_costs_no_more_memory_than_it_is_long",
            "bad_input::a_document_type_is_refused_and_no_entity_expanded",
            "bad_input::a_million_attributes_are_refused",
            "bad_input::nesting_a_hundred_thousand_deep_is_refused",
        ],
    ),
    row(34, "CVE-2015-1331", &[19], WORLD_WRITABLE),
    row(
        35,
        "CVE-2026-3888, CVE-2022-3328, CVE-2021-44731",
        &[19, 2],
        &["attack_state::cve_2026_3888_directories_that_somebody_else_made_are_refused"],
    ),
    row(
        36,
        "CVE-2021-44730",
        &[22],
        &[
            "attack_state::cve_2021_44730_no_program_has_a_set_id_bit_or_a_capability_of_its_own",
            "tree::nothing_that_is_installed_has_a_set_id_bit",
        ],
    ),
    row(
        37,
        "CVE-2017-5985, CVE-2018-6556, CVE-2022-47952, CVE-2026-39402",
        &[22, 21, 14],
        &[
            "attack_network::cve_2018_6556_an_ordinary_user_gets_no_power_and_learns_of_no_file",
            "attack_broker::a_link_goes_into_the_askers_own_network_namespace_alone",
            "attack_broker::no_link_of_the_hosts_is_set_up_by_a_socket_that_was_opened_there",
            "attack_broker::many_at_once_get_no_more_than_is_given",
            "attack_broker::what_is_no_request_gets_nothing_and_keeps_nobody_else_out_for_long",
            "attack_broker::who_reads_a_users_request_holds_nothing",
        ],
    ),
    row(
        38,
        "CVE-2013-6441",
        &[6, 10],
        &["attack_image::cve_2013_6441_nothing_of_the_hosts_is_mounted_inside_but_what_was_asked_for"],
    ),
    row(
        39,
        "CVE-2015-1342, CVE-2015-1344",
        &[17],
        &["attack_life::cve_2015_1342_every_call_on_the_served_file_is_refused_and_the_server_lives"],
    ),
    row(40, "CVE-2017-5226, CVE-2016-10124", &[12, 11], PUSHED),
    row(41, "CVE-2019-7303, CVE-2019-10063", &[11], PUSHED),
    row(42, "CVE-2023-28100", &[11], PUSHED),
    row(
        43,
        "CVE-2021-41133",
        &[11],
        &["attack_calls::cve_2021_41133_every_call_from_0_to_600_meets_what_the_policy_says"],
    ),
    row(
        44,
        "CVE-2026-31431",
        &[11],
        &[
            "attack_calls::cve_2026_31431_the_32_bit_and_the_x32_door_are_shut",
            "attack_calls::cve_2020_14386_only_the_socket_families_that_are_listed_can_be_made",
        ],
    ),
    row(
        45,
        "CVE-2020-15257",
        &[13],
        &["attack_network::cve_2020_15257_no_abstract_socket_is_there_to_be_reached"],
    ),
    row(
        46,
        "CVE-2020-13401, CVE-2020-14386",
        &[14],
        &[
            "attack_network::cve_2020_13401_a_router_advertisement_changes_no_route_of_the_hosts",
            "attack_network::no_neighbour_loses_its_own_address_to_who_asks_for_it",
            "attack_calls::cve_2020_14386_only_the_socket_families_that_are_listed_can_be_made",
            "network::a_container_cannot_speak_with_anothers_address",
        ],
    ),
    row(
        47,
        "CVE-2021-20206",
        &[16, 14],
        &[
            "attack_network::cve_2021_20206_a_link_with_a_name_that_is_none_is_refused",
            "bad_input::names_with_a_slash_a_newline_or_too_many_bytes_are_refused",
        ],
    ),
    row(
        48,
        "CVE-2022-23648, CVE-2024-1753, CVE-2024-23651",
        &[17, 2],
        &[
            "attack_image::cve_2022_23648_a_source_that_a_container_has_exchanged_for_a_link_leads_nowhere",
            "attack_image::cve_2024_1753_a_link_that_a_container_laid_in_its_own_tree_is_not_followed_for_who_names_the_place",
        ],
    ),
    row(
        49,
        "CVE-2026-53488, CVE-2026-53492, CVE-2026-40226",
        &[17],
        &["attack_image::cve_2026_40226_configuration_in_an_image_is_not_read"],
    ),
    row(
        50,
        "CVE-2026-53489, CVE-2024-5154, CVE-2025-9566, CVE-2024-9676",
        &[17, 2],
        &["attack_image::cve_2024_9676_files_of_the_image_that_are_traps_are_neither_followed_nor_waited_for"],
    ),
    row(
        51,
        "CVE-2026-23953",
        &[16],
        &["attack_input::cve_2026_23953_a_value_with_a_line_end_stays_one_value"],
    ),
    Row {
        number: 52,
        known: "CVE-2026-23954, CVE-2026-33897",
        rules: &[2],
        tried: Tried::Absent("nothing is written into an image by a template", &["template"]),
    },
    row(
        53,
        "CVE-2025-64507",
        &[10, 1],
        &[
            "attack_image::cve_2025_64507_a_setuid_file_made_in_a_volume_is_nobodys_root",
            "confinement::a_setuid_file_made_inside_gives_nothing_outside",
            "run::a_writable_bind_that_other_users_reach_is_refused_with_the_mend",
        ],
    ),
    row(
        54,
        "CVE-2025-23266, CVE-2024-0132",
        &[18],
        &["attack_image::cve_2025_23266_the_containers_environment_reaches_no_program_of_ours"],
    ),
    row(55, "CVE-2024-41110", &[16, 22], LIARS),
    row(
        56,
        "CVE-2016-8659, CVE-2020-5291, CVE-2022-31214",
        &[9, 21, 22],
        &["attack_enter::cve_2022_31214_a_container_that_somebody_made_up_is_not_entered"],
    ),
    row(57, "CVE-2019-12439", &[19], WORLD_WRITABLE),
    row(
        58,
        "CVE-2022-0185, CVE-2023-0386, CVE-2023-2640, CVE-2024-1086",
        &[20, 11],
        SURFACES,
    ),
    row(
        59,
        "devices by mknod",
        &[15, 1],
        &[
            "attack_life::a_device_is_denied_from_the_first_instruction_on",
            "confinement::no_device_but_the_harmless_ones_can_be_used",
        ],
    ),
    row(
        60,
        "keyrings",
        &[11],
        &["attack_calls::no_key_of_the_hosts_is_found_inside"],
    ),
    row(
        61,
        "binfmt_misc",
        &[1, 3],
        &["attack_life::an_interpreter_that_is_registered_inside_is_not_the_hosts"],
    ),
    row(
        62,
        "numbers of processes used again",
        &[21],
        &["attack_life::a_number_that_was_given_to_another_process_is_not_killed"],
    ),
    row(
        63,
        "fork bomb",
        &[15],
        &["attack_life::a_fork_bomb_and_a_memory_hog_do_not_keep_the_host_from_ending_them"],
    ),
    row(
        64,
        "lxcfs 185, lxcfs 204, sysbox 1018",
        &[15],
        &["attack_life::a_server_that_has_stopped_answering_does_not_keep_a_container_from_ending"],
    ),
    row(
        65,
        "killed mid-way",
        &[21],
        &[
            "kill9::of_each_long_lived_process",
            "kill9::of_each_short_lived_process_during_a_start",
        ],
    ),
];
