import Glibc

/// Starts a command with `posix_spawn` and returns the child's pid.
///
/// The child gets its own process group, so that Ctrl-C at a terminal reaches only this process, which
/// then stops its children. Signals that this process ignores or blocks (a service often ignores
/// SIGTERM and reads it elsewhere) are reset, since the child would inherit that.
func spawn(_ command: Command) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (stream, number) in [(command.input, 0), (command.output, 1), (command.errors, 2)] {
        let number = Int32(number)
        switch stream {
        case .inherited: break
        case .discarded:
            unsafe posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
        case .descriptor(let descriptor):
            unsafe posix_spawn_file_actions_adddup2(&actions, descriptor.number, number)
        }
    }
    if let tether = command.tether {
        unsafe posix_spawn_file_actions_adddup2(&actions, tether.number, 3)
    }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var processID = pid_t()
    let code = unsafe withCStrings([command.executable] + command.arguments) { arguments in
        guard let environment = command.environment else {
            return unsafe posix_spawn(
                &processID, command.executable, &actions, &attributes, arguments, environ)
        }
        let assignments = environment.map { "\($0.key)=\($0.value)" }.sorted()
        return unsafe withCStrings(assignments) { environment in
            unsafe posix_spawn(
                &processID, command.executable, &actions, &attributes, arguments, environment)
        }
    }
    guard code == 0 else { throw SystemError(call: "start \(command.executable)", code: code) }
    return processID
}

private func withCStrings<Result>(
    _ strings: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers)
}
