import Glibc

/// A child process whose standard input and output are one socket, of which we hold the other end.
///
/// Foundation's `Process` leaves 32 bytes behind on every thread it is used on, for which
/// AddressSanitizer would fail the tests.
final class ChildShell: Sendable {
    struct Failure: Error {
        var code: Int32
    }

    private let processID: pid_t
    private let socket: Int32

    /// Starts a program, found by `PATH`, with arguments.
    init(_ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        // Closed in whatever else is started: the lifeline would otherwise have other holders.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw Failure(code: errno) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, arguments[0], &actions, nil, &pointers, environ)
        close(ends[1])
        guard code == 0 else { throw Failure(code: code) }
        (processID, socket) = (child, ends[0])
    }

    /// Waits for the next piece of output; empty at its end.
    func readAnswer() -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(socket, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// Ends the child's input, and waits until it has ended itself.
    func closeAndWait() {
        close(socket)
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0, errno == EINTR {}
    }
}
