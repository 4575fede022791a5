//! What a container's root could try from inside and busybox does not. It is static, and is copied into a test's image. Prints `done`
//! where an attack worked, and the kernel's reason where it did not; those that go on until they are killed print what they found.
//! usage: `attack ATTACK [ARGUMENT]...`

mod calls;
mod files;
mod mounts;
mod races;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = match words.as_slice() {
        ["call", number, arguments @ ..] => calls::call(sys::attempt::Door::Native, number, arguments),
        ["int80", number, arguments @ ..] => calls::call(sys::attempt::Door::Interrupt, number, arguments),
        ["push", text] => calls::push(text),
        ["every-call", numbers @ ..] => calls::every(numbers),
        ["every-file-call", path] => files::every_call(path),
        ["open-for-writing", places @ ..] => files::writable(places),
        ["set-capability", path, root] => files::set_capability(path, root),
        ["holding"] => files::holding(),
        ["exchange", one, other] => races::exchange(one, other),
        ["overwrite"] => races::overwrite(),
        ["seize"] => races::seize(),
        ["hold", word] => races::hold(word),
        [attack, path] => mounts::try_it(attack, path, ""),
        [attack, path, kind] => mounts::try_it(attack, path, kind),
        _ => Err("usage: attack ATTACK [ARGUMENT]...".into()),
    };
    match said {
        Ok(()) => println!("done"),
        Err(reason) => println!("{reason}"),
    }
}
