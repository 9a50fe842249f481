import Glibc

/// Tells systemd, or another service manager with its protocol, what a replica is doing.
///
/// The protocol is one datagram for each change, to the socket that `NOTIFY_SOCKET` names; see sd_notify(3).
struct ServiceManager: Sendable {
    enum State {
        case ready, reloading, stopping

        fileprivate var text: String {
            switch self {
            case .ready: "READY=1"
            case .reloading:
                "RELOADING=1\nMONOTONIC_USEC=\(Self.microseconds)"
            case .stopping: "STOPPING=1"
            }
        }

        /// The time of CLOCK_MONOTONIC, by which a manager tells one reload from the next.
        private static var microseconds: Int {
            var now = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &now)
            return now.tv_sec * 1_000_000 + now.tv_nsec / 1000
        }
    }

    private static let socketType =
        SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue

    private let socketName: String

    /// The manager that started this process; nil if `NOTIFY_SOCKET` names no socket.
    init?(environment name: String? = getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) }) {
        guard let name, name.hasPrefix("/") || name.hasPrefix("@") else { return nil }
        socketName = name
    }

    /// Sends the state without waiting; a manager that does not listen is no reason to serve nobody.
    func report(_ state: State) {
        let descriptor = socket(
            AF_UNIX, Int32(bitPattern: Self.socketType), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socketName.utf8)
        // A name of Linux' abstract sockets is written with "@" and begins with a zero.
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 0
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(offset + name.count)
        let text = Array(state.text.utf8)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = unsafe sendto(
                    descriptor, text, text.count, Int32(MSG_NOSIGNAL), generic, length)
            }
        }
    }
}
